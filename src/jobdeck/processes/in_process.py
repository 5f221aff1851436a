"""Executing runs in the very process of an engine's worker, in the thread that brings a delivery: fast, and cooperative.

A stop, a timeout and a shutdown end a run only where it looks for them (`current_run.check_stop`, `progress`, `track`).
Neighbours: `processes.keeper` holds the runs, `processes.bench` executes one at a time.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from ..config import Settings
from ..core.log_entry import LEVELS
from ..core.ring import Ring
from ..errors import StoreError
from ..executor.places import shared_process
from ..services.holder import Claim
from ..services.office import Office
from .bench import Bench
from .introduction import introduce
from .keeper import OUTAGE_S, Keeper
from .outage import Outage

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Application:
    """What an attempt needs of the host."""

    settings: Settings
    registry: Any
    context: Callable[[], AbstractContextManager[Any]]

    def after_fork(self) -> None:
        """`InProcess` notices itself."""


class InProcess:
    """Serves the queues of `engine` in this process. It is a worker of its own there, with `slots` places, from its first
    delivery on; after a fork it is another one.

    `cares`: it also looks after dead workers, and after what time makes due for all. `gathers`: a run's end is written with
    the next claim, or some milliseconds later, so that `serve` may return before. `is_over`: told by whoever ends this process,
    where `begin_ending` cannot be called.
    """

    def __init__(
        self,
        office: Office,
        engine: str,
        context: Callable[[], AbstractContextManager[Any]],
        registry: Any,
        *,
        slots: int = 1,
        cares: bool = True,
        gathers: bool = False,
        is_over: Callable[[], bool] | None = None,
    ) -> None:
        self._office = office
        self._engine = engine
        self._application = _Application(settings=office.settings, registry=registry, context=context)
        self._slots = slots
        self._cares = cares
        self._gathers = gathers
        self._place = shared_process(LEVELS[office.settings.log_level])
        self._restartable: frozenset[str] = frozenset()
        self._pid = os.getpid()
        self._keeper: Keeper | None = None
        self._lock = threading.Lock()
        self._is_over = is_over or (lambda: False)
        self._is_ending = False
        self._trying = threading.Lock()

    def prepare(self) -> None:
        """In a process that is going to fork for every run: do once what each process does first, and keep nothing open.

        What was loaded and worked out for it is there after the fork. StoreError.
        """
        self._here()
        self.end(vanish=True)
        self._is_ending = False
        self._office.database.close()

    def serve(self, ring: Ring) -> bool:
        """Execute the run that a ring is good for: True when it has ended, False when there was none.

        A database that cannot serve is waited for. StoreError when this process is ending before; the run is rung for again
        later.
        """
        keeper = self._patiently(self._here)
        return self._work(keeper, lambda bench: self._patiently(lambda: keeper.win(ring, bench)))

    def drain(self, queue: str) -> int:
        """Execute the runs of a queue, one after another, until none is in line; how many."""
        keeper, served = self._here(), 0
        while self._work(keeper, lambda bench: keeper.first(queue, bench)):
            served += 1
        return served

    def begin_ending(self) -> None:
        """Take no more, and ask what runs to end; may be called from a signal's handler."""
        self._is_ending = True
        keeper = self._keeper
        if keeper is not None and keeper.pid == os.getpid():
            # In a thread of its own: the one that was interrupted may hold what this has to wait for.
            threading.Thread(target=keeper.begin_ending, daemon=True).start()

    def end(self, *, vanish: bool = False) -> None:
        """Take no more, ask what runs to end, and wait for it as long as the grace period at most.

        `vanish`: leave no trace among workers, as a process does that was there for one run.
        """
        self._is_ending = True
        keeper = self._keeper
        if keeper is not None and keeper.pid == os.getpid() and keeper.end(vanish=vanish):
            self._keeper = None

    def _patiently(self, use: Callable[[], T]) -> T:
        """What a use of the database gives as soon as that serves. A message is gone that is not used, and its run would wait."""
        outage = Outage()
        while True:
            try:
                # Those that wait try one after another: the keeper's own writing must not queue behind all of them.
                with self._trying if outage.is_on else nullcontext():
                    if outage.is_on and self._has_to_end:
                        raise StoreError("The database does not serve again before this process ends.")
                    found = use()
            except StoreError as error:
                if self._has_to_end:
                    raise
                outage.note(f"{error} A delivery waits for it.", time.monotonic())
                time.sleep(OUTAGE_S)
            else:
                outage.end(time.monotonic())
                return found

    @property
    def _has_to_end(self) -> bool:
        return self._is_ending or self._is_over()

    def _work(self, keeper: Keeper, win: Callable[[Bench], Claim | None]) -> bool:
        try:
            bench = keeper.benches.pop()
        except IndexError:
            bench = Bench(self._application, self._place, self._office.settings.files_folder, keeper.note)
        try:
            claim = win(bench)
            if claim is None:
                return False
            bench.execute(claim, restartable=claim.type in self._restartable, finish=keeper.finish)
        finally:
            keeper.benches.append(bench)
        return True

    def _here(self) -> Keeper:
        """The keeper of this process."""
        keeper = self._keeper
        if keeper is None or keeper.pid != os.getpid():
            with self._lock:
                keeper = self._keeper
                if keeper is None or keeper.pid != os.getpid():
                    keeper = self._keeper = self._start()
        return keeper

    def _start(self) -> Keeper:
        if self._pid != os.getpid():
            if self._keeper is not None:
                self._keeper.abandon()
            self._place.forget()
            self._office.database.forget()
            self._pid = os.getpid()
        settings = self._office.settings
        types = {job_type.id: job_type.options() for job_type in self._application.registry}
        self._restartable = frozenset(name for name, options in types.items() if options["restartable"])
        queues = [name for name in settings.queues if settings.engine_of(name) == self._engine]
        info = introduce(queues, list(types), self._slots, engine=self._engine)
        keeper = Keeper(
            settings, self._office.database, self._office.bell, info, types, cares=self._cares, gathers=self._gathers
        )
        keeper.begin()
        return keeper
