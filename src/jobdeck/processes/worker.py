"""A worker: the supervising process that claims runs, has its children execute them, and writes down what they say.

One loop, one thread, one writer. It sleeps until something happens: the doorbell rings, a child speaks or dies, a
signal arrives, time makes something due. The application is never imported here; a template process holds it
(`processes.template`) and tells the job types and settings as data.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from ..config import Settings
from ..core.times import from_us
from ..core.worker import WorkerInfo
from ..errors import ConfigurationError, StoreError
from ..services.claims import Claims
from ..services.holder import Holder
from ..services.workers import Presence, bury_dead
from ..store.database import Database
from ..store.doorbell import Doorbell
from . import identity
from .ledger import Ledger
from .pool import Pool
from .template_link import TemplateLink

logger = logging.getLogger(__name__)

POLL_WITH_DOORBELL_S = 5.0
POLL_WITHOUT_S = 0.25
STOPS_EVERY_S = 0.05
BATCHING_S = 0.001
OUTAGE_S = 0.5


def run_worker(
    reference: str | None, *, queues: Sequence[str] = (), processes: int | None = None, burst: bool = False
) -> int:
    """Work until SIGTERM or SIGINT (a second one hurries), with `burst` until nothing is queued; the exit code.

    `reference` is `MODULE:NAME` of the application; `queues` defaults to all, `processes` to the setting.
    ConfigurationError and StoreError tell why the worker cannot begin.
    """
    link = TemplateLink(reference)
    try:
        told = link.hello()
        settings = Settings.of_data(told["settings"])
        database = Database(settings)
        database.check_schema()
        worker = Worker(
            settings, database, link, list(told["types"]), _served(settings, queues), processes or settings.processes
        )
    except BaseException:
        link.close()
        raise
    try:
        return worker.work(burst=burst)
    finally:
        database.close()


def _served(settings: Settings, queues: Sequence[str]) -> tuple[str, ...]:
    for name in queues:
        if name not in settings.queues:
            raise ConfigurationError(f"There is no queue {name!r}; the queues are {', '.join(settings.queues)}.")
    return tuple(dict.fromkeys(queues)) or tuple(settings.queues)


class Worker:
    """One worker's loop and what it keeps from turn to turn."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        link: TemplateLink,
        types: Sequence[str],
        queues: tuple[str, ...],
        processes: int,
    ) -> None:
        self._settings = settings
        self._database = database
        self._info = _introduce(queues, processes)
        holder = Holder(id=self._info.id, host=self._info.host, boot_id=self._info.boot_id)
        self._claims = Claims(database, holder, queues, types)
        self._presence = Presence(database, self._info)
        self._ledger = Ledger(holder)
        self._selector = selectors.DefaultSelector()
        self._pool = Pool(link, self._selector, self._ledger, processes, settings.stop_grace_s)
        self._doorbell = Doorbell(database, self._info.id)
        self._poll_s = POLL_WITHOUT_S if self._doorbell.fileno() is None else POLL_WITH_DOORBELL_S
        self._beat_s = settings.lease_s / 3
        self._signals = self._heeded = 0
        self._hungry = True
        self._poll_at = self._beat_at = self._stops_at = self._look_at = 0.0
        self._outage_until = 0.0

    def work(self, *, burst: bool = False) -> int:
        """The loop; returns the process's exit code."""
        with self._ears():
            self._begin()
            try:
                while not (self._is_over or (burst and self._is_idle)):
                    self._wait()
                    self._turn(time.monotonic())
            finally:
                self._pool.close()
            self._end()
        return 0

    @property
    def _is_closing(self) -> bool:
        return self._signals > 0

    @property
    def _is_over(self) -> bool:
        return self._heeded > 0 and self._pool.is_settled and not self._ledger.report

    @property
    def _is_idle(self) -> bool:
        return not self._hungry and self._pool.is_settled and not self._ledger.report

    def _begin(self) -> None:
        self._presence.begin(_now_us())
        self._bury()
        logger.info(
            "worker %s is ready: queue%s %s, %d processes",
            self._info.id[:8],
            "s" if len(self._info.queues) > 1 else "",
            ", ".join(self._info.queues),
            self._info.processes,
        )

    def _end(self) -> None:
        self._doorbell.close()
        self._presence.end(_now_us())
        logger.info("worker %s has ended", self._info.id[:8])

    # One turn

    def _wait(self) -> None:
        """Sleep until something happens; while many messages are on their way, long enough to take them at once."""
        if self._pool.has_backlog:
            time.sleep(BATCHING_S)
            timeout = 0.0
        else:
            timeout = max(0.0, self._due_at() - time.monotonic())
        if self._ledger.is_full:
            time.sleep(BATCHING_S)
            return
        for key, _ in self._selector.select(timeout):
            if key.fd in self._selector.get_map():
                key.data()

    def _due_at(self) -> float:
        if self._outage_until > time.monotonic():
            return min(self._outage_until, self._look_at)
        due = [self._beat_at, self._look_at, self._ledger.due_at]
        if not self._is_closing:
            due.append(self._poll_at)
        if self._stops_at:
            due.append(self._stops_at)
        return min(due)

    def _turn(self, now: float) -> None:
        self._heed_signals()
        self._look_at = self._pool.look(now)
        if now < self._outage_until:
            return
        try:
            if now >= self._poll_at:
                self._poll_at = now + self._poll_s
                self._hungry = not self._is_closing
                self._stops_at = self._stops_at or now
            if now >= self._beat_at:
                self._beat(now)
            if self._stops_at and now >= self._stops_at:
                self._heed_stops()
            self._exchange(now)
        except StoreError as error:
            self._outage_until = now + OUTAGE_S
            logger.error("%s The worker goes on trying; nothing is lost meanwhile.", error)

    def _exchange(self, now: float) -> None:
        """Write what children said and claim the next runs, in one transaction, when either is due."""
        wanted = self._pool.room if self._hungry else 0
        if not wanted and not self._ledger.is_due(now, idle=not self._pool.has_backlog):
            return
        report = self._ledger.report
        won, stale = self._claims.exchange(report, wanted, _now_us())
        self._ledger.written()
        if wanted:
            self._hungry = len(won) >= wanted
            self._pool.give(won)
            self._look_at = 0.0
        if stale:
            logger.warning("%d outcomes came too late: their runs were held no more", len(stale))

    def _beat(self, now: float) -> None:
        """Say that this worker lives and holds what it holds; learn of stop requests that nobody rang for."""
        self._presence.renew(_now_us())
        self._ledger.report.alive = self._pool.claims
        self._beat_at = now + self._beat_s
        self._stops_at = self._stops_at or now
        self._bury()

    def _heed_stops(self) -> None:
        self._stops_at = 0.0
        if not self._pool.is_settled:
            for run_id, fence in self._claims.stops_requested().items():
                self._pool.stop(run_id, fence)
            self._look_at = 0.0

    def _heed_signals(self) -> None:
        if self._signals > self._heeded:
            if not self._heeded:
                logger.info("worker %s is ending: what runs has %g s", self._info.id[:8], self._settings.stop_grace_s)
                self._pool.begin_closing()
            if self._signals > 1:
                self._pool.hurry()
            self._heeded = self._signals
        if self._is_closing:
            self._hungry = False

    def _bury(self) -> None:
        """End what workers of this host held that are dead; at once, as the kernel knows that they are."""
        for dead, lost in bury_dead(self._database, self._info.host, identity.is_dead, _now_us()):
            self._doorbell.remove(self._database, dead.id)
            logger.warning("worker %s is dead; %d runs that it held have ended as lost", dead.id[:8], lost)

    # Ears

    @contextlib.contextmanager
    def _ears(self) -> Iterator[None]:
        """Listen to signals and the doorbell; as before afterwards."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        previous_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        self._selector.register(reader, selectors.EVENT_READ, lambda: os.read(reader, 512))
        if (bell := self._doorbell.fileno()) is not None:
            self._selector.register(bell, selectors.EVENT_READ, self._on_ring)
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(previous_fd)
            self._doorbell.close()
            self._selector.close()
            os.close(reader)
            os.close(writer)

    def _on_ring(self) -> None:
        self._doorbell.drain()
        self._hungry = True
        if not self._stops_at and not self._pool.is_settled:
            self._stops_at = time.monotonic() + STOPS_EVERY_S

    def _on_signal(self, number: int, frame: Any) -> None:
        # Only counted here: it may come in the middle of anything. The next turn acts on it.
        self._signals += 1


def _introduce(queues: tuple[str, ...], processes: int) -> WorkerInfo:
    pid, now = os.getpid(), from_us(_now_us())
    return WorkerInfo(
        id=str(uuid.uuid4()),
        host=identity.host_name(),
        pid=pid,
        pid_started=identity.started_ticks(pid) or 0,
        boot_id=identity.boot_id(),
        queues=queues,
        processes=processes,
        started_at=now,
        seen_at=now,
    )


def _now_us() -> int:
    return time.time_ns() // 1000
