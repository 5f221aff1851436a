"""The dispatcher's work, without its loop: ringing engines for runs that wait in their queues.

A queued run is its own entry in the outbox: it was committed with `ring_at = 0`. That a ring goes out is committed before it is
sent, with the time from which it counts as lost, so that whatever happens in between delays a run and loses none. Any number
of dispatchers may do this at once. Neighbours: `services.dispatching` has one engine's part.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from ..contracts import Engine
from ..store import rings as store
from .dispatching import Done, EnginePart
from .office import Office

ADOPTED_AT_ONCE = 5000
SLOW_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """What one step did: how many rings were sent, what is wrong with engines, how many messages wait for queues there."""

    rung: int = 0
    is_behind: bool = False
    """More is to be rung already."""
    problems: Mapping[str, str] = field(default_factory=dict)
    depths: Mapping[str, int] = field(default_factory=dict)


class Dispatch:
    """Rings `engines`, by name; one that executes where it is rung is left to whoever enqueues."""

    def __init__(self, office: Office, engines: Mapping[str, Engine]) -> None:
        self._office = office
        self._database = office.database
        self._parts = {
            name: EnginePart(
                office, engine, [queue for queue, route in office.settings.engines.items() if route.engine == name]
            )
            for name, engine in engines.items()
            if not engine.is_immediate
        }
        # Alone, an engine keeps nobody waiting.
        self._threads = ThreadPoolExecutor(len(self._parts), "ringing") if len(self._parts) > 1 else None
        self._busy: dict[str, Future[Done]] = {}

    def step(self) -> Dispatched:
        """Ring for what is due, some hundred runs of each engine at most. StoreError when the database cannot serve; what was
        not sent then is sent later.
        """
        done = self._alone() if self._threads is None else self._together(self._threads)
        return Dispatched(
            rung=sum(one.rung for one in done),
            is_behind=any(one.is_behind for one in done),
            problems={name: part.problem for name, part in self._parts.items() if part.problem is not None},
            depths={queue: depth for part in self._parts.values() for queue, depth in part.depths.items()},
        )

    def adopt(self) -> int:
        """Take over runs whose queue came to an engine after they were queued; how many."""
        adopted = 0
        for queue in self._queues:
            more = ADOPTED_AT_ONCE
            while more >= ADOPTED_AT_ONCE:
                with self._database.write_quickly() as connection:
                    more = store.adopt(connection, queue, ADOPTED_AT_ONCE)
                adopted += more
        return adopted

    def next_due(self) -> int | None:
        """When there will be something to ring for, as far as that is known (microseconds since 1970)."""
        now_us, now = self._office.clock.now_us(), time.monotonic()
        with self._database.read() as connection:
            due = [store.next_due(connection, self._queues, now_us)] if self._queues else []
        due += [now_us + int((part.retry_at - now) * 1_000_000) for part in self._parts.values() if part.retry_at > now]
        return min((at for at in due if at is not None), default=None)

    def close(self) -> None:
        """Wait for what is just being sent, and let go of the engines."""
        if self._threads is not None:
            self._threads.shutdown()
        for part in self._parts.values():
            part.engine.close()

    @property
    def _queues(self) -> list[str]:
        return [queue for part in self._parts.values() for queue in part.queues]

    def _alone(self) -> list[Done]:
        return [part.turn() for part in self._parts.values()]

    def _together(self, threads: ThreadPoolExecutor) -> list[Done]:
        """Each engine by a thread of its own; one whose broker hangs is not waited for any longer than the others."""
        for name, part in self._parts.items():
            if name not in self._busy:
                self._busy[name] = threads.submit(part.turn)
        wait(self._busy.values(), SLOW_S)
        ready = [self._busy.pop(name) for name in list(self._busy) if self._busy[name].done()]
        return [future.result() for future in ready]
