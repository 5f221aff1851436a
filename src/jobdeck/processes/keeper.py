"""What keeps the runs of an engine's process: wins them, says that they live, and writes down what they say and come to.

One for a process, with one thread beside those that execute. That thread sleeps until a beat is due while nothing runs.
Whoever writes takes along what all others have to say, in one transaction.
"""

from __future__ import annotations

import logging
import math
import os
import select
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..config import Settings
from ..core.lease import silence_s
from ..core.outcome import Outcome
from ..core.ring import Ring
from ..core.worker import WorkerInfo
from ..errors import StoreError
from ..services.claims import Claims, Exchange, Report
from ..services.followups import UNPREPARED, preparation
from ..services.holder import Claim, Holder
from ..services.rings import Rings
from ..services.workers import Presence
from ..store.database import Database
from ..store.doorbell import Bell
from .bench import Bench
from .care import Care
from .forks import rest_at_forks
from .hearing import notes_in
from .ladder import Cause
from .ledger import FLUSH_AFTER_S, Ledger
from .outage import Outage
from .salvage import salvage, unknown_to
from .stop_ear import StopEar
from .tokens import LOOK_AGAIN_S, LOOKS, Key

logger = logging.getLogger(__name__)

TICK_S, ACTIVE_S = 0.1, 1.0
TELL_BEGUN_AFTER_S, LISTEN_AFTER_S = 0.1, 0.5
STOPS_EVERY_S = 0.05
OUTAGE_S = 0.5


class Keeper:
    """Holds runs for this process. Made by the process itself, after any fork."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        bell: Bell,
        info: WorkerInfo,
        types: Mapping[str, Mapping[str, Any]],
        *,
        cares: bool,
        gathers: bool,
    ) -> None:
        """`cares`: it looks after dead workers and what time makes due. `gathers`: ends are written with the next claim, or soon."""
        self.pid = os.getpid()
        self.benches: deque[Bench] = deque()
        self._settings = settings
        # A beat that waited longer for an answer would come too late.
        self._own = None if database.is_sqlite else Database(settings, patience_s=settings.lease_s / 3)
        database = self._own or database
        self._database = database
        self._bell = bell
        self._info = info
        holder = Holder(id=info.id, host=info.host, boot_id=info.boot_id)
        self._claims = Claims(database, holder, info.queues, info.types)
        self._rings = Rings(database, int(settings.ring_patience_s * 1_000_000))
        self._presence = Presence(database, info)
        self._care = Care(settings, database, info, types)
        self._cares = cares
        self._gathers = gathers
        self._ledger = Ledger(holder)
        self._notes = notes_in(self._ledger)
        self._held: dict[Key, tuple[Claim, Bench]] = {}
        self._said = threading.Condition()
        self._looking, self._writing = threading.Lock(), threading.Lock()
        rest_at_forks(self._looking, self._writing)
        self._outage = Outage()
        self._unsure = self._is_ending = self._has_ended = False
        self._stale_writes = 0
        self._beat_s = settings.lease_s / 3
        self._silence_s = math.inf if database.is_sqlite else silence_s(settings.lease_s)
        self._heard_from = time.monotonic()
        self._beat_at = self._heard_from + self._beat_s
        self._active_until = 0.0
        self._ear = StopEar(database, info.id)
        self._is_asleep = self._is_dozing = False
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._keep, name="jobdeck-keeper", daemon=True)

    def begin(self) -> None:
        """Register, and keep from now on. StoreError when the database cannot serve: make another one then."""
        try:
            self._presence.begin(_now_us())
        except StoreError:
            self.abandon()
            raise
        self._thread.start()

    def win(self, ring: Ring, bench: Bench) -> Claim | None:
        """The first run in line of the ring's queue, for `bench` to execute; None when there is none, which is noted."""
        for look in range(LOOKS):
            if self._is_ending:
                self._rings.back([ring], _now_us())
                return None
            if look:
                # A run may be locked for a moment, by whoever rings for it.
                time.sleep(LOOK_AGAIN_S)
            if (claim := self.first(ring.queue, bench)) is not None:
                return claim
        self._rings.spent([ring], _now_us())
        return None

    def first(self, queue: str, bench: Bench) -> Claim | None:
        """The first run in line of a queue, for `bench` to execute; None when there is none. StoreError: none was won."""
        with self._writing:
            done = self._exchange(1, {queue: 1})
            for claim in done.won:
                self._held[claim.id, claim.fence] = claim, bench
        self._heed(done)
        for claim in done.won:
            self._prepare(claim)
            if self._is_asleep:
                self._rouse()
            return claim
        return None

    def note(self, kind: str, claim: Claim, told: list[Any]) -> None:
        """Take what a run says while it runs."""
        with self._said:
            self._notes[kind](claim, told)
            if self._is_asleep or self._ledger.is_due(time.monotonic(), idle=False):
                self._rouse()

    def finish(self, claim: Claim, outcome: Outcome) -> None:
        """Take what an attempt came to. Unless this gathers, write it, waiting for a database that does not serve as long as anybody
        would for this process; StoreError when that was too long: then it is written later, if the run is still this process's.
        """
        now = time.monotonic()
        with self._said:
            self._ledger.ended(claim, outcome, now)
        if not self._gathers:
            self._write(claim, now + self._settings.lease_s)
        elif self._is_dozing:
            self._rouse()

    def _write(self, claim: Claim, until: float) -> None:
        while (claim.id, claim.fence) in self._held:
            try:
                with self._writing:
                    # Whoever wrote meanwhile has written this too.
                    done = self._exchange() if (claim.id, claim.fence) in self._held else Exchange()
            except StoreError:
                if time.monotonic() > until:
                    raise
                time.sleep(OUTAGE_S)
            else:
                self._heed(done)

    def begin_ending(self) -> None:
        """Take no more, and ask what runs to end."""
        self._is_ending = True
        # What cannot be written now is tried by the thread.
        with suppress(StoreError), self._writing:
            self._heed(self._exchange() if self._ledger.report.ended else Exchange())
        with self._said:
            for claim, bench in list(self._held.values()):
                bench.ask(Cause.SHUTDOWN, claim)

    def end(self, *, vanish: bool = False) -> bool:
        """Take no more; ask what runs to end, and wait as long as the grace period for it at most; for what has ended and cannot be
        written, until others may take it for lost. What does not end goes on, and lives as long as this process does.

        `vanish`: leave no row of this worker. False: something is left, and this may be called again.
        """
        until = self._heard_from + min(self._silence_s, self._settings.lease_s)
        self.begin_ending()
        with self._said:
            if not self._said.wait_for(lambda: not self._held, self._settings.stop_grace_s):
                self._said.wait_for(lambda: not self._unwritten(), max(0.0, until - time.monotonic()))
            if left := len(self._held):
                lost = self._unwritten()
                told = "%d runs do not look whether they should end, and go on; what %d came to could not be written"
                logger.warning(told, left - lost, lost)
                return False
        self._has_ended = True
        self._rouse()
        self._thread.join(self._settings.stop_grace_s + 2 * OUTAGE_S)
        if self._ledger.report:
            with self._writing:
                self._exchange()
        self._presence.vanish() if vanish else self._presence.end(_now_us())
        if self._own is not None:
            self._own.close()
        return True

    def abandon(self) -> None:
        """Let go, in a process that was forked from the one that this is the keeper of; or before it has begun."""
        for fd in (self._woken, self._wake):
            os.close(fd)
        if self._own is not None:
            self._own.forget()

    def _unwritten(self) -> int:
        """How many runs are held that nobody executes: what they came to is not written yet."""
        return sum(not bench.is_at(claim) for claim, bench in self._held.values())

    # Writing; whoever calls these has `_writing`

    def _exchange(self, wanted: int = 0, room: Mapping[str, int] | None = None) -> Exchange:
        """Write all that was said, and claim. StoreError: it will be written the next time."""
        if self._unsure:
            self._return_unknown()
        with self._said:
            report = self._ledger.take()
        sent = time.monotonic()
        try:
            done = self._claims.exchange(report, wanted, _now_us(), room)
        except StoreError:
            self._restore(report)
            raise
        except Exception:  # a value that the database does not take must not cost the others
            logger.exception("a report could not be stored as it is")
            done = Exchange()
            try:
                salvage(self._claims, report, _now_us())
            except StoreError:
                self._restore(report)
                raise
        if report.alive:
            self._heard_from = sent
        self._settle([*report.released, *(claim for claim, _ in report.ended)])
        return done

    def _restore(self, report: Report) -> None:
        self._unsure = True
        with self._said:
            self._ledger.restore(report)

    def _settle(self, claims: list[Claim]) -> None:
        if claims:
            with self._said:
                for claim in claims:
                    self._held.pop((claim.id, claim.fence), None)
                self._said.notify_all()

    def _return_unknown(self) -> None:
        """After an exchange of which nobody knows whether it was committed: give back what it may have won."""
        unknown = unknown_to(set(self._held), self._claims.held())
        with self._said:
            self._ledger.report.released += unknown
        self._unsure = False

    # After writing

    def _heed(self, done: Exchange) -> None:
        if done.freed:
            self._care.follow_up()
            self._bell.ring()
        if done.stale:
            self._stale_writes += len(done.stale)
            self._leave(done.stale)
            logger.warning("%d runs were held no more when something was to be written about them", len(done.stale))

    def _leave(self, lost: set[Key]) -> None:
        """Have runs end that may not be this process's any more; if what they come to still counts, then as if a shutdown left them."""
        for claim, bench in list(self._held.values()):
            if (claim.id, claim.fence) in lost:
                bench.ask(Cause.SHUTDOWN, claim)

    def _prepare(self, claim: Claim) -> None:
        """What its arguments are to be made of. StoreError: the run goes back."""
        if claim.arguments == UNPREPARED:
            try:
                claim.prepare = preparation(self._database, claim.tenant, claim.job_id)
            except StoreError:
                with self._said:
                    self._ledger.report.released.append(claim)
                self._rouse()
                raise

    # The thread

    def _keep(self) -> None:
        while not self._has_ended:
            self._wait()
            with self._looking:
                self._look_or_tell(time.monotonic())
            if self._outage.is_on:
                time.sleep(OUTAGE_S)
        self._ear.close()

    def _look_or_tell(self, now: float) -> None:
        try:
            self._look(now)
        except StoreError as error:
            self._care.start_over()
            # The next look writes, so that one which needs nothing does not count as an end of the outage.
            self._beat_at = now
            self._outage.note(f"{error} What runs goes on, and what it says is written later.", now)
        except Exception:  # nobody would beat for what runs
            logger.exception("something that was to be done for runs could not be done")
        else:
            self._outage.end(now)

    def _wait(self) -> None:
        now = time.monotonic()
        # Said before it looks: whoever comes to hold something meanwhile sees it, and rouses this thread.
        self._is_asleep = True
        if self._held or self._ledger.report:
            self._active_until = now + ACTIVE_S
        self._is_asleep = now >= self._active_until
        ears = [self._woken]
        if (fd := self._ear.fileno()) is not None:
            ears.append(fd)
        # Said before as well, as an end that is gathered meanwhile would wait for too long.
        self._is_dozing = True
        self._is_dozing = not self._ledger.report.ended
        timeout = TICK_S if self._is_dozing else FLUSH_AFTER_S
        if self._is_asleep:
            timeout = max(0.0, min(self._beat_at, self._care.due_at if self._cares else math.inf) - now)
        heard, _, _ = select.select(ears, [], [], timeout)
        self._is_asleep = self._is_dozing = False
        if self._woken in heard:
            os.read(self._woken, 512)
            heard.remove(self._woken)
        if heard:
            # It rings for everything that is queued, too.
            time.sleep(STOPS_EVERY_S)
            self._ear.heard()

    def _rouse(self) -> None:
        self._is_asleep = self._is_dozing = False
        try:
            os.write(self._wake, b"\0")
        except BlockingIOError:
            return

    def _look(self, now: float) -> None:
        self._fence_self(now)
        with self._said:
            self._tell_begun(now)
        if now >= self._beat_at:
            # What somebody is just writing the end of is held no more when that is done.
            with self._writing, self._said:
                self._ledger.report.alive = [claim for claim, _ in self._held.values()]
            self._presence.renew(_now_us(), self._stale_writes)
            self._beat_at = now + self._beat_s
            self._ear.has_rung = True
            if not self._held:
                self._heard_from = now
        if self._unsure or self._ledger.is_due(now, idle=False):
            with self._writing:
                done = self._exchange()
            self._heed(done)
        self._heed_stops(now)
        if self._cares and now >= self._care.due_at and self._care.look(now):
            self._bell.ring()

    def _fence_self(self, now: float) -> None:
        """Have all runs end before anybody may take them for lost, as nothing was heard from the database for so long."""
        if now - self._heard_from > self._silence_s:
            self._heard_from = now
            if self._held:
                logger.error("claims could not be renewed in time; %d runs are asked to end", len(self._held))
                self._leave(set(self._held))

    def _tell_begun(self, now: float) -> None:
        for claim, bench in list(self._held.values()):
            worked_s = now - bench.began
            if not bench.is_known_begun and bench.is_at(claim) and worked_s > TELL_BEGUN_AFTER_S:
                bench.is_known_begun = True
                self._ledger.begun(claim, _now_us() - int(worked_s * 1_000_000), self.pid)

    def _heed_stops(self, now: float) -> None:
        """Learn of stop requests for runs that take long; short ones are over before anybody asks."""
        held = [(claim, bench) for claim, bench in list(self._held.values()) if bench.is_at(claim)]
        has_long = any(now - bench.began > LISTEN_AFTER_S for _, bench in held)
        if self._ear.is_due(now, has_long=has_long):
            requested = self._claims.stops_requested()
            for claim, bench in held:
                if requested.get(claim.id) == claim.fence:
                    bench.ask(Cause.STOP, claim)


def _now_us() -> int:
    return time.time_ns() // 1000
