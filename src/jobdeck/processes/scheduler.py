"""The scheduler's process: one loop that sleeps until the next planned time, and has it served.

It holds no state of its own: what is due is asked of the database, so that any number of schedulers may run, and one that is
killed has forgotten nothing. It also looks after workers, as each of them does.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from ..core import zones
from ..core.principal import DEFAULT_TENANT
from ..core.times import from_us
from ..core.worker import SchedulerInfo
from ..errors import StoreError
from ..services.authority import Authority
from ..services.firing import Firing
from ..services.office import Office
from ..services.overdue import Watch
from ..services.workers import SCHEDULER_SILENCE_S
from ..store import schedulers
from .care import Care
from .identity import host_name
from .introduction import introduce
from .outage import Outage
from .signals import Signals
from .time_limit import TimeLimit

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""A schedule that is new or changed is noticed within this time."""
CONTENTION_S = 0.25
TOGETHER_S = 0.05
"""Planned times that follow one another as closely are served together."""
RETRY_S = 1.0
ALIVE_S = SCHEDULER_SILENCE_S / 3
WATCH_S = 15.0
ARGUMENTS_S = 5.0
STEP_S = 5.0
"""From so many seconds on, a clock that moves otherwise than time passes is told about."""


class Scheduler:
    """Serves schedules: alone in a process (`run`), or by turns in the loop of another one's (`begin`, `turn`, `end`), in its main
    thread. `context` is the application's, entered around its own code.
    """

    def __init__(
        self, office: Office, authority: Authority, context: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        limit = TimeLimit(ARGUMENTS_S)

        def guard() -> AbstractContextManager[None]:
            entered = context()
            # Ten thousand times in a few seconds, a context that does nothing costs something all the same.
            return limit if isinstance(entered, nullcontext) else _both(entered, limit)

        self._office = office
        self._database = office.database
        self._firing = Firing(office, authority, guard)
        self._watch = Watch(office)
        now = office.clock.now_us()
        self._info = SchedulerInfo(
            id=str(uuid.uuid4()), host=host_name(), pid=os.getpid(), tzdata=zones.VERSION, started_at=from_us(now),
            seen_at=from_us(now),
        )  # fmt: skip
        declared = {job_type.id: job_type.options() for job_type in office.registry}
        self._care = Care(office.settings, office.database, introduce((), (), 0), declared)
        self._alive_at = self._watch_at = 0.0
        self._outage = Outage()
        self._offset_s = self._clock_offset()

    def run(self, signals: Signals) -> int:
        """The loop, until SIGTERM or SIGINT; the process's exit code. StoreError when the database cannot serve at the start."""
        self.begin()
        # What was loaded stays: to search it for garbage again and again would take a tenth of firing.
        gc.freeze()
        while not signals.stops:
            wait_s = self.turn()
            select.select([signals], [], [], wait_s)
            signals.drain()
        self.end()
        return 0

    def begin(self) -> None:
        """Be known as a scheduler, and plan anew what other time zone data has moved. StoreError."""
        with self._database.write() as connection:
            schedulers.add(connection, DEFAULT_TENANT, self._info, self._office.clock.now_us())
        changed = self._firing.plan_anew()
        if changed:
            logger.info("%d schedules are planned anew with time zone data %s", changed, zones.VERSION)
        logger.info("scheduler %s is ready: time zone data %s", self._info.id[:8], zones.VERSION)

    def end(self) -> None:
        """Be known no more."""
        try:
            with self._database.write() as connection:
                schedulers.ended(connection, self._info.id, self._office.clock.now_us())
        except StoreError as error:
            logger.error("%s", error)
        logger.info("scheduler %s has ended", self._info.id[:8])

    def turn(self) -> float:
        """Serve what is due and look after the rest; how long to sleep (seconds). An outage of the database is told once."""
        self._look_at_clock()
        try:
            fired = self._firing.step()
            self._look_around(time.monotonic())
            due = self._firing.next_due()
        except StoreError as error:
            self._care.start_over()
            self._outage.note(str(error), time.monotonic())
            return RETRY_S
        self._outage.end(time.monotonic())
        if fired.is_behind:
            return 0.0
        left_s = LOOK_S if due is None else (due - self._office.clock.now_us()) / 1_000_000
        left_s = min(left_s, max(TOGETHER_S, self._care.due_at - time.monotonic()))
        if fired.ticks:
            return min(max(left_s, TOGETHER_S), LOOK_S)
        # What is due and was not served is in the hands of another scheduler just now, or nobody can say whether it may.
        return CONTENTION_S if left_s <= 0 else min(left_s, LOOK_S)

    def _look_around(self, now: float) -> None:
        if now >= self._alive_at:
            self._alive_at = now + ALIVE_S
            with self._database.write() as connection:
                schedulers.seen(connection, self._info.id, self._office.clock.now_us())
        if now >= self._watch_at:
            self._watch_at = now + WATCH_S
            self._watch.look(self._office.clock.now_us())
        if now >= self._care.due_at and self._care.look(now):
            self._office.bell.ring()

    def _look_at_clock(self) -> None:
        offset_s = self._clock_offset()
        if abs(offset_s - self._offset_s) > STEP_S:
            logger.warning(
                "the clock was moved by %+.0f s; planned times that it went over are treated as late, those that it "
                "comes to again have been served already", offset_s - self._offset_s,
            )  # fmt: skip
        self._offset_s = offset_s

    def _clock_offset(self) -> float:
        """How far the clock is ahead of the time that has passed since boot, in which suspended hosts do not stand still."""
        return self._office.clock.now_us() / 1_000_000 - time.clock_gettime(time.CLOCK_BOOTTIME)


@contextmanager
def _both(outer: AbstractContextManager[Any], inner: AbstractContextManager[None]) -> Iterator[None]:
    with outer, inner:
        yield
