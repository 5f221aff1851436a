"""The whole drill: load and faults for a while, then calm, then the check."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..core.principal import SYSTEM
from ..store import drill, lines
from .carriers import CARRIERS, PATIENCE_S
from .fleet import Fleet
from .history import Evidence, check
from .job_types import ATTEMPTS, BACKOFF_S
from .load import LONGEST_S, Load, Memory
from .nemesis import Nemesis
from .oracle import Ledger
from .sheet import Sheet
from .site import GRACE_S, LEASE_S, REAP_S, Site, prepare
from .timetable import Timetable

CLAIM_S = 2.0
"""How long a restarted worker of ours may take to serve, on a busy machine."""
RESCUE_BOUND_S = LEASE_S + 2 * REAP_S + CLAIM_S
_TICK_S = 0.05
_READY_S = 60.0
EXTENSION_S = 30.0
_RESUME_EVERY_S = 0.5


@dataclass(slots=True)
class Drill:
    """One drill at a site."""

    site: Site
    seed: int
    seconds: int
    extension_s: float = EXTENSION_S
    """For how much longer it goes on while some kind of fault has not hit."""
    resumed: int = 0
    _resume_at: float = 0.0

    def run(self) -> Sheet:
        """Load, faults, calm, check."""
        fleet = Fleet(self.site, self._random("fleet"))
        longest = min(3.0, 0.4 + self.seconds / 20)
        nemesis = Nemesis(self.site, fleet, self._random("nemesis"), (longest / 4, longest))
        timetable = Timetable(self.site)
        memory = self._storm(fleet, nemesis, timetable)
        bound = self._bound()
        calm_s = self._calm(fleet, bound, timetable.ended_us)
        unserved = self._unserved()
        leftovers = fleet.end()
        rows = drill.read(self.site.deck.database)
        ledger = Ledger(timetable.schedules, rows, timetable.ended_us)
        evidence = Evidence(memory, rows, self.site.trace.read(), nemesis.strikes, ledger)
        return Sheet(
            findings=check(evidence),
            attempts=nemesis.attempts,
            hits=nemesis.hits,
            unserved=unserved,
            unprompted_ends=fleet.ended_unstruck,
            leftovers=leftovers,
            complaints=fleet.complaints(),
            resumed=self.resumed,
            seed=self.seed,
            seconds=self.seconds,
            engine=self.site.carrier.name,
            database="sqlite" if self.site.is_sqlite else "postgresql",
            patience_s=PATIENCE_S if self.site.broker else None,
            calm_s=calm_s,
            calm_bound_s=bound,
            rescue_bound_s=self._rescue_bound_s,
        )

    def _storm(self, fleet: Fleet, nemesis: Nemesis, timetable: Timetable) -> Memory:
        """Faults under load, from when all of the fleet serve; longer than asked while some kind of fault has not hit."""
        load = Load(self.site, self._random("load"))
        fleet.begin()
        load.begin()
        try:
            ready_by = time.monotonic() + _READY_S
            self._keep(fleet, lambda now: now < ready_by and not all(map(fleet.has_served, fleet.members)))
            timetable.begin()
            end = time.monotonic() + self.seconds
            self._keep(fleet, lambda now: now < end + self.extension_s * (not nemesis.has_hit_with_all), nemesis.look)
        finally:
            load.end()
        nemesis.mend()
        fleet.thaw_all()
        timetable.end()
        return load.memory

    def _calm(self, fleet: Fleet, bound: float, due_us: int) -> float:
        """Wait until every run has ended, every time up to then is served and somebody serves the queue, or the bound has passed;
        how long that took.
        """
        began = time.monotonic()
        database = self.site.deck.database
        self._keep(fleet, lambda now: now < began + bound
                   and (drill.count_live(database) > 0 or drill.count_due(database, due_us) > 0 or self._unserved() > 0))  # fmt: skip
        calmed = time.monotonic()
        # A worker tells of stale writes with its heartbeat.
        self._keep(fleet, lambda now: now < calmed + LEASE_S / 3)
        return calmed - began

    def _keep(self, fleet: Fleet, goes_on: Callable[[float], bool], *more: Callable[[float], None]) -> None:
        while goes_on(now := time.monotonic()):
            fleet.look(now)
            self._resume(fleet, now)
            for look in more:
                look(now)
            time.sleep(_TICK_S)

    def _unserved(self) -> int:
        """How many queues have no live worker, or an engine that cannot be rung."""
        return sum(not queue.workers or queue.problem is not None for queue in self.site.deck.queues.list())

    def _random(self, what: str) -> random.Random:
        return random.Random(f"{self.seed} {what}")  # noqa: S311 - to be repeated from its seed, no secret

    def _resume(self, fleet: Fleet, now: float) -> None:
        """Types whose workers died too often are paused, as they should be; the drill goes on with them."""
        if now < self._resume_at:
            return
        self._resume_at = now + _RESUME_EVERY_S
        database = self.site.deck.database
        with database.read() as connection:
            paused = list(lines.paused(connection, "type", SYSTEM.tenant))
        # Whoever is frozen may keep SQLite from being written to.
        if paused and not any(member.frozen_until for member in fleet.members):
            with database.write() as connection:
                self.resumed += sum(lines.resume(connection, "type", SYSTEM.tenant, name) for name in paused)
            self.site.deck.office.bell.ring()

    @property
    def _rescue_bound_s(self) -> float:
        """From a strike until the runs that its victim held have left it."""
        return RESCUE_BOUND_S + self.site.carrier.start_s

    def _bound(self) -> float:
        """How long it takes at most until every run has ended, with all attempts that it may have, and every message of which
        nothing came.
        """
        carrier, database = self.site.carrier, self.site.deck.database
        patience_s = PATIENCE_S if carrier.broker else 0.0
        each = ATTEMPTS * (LONGEST_S + GRACE_S + 1.5 * BACKOFF_S + patience_s)
        waits_s = max(0.0, drill.latest_ring(database) - time.time_ns() / 1000) / 1_000_000
        backlog = drill.count_live(database) * LONGEST_S / (carrier.workers * carrier.slots)
        return self._rescue_bound_s + each + waits_s + backlog


def exercise(*, seconds: int, seed: int, database_url: str | None, engine: str) -> Sheet:
    """Do a drill in a scratch instance of its own, of which nothing is left; its figures. `engine` is one of `CARRIERS`."""
    with prepare(database_url, CARRIERS[engine]) as site:
        return Drill(site, seed, seconds).run()
