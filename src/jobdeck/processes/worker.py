"""A worker: the supervising process that claims runs, has its children execute them, and writes down what they say.

One loop, one writer, one thread (and that of `processes.deadline`, which only looks at the clock). It sleeps until something happens: the doorbell rings, a child speaks or dies, a
signal arrives, time makes something due. The application is never imported here; a template process holds it
(`processes.template`) and tells the job types and settings as data.
"""

from __future__ import annotations

import gc
import logging
import math
import selectors
import socket
import time
from collections.abc import Mapping
from typing import Any

from ..config import Settings
from ..core.engine import DATABASE
from ..core.lease import silence_s
from ..errors import StoreError
from ..services.claims import Claims, Exchange
from ..services.followups import UNPREPARED, preparation
from ..services.holder import Claim, Holder
from ..services.rings import Rings
from ..services.workers import Presence
from ..store.database import Database
from ..store.doorbell import Bell, doorbell
from . import identity
from .care import Care
from .deadline import Deadline
from .introduction import introduce
from .ledger import Ledger
from .outage import Outage
from .pages import make_folder, remove_folder
from .pool import Pool
from .salvage import salvage, unknown_to
from .signals import Signals
from .template_link import TemplateLink
from .tokens import Key, Tokens
from .watched import watch_over

logger = logging.getLogger(__name__)

POLL_WITH_DOORBELL_S = 5.0
POLL_WITHOUT_S = 0.25
STOPS_EVERY_S = 0.05
BATCHING_S = 0.001
BUSY_S = 0.01
OUTAGE_S = 0.5
OUTAGE_AT_END_S = 10.0


class Worker:
    """One worker's loop and what it keeps from turn to turn."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        link: TemplateLink,
        signals: Signals,
        types: Mapping[str, Mapping[str, Any]],
        queues: tuple[str, ...],
        processes: int,
        strict: bool = False,
        *,
        engine: str = DATABASE,
        tokens: socket.socket | None = None,
        watch: int | None = None,
    ) -> None:
        """With `tokens`, where they come in, it claims only what they are good for. It ends when process `watch` does."""
        self._settings = settings
        self._database = database
        self._signals = signals
        self._info = introduce(queues, tuple(types), processes, engine=engine, home=settings.home)
        self._name = self._info.id[:8]
        holder = Holder(id=self._info.id, host=self._info.host, boot_id=self._info.boot_id)
        self._claims = Claims(database, holder, queues, tuple(types), strict=strict)
        self._presence = Presence(database, self._info)
        self._ledger = Ledger(holder)
        self._selector = selectors.DefaultSelector()
        self._pool = Pool(
            link, self._selector, self._ledger, processes, settings.stop_grace_s, make_folder(self._info), types
        )
        self._tokens = None
        if tokens is not None:
            self._tokens = Tokens(tokens, self._selector, Rings(database, int(settings.ring_patience_s * 1_000_000)))
        if watch is not None:
            watch_over(watch, self._selector, signals)
        self._doorbell = doorbell(database, self._info.id)
        self._listened: int | None = None
        self._bell = Bell(database)
        self._care = Care(settings, database, self._info, types)
        self._beat_s = settings.lease_s / 3
        # On one host a silent worker is killed before anybody takes its runs; elsewhere it has to stop by itself, before.
        self._silence_s = math.inf if database.is_sqlite else silence_s(settings.lease_s)
        self._deadline = Deadline(settings.lease_s - silence_s(settings.lease_s))
        self._heard_from = time.monotonic()
        self._stale_writes = 0
        self._is_idle = False
        self._heeded = 0
        self._burst = False
        self._hungry = True
        self._unsure = False
        self._poll_at = self._beat_at = self._stops_at = self._look_at = 0.0
        self._heard_at = self._exchange_after = 0.0
        self._outage = Outage()
        self._retry_at = 0.0

    def work(self, *, burst: bool = False) -> int:
        """The loop; returns the process's exit code."""
        self._burst = burst
        self._selector.register(self._signals, selectors.EVENT_READ, self._signals.drain)
        self._listen()
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
        if self._outage.length_s(now) > OUTAGE_AT_END_S:
            return True
        return not self._ledger.report and not self._unsure

    def _begin(self) -> None:
        self._presence.begin(_now_us())
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
            remove_folder(self._info)
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
        if self._outage.is_on:
            return min(self._retry_at, self._look_at)
        due = [self._beat_at, self._look_at, self._care.due_at, max(self._ledger.due_at, self._exchange_after)]
        if self._tokens is not None:
            due.append(self._tokens.due_at)
        if not self._heeded:
            due.append(self._poll_at)
            if self._pool.room:
                due.append(max(self._wishes_at(), self._exchange_after))
        if self._stops_at:
            due.append(self._stops_at)
        return min(due)

    def _turn(self, now: float) -> None:
        self._fence_self(now)
        self._heed_signals()
        identity.reap_strangers(self._pool.pids)
        self._look_at = self._pool.look(now)
        if self._outage.is_on and now < self._retry_at:
            return
        try:
            with self._deadline.at(self._heard_from + self._silence_s, self._pool.groups):
                self._keep_time(now)
                self._exchange(now)
                if self._tokens is not None:
                    self._tokens.tend(self._known(), now, is_ending=self._heeded > 0)
        except StoreError as error:
            self._care.start_over()
            self._outage.note(f"{error} The worker goes on trying; nothing is lost meanwhile.", now)
            self._retry_at = now + OUTAGE_S
            # The next turn writes, so that one which needs nothing does not count as an end of the outage.
            self._beat_at = now
        else:
            self._outage.end(now)
        if self._deadline.has_struck:
            # Before anything is heard of these deaths.
            self._fence_self(now)

    def _keep_time(self, now: float) -> None:
        if now >= self._poll_at:
            self._poll_at = now + (POLL_WITHOUT_S if self._listened is None else POLL_WITH_DOORBELL_S)
            self._hungry = True
            self._listen()
            self._stops_at = self._stops_at or now
        if now >= self._beat_at:
            self._beat(now)
        if self._stops_at and now >= self._stops_at:
            self._heed_stops()
        if now >= self._care.due_at and self._care.look(now):
            self._hungry = True
            self._bell.ring()

    def _exchange(self, now: float) -> None:
        """Write what children said and claim the next runs, in one transaction, when either is due."""
        report = self._ledger.report
        self._hungry = self._hungry or (self._burst and bool(report.ended))
        wanted, room = self._wishes(now)
        if not wanted and not self._unsure and not self._ledger.is_due(now, idle=not self._pool.has_backlog):
            return
        if now < self._exchange_after:
            # One transaction just now: what comes so soon after it shares the next one.
            return
        if self._unsure:
            self._return_unknown()
        sent = time.monotonic()
        try:
            done = self._claims.exchange(report, wanted, _now_us(), room)
        except StoreError:
            self._unsure = True
            raise
        except Exception:  # a value that the database does not take must not cost the others
            logger.exception("a report could not be stored as it is")
            salvage(self._claims, report, _now_us())
            done, wanted = Exchange(), 0
        if report.alive:
            self._heard_from = sent
        self._ledger.written()
        self._pool.written()
        self._exchange_after = time.monotonic() + BATCHING_S
        if wanted:
            self._take(done, wanted, now)
        self._heed(done)
        if done.won or self._ledger.report:
            self._look_at = 0.0

    def _wishes(self, now: float) -> tuple[int, Mapping[str, int] | None]:
        """How many runs to claim now, and how many of each queue; None: that makes no difference."""
        if self._heeded:
            return 0, None
        if self._tokens is None:
            return (self._pool.room if self._hungry else 0), None
        room = self._tokens.room(now)
        return min(self._pool.room, room.total()), room

    def _wishes_at(self) -> float:
        """When there is something to be claimed (monotonic seconds), as far as children have room for it."""
        if self._tokens is not None:
            return self._tokens.look_at
        return 0.0 if self._hungry else math.inf

    def _take(self, done: Exchange, wanted: int, now: float) -> None:
        """Have children execute what was won."""
        if done.busy:
            self._exchange_after += BUSY_S
        if self._tokens is not None:
            self._tokens.looked(done, wanted, now)
        self._hungry = len(done.won) >= wanted or done.busy
        self._pool.give(self._prepared(done.won))
        if self._tokens is None:
            self._rest(now)

    def _prepared(self, won: list[Claim]) -> list[Claim]:
        """Claims with what their arguments are to be made of; those for which it cannot be read go back."""
        ready = []
        for claim in won:
            try:
                if claim.arguments == UNPREPARED:
                    claim.prepare = preparation(self._database, claim.tenant, claim.job_id)
            except StoreError:
                self._ledger.report.released.append(claim)
            else:
                ready.append(claim)
        return ready

    def _heed(self, done: Exchange) -> None:
        if done.freed:
            self._care.follow_up()
            # Whoever has room should have them at once; this worker too, as soon as it has.
            self._hungry = True
            self._bell.ring()
        if done.stale:
            self._stale_writes += len(done.stale)
            self._pool.leave(done.stale)
            logger.warning("%d runs were held no more when something was to be written about them", len(done.stale))

    def _return_unknown(self) -> None:
        """After an exchange of which nobody knows whether it was committed: give back what it may have won."""
        self._ledger.report.released += unknown_to(self._known(), self._claims.held())
        self._unsure = False

    def _known(self) -> set[Key]:
        """What this worker holds, or has not yet said that it does not hold any more."""
        report = self._ledger.report
        claims = [*self._pool.claims, *report.released, *(claim for claim, _ in report.ended)]
        return {(claim.id, claim.fence) for claim in claims}

    def _beat(self, now: float) -> None:
        """Say that this worker lives and holds what it holds; learn of stop requests that nobody rang for."""
        self._presence.renew(_now_us(), self._stale_writes)
        self._ledger.report.alive = self._pool.claims
        self._beat_at = now + self._beat_s
        self._stops_at = self._stops_at or now
        if not self._ledger.report.alive:
            self._heard_from = now

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

    def _fence_self(self, now: float) -> None:
        """Stop all work before anybody may take it for lost: whoever takes a run must find nobody at it."""
        if now - self._heard_from > self._silence_s or self._deadline.has_struck:
            self._deadline.has_struck = False
            left = self._pool.abandon()
            self._heard_from = now
            if left:
                logger.error("worker %s could not renew its claims in time, and leaves %d runs", self._name, left)

    def _rest(self, now: float) -> None:
        """Nothing more to claim: wake for the next run that is delayed, and have others ring from now on."""
        if self._is_idle and not self._pool.room:
            self._is_idle = False
            self._presence.set_idle(False)
        if not self._hungry and self._pool.room:
            due_us = self._claims.next_due(_now_us())
            if due_us is not None:
                self._poll_at = min(self._poll_at, now + max(0.0, (due_us - _now_us()) / 1_000_000))
            if not self._is_idle and not self._database.is_sqlite:
                self._presence.set_idle(True)
                # What came between the claim and this was rung for nobody.
                self._is_idle = self._hungry = True

    def _listen(self) -> None:
        """Wait on the doorbell, also when it is another one than before."""
        is_mended = self._doorbell.mend()
        self._hungry = self._hungry or is_mended
        fd = self._doorbell.fileno()
        # A new connection often has the number of the one that broke, which the kernel has let go of.
        if fd == self._listened and not is_mended:
            return
        if self._listened is not None:
            self._selector.unregister(self._listened)
        if fd is not None:
            self._selector.register(fd, selectors.EVENT_READ, self._on_ring)
        self._listened = fd

    def _on_ring(self) -> None:
        self._doorbell.drain()
        self._listen()
        self._hungry = True
        if not self._stops_at and not self._pool.is_settled:
            self._stops_at = time.monotonic() + STOPS_EVERY_S


def _now_us() -> int:
    return time.time_ns() // 1000
