"""Any order of changes, pauses, outages, jumps of the clock and schedulers: each planned time has one row, and one run at most."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from jobdeck import Deck
from jobdeck.core.schedule import Misfire, Overlap
from jobdeck.store import tables

from .conftest import TurnedClock
from .firing_bench import MINUTE, ledger, runs_of, serve
from .stand_in import Worker

MAKES_A_RUN = ("fired", "caught_up")


class Lives(RuleBasedStateMachine):
    """One schedule of an interval, which the model itself counts out: minute by minute, from each change on."""

    deck: Deck
    clock: TurnedClock

    @initialize(minutes=st.integers(1, 90), misfire=st.sampled_from(Misfire), overlap=st.sampled_from(Overlap))
    def begin(self, minutes: int, misfire: Misfire, overlap: Overlap) -> None:
        with self.deck.database.write() as connection:
            for table in (tables.runs, tables.ticks, tables.schedules, tables.dependencies, tables.jobs):
                connection.execute(table.delete())
        self.clock.us += MINUTE
        self.job = self.deck.jobs.create(title="Harvest", type="greet")
        self.made = self.deck.schedules.create(
            str(self.job.id), {"type": "interval", "minutes": minutes}, misfire=misfire, overlap=overlap
        )
        self.planned: list[int] = []
        self.furthest = self.clock.us
        self._count_from(minutes)
        self.worker = Worker(self.deck)
        self.forgotten: set[int] = set()

    @rule(minutes=st.integers(1, 500))
    def time_passes(self, minutes: int) -> None:
        self.clock.us += minutes * MINUTE

    @rule(minutes=st.integers(1, 100))
    def the_clock_is_put_back(self, minutes: int) -> None:
        self.clock.us -= minutes * MINUTE

    @rule()
    def a_scheduler_looks(self) -> None:
        serve(self.deck)
        self._look()

    @rule(minutes=st.integers(1, 90))
    def it_is_changed(self, minutes: int) -> None:
        self.deck.schedules.update(self.made.id, recurrence={"type": "interval", "minutes": minutes})
        self._look()
        self._count_from(minutes)

    @rule()
    def it_is_paused(self) -> None:
        self.deck.schedules.pause(self.made.id)

    @rule()
    def it_is_resumed(self) -> None:
        if self.deck.schedules.get(self.made.id).pause is not None:
            self.deck.schedules.resume(self.made.id)
            self._look()

    @rule(active=st.booleans())
    def the_job_is_switched(self, active: bool) -> None:
        self.deck.jobs.update(str(self.job.id), active=active)

    @rule(ends=st.booleans())
    def runs_go_on(self, ends: bool) -> None:
        for claim in self.worker.claim(5):
            if ends:
                self.worker.end(claim)

    @rule()
    def old_rows_are_deleted(self) -> None:
        self.forgotten |= set(ledger(self.deck, self.made))
        with self.deck.database.write() as connection:
            connection.execute(tables.ticks.delete())

    @invariant()
    def each_planned_time_has_one_row_and_one_run_at_most(self) -> None:
        told = ledger(self.deck, self.made)
        assert sorted(self.forgotten | told.keys()) == self.planned, "rows and planned times differ"
        assert not self.forgotten & told.keys(), "a planned time has come back"
        rows: list[Any] = runs_of(self.deck, self.made)
        counted = Counter(row.fire_at for row in rows)
        assert all(count == 1 for count in counted.values()), "two runs for one planned time"
        fired = {at for at, (kind, _) in told.items() if kind in MAKES_A_RUN}
        assert fired == counted.keys() - self.forgotten, "rows and runs differ"
        for row in rows:
            assert row.created_at >= row.fire_at, "fired before its time"

    def _count_from(self, minutes: int) -> None:
        self.anchor, self.step = self.clock.us - 1, minutes * MINUTE
        with self.deck.database.read() as connection:
            self.anchor = connection.execute(tables.schedules.select()).one().anchor_at

    def _look(self) -> None:
        """Everything up to now is served by now; what has been served never comes again."""
        now = self.clock.us
        at = self.anchor + self.step
        while at <= now:
            if at > self.furthest:
                self.planned.append(at)
            at += self.step
        self.furthest = max(self.furthest, now)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_any_order_of_events_on_sqlite(deck: Deck, clock: TurnedClock) -> None:
    _live(deck, clock, 40, 30)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_any_order_of_events_on_postgresql(deck: Deck, clock: TurnedClock) -> None:
    _live(deck, clock, 8, 20)


def _live(deck: Deck, clock: TurnedClock, examples: int, steps: int) -> None:
    machine = type("OnThisDeck", (Lives,), {"deck": deck, "clock": clock})
    told = settings(
        deadline=None, suppress_health_check=list(HealthCheck), max_examples=examples, stateful_step_count=steps
    )
    run_state_machine_as_test(machine, settings=told)
