"""One engine as a dispatcher has it: what is to be rung there, what became of it, and what is wrong with it."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ..contracts import Engine
from ..core.limits import WhenFull
from ..core.ring import Ring
from ..core.text import one_line
from ..errors import EngineError
from ..store import rings as store
from ..store import slots
from ..store.rings import Found
from ..store.statements import AnyConnection
from .office import Office

logger = logging.getLogger(__name__)

BATCH = 500
SHARE = 50
DEPTH_S = 5.0
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.25, 2.0
_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class Done:
    """What a turn did: how many rings were sent, and whether there is more to be rung."""

    rung: int = 0
    is_behind: bool = False


class EnginePart:
    """Everything about one engine and its `queues`. `problem` is why it cannot be rung, until it can; `depths` how many messages
    wait there, as far as it tells; `retry_at` (monotonic seconds) when it is tried again.
    """

    def __init__(self, office: Office, engine: Engine, queues: Sequence[str]) -> None:
        self.engine = engine
        self.queues = queues
        self.problem: str | None = None
        self.depths: dict[str, int] = {}
        self.retry_at = 0.0
        self._office = office
        self._database = office.database
        self._patience_us = int(office.settings.ring_patience_s * 1_000_000)
        self._failures = 0
        self._depths_at = 0.0

    def turn(self) -> Done:
        """Ring once, for some runs of each queue. StoreError when the database cannot serve."""
        now = time.monotonic()
        if now < self.retry_at:
            return Done()
        trouble = self._look_at_depths(now)
        now_us = self._office.clock.now_us()
        with self._database.read() as connection:
            new = [queue for queue in self.queues if store.is_any_to_ring(connection, queue, now_us, again=False)]
            lost = {queue: self._count_rung(connection, queue) for queue in self.queues
                    if store.is_any_to_ring(connection, queue, now_us, again=True)}  # fmt: skip
        rings: list[Ring] = []
        is_behind, taken = False, 0
        if new or lost:
            held = {queue for queue, rung in lost.items() if trouble is None and self._has(queue, rung)}
            share = 1 if trouble or self.problem else max(SHARE, BATCH // len(self.queues))
            rings, is_behind = self._take(dict.fromkeys([*new, *lost]), held, share, now_us)
        if rings:
            taken, trouble = self._send(rings)
        self._note(trouble)
        return Done(taken, is_behind and trouble is None)

    # The engine

    def _look_at_depths(self, now: float) -> Exception | None:
        """For those who look on, and to learn that the engine is away before somebody needs it; why it cannot tell."""
        if now < self._depths_at and self.problem is None:
            return None
        self._depths_at = now + DEPTH_S
        self.depths = {}
        try:
            for queue in self.queues:
                depth = self.engine.depth(queue)
                if depth is not None:
                    self.depths[queue] = depth
        except Exception as error:  # an engine of somebody else's may raise anything, and the others go on
            return error
        return None

    def _count_rung(self, connection: AnyConnection, queue: str) -> int:
        """For how many runs it was rung that wait in this queue, or in another one that is the same there."""
        routes = self._office.settings.engines
        same = [name for name in self.queues if routes[name] == routes[queue]]
        return sum(store.count_rung(connection, name, _COUNTED) for name in same)

    def _has(self, queue: str, rung: int) -> bool:
        """Whether as many messages wait there as runs that were rung for, so that none can be lost."""
        try:
            depth = self.engine.depth(queue)
        except Exception:  # as above: ringing will tell what is wrong
            return False
        return depth is not None and depth >= rung

    def _send(self, rings: Sequence[Ring]) -> tuple[int, Exception | None]:
        """How many were sent, and why not all. The others are taken back, and sent as soon as they can be."""
        taken, trouble = 0, None
        try:
            taken = self.engine.ring(rings)
        except Exception as error:  # as above
            trouble = error
        if left := rings[taken:]:
            with self._database.write_quickly() as connection:
                store.not_rung(connection, [(ring.run_id, ring.number) for ring in left])
        return taken, trouble

    def _note(self, trouble: Exception | None) -> None:
        if trouble is None:
            if self.problem is not None:
                logger.info("the engine %s can be rung again", self.engine.name)
            self.problem, self.retry_at, self._failures = None, 0.0, 0
            return
        if not isinstance(trouble, EngineError):
            logger.error("the engine %s failed", self.engine.name, exc_info=trouble)
        if self.problem is None:
            logger.error("%s: %s It is tried again.", self.engine.name, one_line(str(trouble)))
        self.problem = one_line(str(trouble) or type(trouble).__name__)
        self.retry_at = time.monotonic() + min(FIRST_BACKOFF_S * 2.0**self._failures, LONGEST_BACKOFF_S)
        self._failures = min(self._failures + 1, 10)

    # The database

    def _take(self, queues: Iterable[str], held: Collection[str], share: int, now_us: int) -> tuple[list[Ring], bool]:
        """The next rings, already noted as sent, and whether there may be more."""
        found: list[Found] = []
        is_behind = False
        with self._database.write_quickly() as connection:
            room = store.room(connection, list(queues), now_us)
            for queue in queues:
                limit = min(share, room.get(queue, share))
                rows = store.to_ring(connection, queue, now_us, limit, again=False)
                more = store.to_ring(connection, queue, now_us, limit - len(rows), again=True)
                if queue in held:
                    store.be_patient(connection, [row[0] for row in more], now_us, self._patience_us)
                    more = []
                found += rows + more
                is_behind = is_behind or len(rows) + len(more) == share
            admitted, full, unsure = self._admit(connection, found, now_us)
            is_behind = is_behind or unsure
            rung = store.rung(connection, admitted, now_us, self._patience_us)
            for key in full:
                store.park(connection, key, now_us)
        return [Ring(run_id=run_id, number=number, queue=queue) for run_id, number, queue in rung], is_behind

    def _admit(
        self, connection: AnyConnection, found: Sequence[Found], now_us: int
    ) -> tuple[list[str], list[str], bool]:
        """Those runs for which their limit has room, with what is on its way; the limits that are full by that; whether one
        could not be counted, as another does just now.
        """
        # Those that do not wait for room end by the claim which finds none.
        waiting = [one for one in found if one[2] is not None and one[4] != WhenFull.SKIP]
        if not waiting:
            return [one[0] for one in found], [], False
        keys = {str(one[2]) for one in waiting}
        counted = slots.lock(connection, waiting[0][1], keys, wait=False)
        taken = slots.running(connection, counted)
        taken.update(store.under_way(connection, sorted(counted), now_us))
        refused: dict[str, str] = {}
        for run_id, _, key, n, _ in waiting:
            if key not in counted or taken[key] >= (n or 1):
                refused[run_id] = str(key)
            else:
                taken[key] += 1
        admitted = [one[0] for one in found if one[0] not in refused]
        return admitted, sorted(counted & set(refused.values())), len(counted) < len(keys)
