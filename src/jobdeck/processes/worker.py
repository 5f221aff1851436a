"""A worker: the supervising process that claims runs, has its children execute them, and writes down what they say.

One loop, one thread, one writer. It sleeps until something happens: the doorbell rings, a child speaks or dies, a
signal arrives, time makes something due. The application is never imported here; a template process holds it
(`processes.template`) and tells the job types and settings as data.
"""

from __future__ import annotations

import gc
import logging
import os
import selectors
import time
import uuid
from collections.abc import Sequence

from ..config import Settings
from ..core.times import from_us
from ..core.worker import WorkerInfo
from ..errors import ConfigurationError, StoreError
from ..services.claims import Claims
from ..services.holder import Holder
from ..services.workers import Presence, bury_dead
from ..store.database import Database
from ..store.doorbell import Bell, Doorbell
from . import identity
from .ledger import Ledger
from .log_lines import show_log_lines
from .pool import Pool
from .salvage import salvage, unknown_to
from .signals import Signals
from .template_link import TemplateLink

logger = logging.getLogger(__name__)

POLL_WITH_DOORBELL_S = 5.0
POLL_WITHOUT_S = 0.25
STOPS_EVERY_S = 0.05
BATCHING_S = 0.001
OUTAGE_S = 0.5
OUTAGE_AT_END_S = 10.0


def run_worker(
    reference: str | None = None,
    *,
    queues: Sequence[str] | None = None,
    processes: int | None = None,
    burst: bool = False,
) -> int:
    """Work until SIGTERM or SIGINT (a second one hurries), with `burst` until nothing is queued; the exit code.

    `reference` is `MODULE:NAME` of the application; `queues` defaults to all, `processes` to the setting. For the main
    thread. ConfigurationError and StoreError tell why the worker cannot begin.
    """
    show_log_lines()
    identity.adopt_orphans()
    with Signals() as signals:
        link = TemplateLink(reference)
        try:
            told = link.hello(signals)
            if told is None:
                return 0
            for warning in told["warnings"]:
                logger.warning("%s", warning)
            settings = Settings.of_data(told["settings"])
            served = _served(settings, queues or ())
            database = Database(settings)
            try:
                database.check_schema()
                worker = Worker(
                    settings, database, link, signals, list(told["types"]), served, processes or settings.processes
                )
                return worker.work(burst=burst)
            finally:
                database.close()
        finally:
            link.close()


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
        signals: Signals,
        types: Sequence[str],
        queues: tuple[str, ...],
        processes: int,
    ) -> None:
        self._settings = settings
        self._database = database
        self._signals = signals
        self._info = _introduce(queues, processes)
        self._name = self._info.id[:8]
        holder = Holder(id=self._info.id, host=self._info.host, boot_id=self._info.boot_id)
        self._claims = Claims(database, holder, queues, types)
        self._presence = Presence(database, self._info)
        self._ledger = Ledger(holder)
        self._selector = selectors.DefaultSelector()
        self._pool = Pool(link, self._selector, self._ledger, processes, settings.stop_grace_s)
        self._doorbell = Doorbell(database, self._info.id)
        self._bell = Bell(database)
        self._poll_s = POLL_WITHOUT_S if self._doorbell.fileno() is None else POLL_WITH_DOORBELL_S
        self._beat_s = settings.lease_s / 3
        self._heeded = 0
        self._burst = False
        self._hungry = True
        self._unsure = False
        self._poll_at = self._beat_at = self._stops_at = self._look_at = 0.0
        self._heard_at = self._exchange_after = 0.0
        self._outage_since: float | None = None
        self._retry_at = 0.0

    def work(self, *, burst: bool = False) -> int:
        """The loop; returns the process's exit code."""
        self._burst = burst
        self._selector.register(self._signals, selectors.EVENT_READ, self._signals.drain)
        if (bell := self._doorbell.fileno()) is not None:
            self._selector.register(bell, selectors.EVENT_READ, self._on_ring)
        try:
            self._begin()
            gc.freeze()
            while not self._is_over(time.monotonic()):
                self._wait()
                self._turn(time.monotonic())
            return self._end()
        finally:
            self._pool.close()
            self._doorbell.close()
            self._selector.close()

    def _is_over(self, now: float) -> bool:
        if not self._pool.is_settled:
            return False
        if not (self._heeded or self._pool.is_broken or (self._burst and not self._hungry)):
            return False
        if self._outage_since is not None and now - self._outage_since > OUTAGE_AT_END_S:
            return True
        return not self._ledger.report and not self._unsure

    def _begin(self) -> None:
        self._presence.begin(_now_us())
        self._bury()
        many = "s" if len(self._info.queues) > 1 else ""
        names = ", ".join(self._info.queues)
        logger.info("worker %s is ready: queue%s %s, %d processes", self._name, many, names, self._info.processes)

    def _end(self) -> int:
        code = 0
        if self._pool.is_broken:
            logger.error("worker %s has lost its template process, and ends", self._name)
            code = 1
        if self._ledger.report:
            count = len(self._ledger.report.ended)
            logger.error("worker %s could not store %d outcomes; these runs will end as lost", self._name, count)
            code = 1
        try:
            self._presence.end(_now_us())
        except StoreError as error:
            logger.error("%s", error)
            code = 1
        logger.info("worker %s has ended", self._name)
        return code

    # One turn

    def _wait(self) -> None:
        """Sleep until something happens; while many messages are on their way, long enough to take them at once."""
        if self._pool.has_backlog:
            left = BATCHING_S - (time.monotonic() - self._heard_at)
            if left > 0:
                time.sleep(left)
            timeout = 0.0
        else:
            timeout = max(0.0, self._due_at() - time.monotonic())
        for key, _ in self._selector.select(timeout):
            if self._selector.get_map().get(key.fileobj) is key:
                key.data()
        self._heard_at = time.monotonic()

    def _due_at(self) -> float:
        if self._outage_since is not None:
            return min(self._retry_at, self._look_at)
        due = [self._beat_at, self._look_at, max(self._ledger.due_at, self._exchange_after)]
        if self._hungry and not self._heeded and self._pool.room:
            due.append(self._exchange_after)
        if not self._heeded:
            due.append(self._poll_at)
        if self._stops_at:
            due.append(self._stops_at)
        return min(due)

    def _turn(self, now: float) -> None:
        self._heed_signals()
        identity.reap_strangers(self._pool.pids)
        self._look_at = self._pool.look(now)
        if self._outage_since is not None and now < self._retry_at:
            return
        try:
            self._keep_time(now)
            self._exchange(now)
        except StoreError as error:
            self._note_outage(now, error)
        else:
            self._outage_since = None

    def _keep_time(self, now: float) -> None:
        if now >= self._poll_at:
            self._poll_at = now + self._poll_s
            self._hungry = True
            self._stops_at = self._stops_at or now
        if now >= self._beat_at:
            self._beat(now)
        if self._stops_at and now >= self._stops_at:
            self._heed_stops()

    def _exchange(self, now: float) -> None:
        """Write what children said and claim the next runs, in one transaction, when either is due."""
        report = self._ledger.report
        self._hungry = self._hungry or (self._burst and bool(report.ended))
        wanted = self._pool.room if self._hungry and not self._heeded else 0
        if not wanted and not self._unsure and not self._ledger.is_due(now, idle=not self._pool.has_backlog):
            return
        if now < self._exchange_after:
            # One transaction just now: what comes so soon after it shares the next one.
            return
        if self._unsure:
            self._return_unknown()
        try:
            won, stale = self._claims.exchange(report, wanted, _now_us())
        except StoreError:
            self._unsure = True
            raise
        except Exception:  # a value that the database does not take must not cost the others
            logger.exception("a report could not be stored as it is")
            salvage(self._claims, report, _now_us())
            won, stale, wanted = [], set(), 0
        self._ledger.written()
        self._exchange_after = time.monotonic() + BATCHING_S
        if wanted:
            self._hungry = len(won) >= wanted
            self._pool.give(won)
        if report.released:
            # Whoever has room should have them at once; this worker too, as soon as it has.
            self._hungry = True
            self._bell.ring()
        if stale:
            logger.warning("%d outcomes came too late: their runs were held no more", len(stale))
        if won or self._ledger.report:
            self._look_at = 0.0

    def _return_unknown(self) -> None:
        """After an exchange of which nobody knows whether it was committed: give back what it may have won."""
        report = self._ledger.report
        known = {(claim.id, claim.fence) for claim in self._pool.claims}
        known |= {(claim.id, claim.fence) for claim, _ in report.ended}
        known |= {(claim.id, claim.fence) for claim in report.released}
        report.released += unknown_to(known, self._claims.held())
        self._unsure = False

    def _note_outage(self, now: float, error: StoreError) -> None:
        if self._outage_since is None:
            self._outage_since = now
            logger.error("%s The worker goes on trying; nothing is lost meanwhile.", error)
        self._retry_at = now + OUTAGE_S

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
        stops = self._signals.stops
        if stops > self._heeded:
            if not self._heeded:
                logger.info("worker %s is ending; what runs has %g s", self._name, self._settings.stop_grace_s)
                self._pool.begin_closing()
            if stops > 1:
                self._pool.hurry()
            self._heeded = stops

    def _bury(self) -> None:
        """End what workers of this host held that are dead; at once, as the kernel knows that they are."""
        for dead, lost in bury_dead(self._database, self._info.host, identity.is_dead, _now_us()):
            self._doorbell.remove(self._database, dead.id)
            logger.warning("worker %s is dead; %d runs that it held have ended as lost", dead.id[:8], lost)

    def _on_ring(self) -> None:
        self._doorbell.drain()
        self._hungry = True
        if not self._stops_at and not self._pool.is_settled:
            self._stops_at = time.monotonic() + STOPS_EVERY_S


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
