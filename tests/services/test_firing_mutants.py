"""Guards of firing that are taken away, one at a time: a named scenario must notice each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobdeck import Deck
from jobdeck.core import tick
from jobdeck.core.job import Job
from jobdeck.core.principal import SYSTEM
from jobdeck.services import fire_plans, firing
from jobdeck.services.authority import Authority, Standing
from jobdeck.store import firing as statements

from . import test_firing
from .conftest import TurnedClock
from .firing_bench import at

Patch = pytest.MonkeyPatch


def nothing_is_looked_at_again(patch: Patch) -> None:
    patch.setattr(statements, "lock", lambda _, wanted: {one.id for one in wanted})


def served_times_come_back(patch: Patch) -> None:
    sql = statements._SERVED.replace("served_until = ?", "served_until = served_until + 0 * ?")
    patch.setattr(statements, "_SERVED", sql.replace("next_fire_at = ?", "next_fire_at = coalesce(?, 0) * 0"))


def every_row_is_taken_for_new(patch: Patch) -> None:
    add = statements.add_ticks
    patch.setattr(statements, "add_ticks", lambda lane, rows: (add(lane, rows), len(rows))[1])


def nobody_goes_on(patch: Patch) -> None:
    patch.setattr(statements, "live_runs", lambda *_: {})


def everybody_may(patch: Patch) -> None:
    patch.setattr(Authority, "standing", lambda *_: Standing(principal=SYSTEM, reason=""))


def late_is_on_time(patch: Patch) -> None:
    patch.setattr(
        fire_plans, "judge", lambda due, _, *told, **more: tick.judge(due, due[0] if due else 0, *told, **more)
    )


def pauses_are_ignored(patch: Patch) -> None:
    patch.setattr(fire_plans, "_hold_back", lambda *_: None)


def counts_never_end(patch: Patch) -> None:
    patch.setattr(firing, "_end", lambda *_: None)
    served = firing._served

    def uncounted(plan: Any) -> Any:
        until, following, last, _, *rest = served(plan)
        return until, following, last, 0, *rest

    patch.setattr(firing, "_served", uncounted)


def a_refused_run_counts(patch: Patch) -> None:
    patch.setattr(statements, "change_tick", lambda *_: None)


def arguments_are_remembered(patch: Patch) -> None:
    make, kept = fire_plans.FirePlans._arguments, dict[str, str]()

    def remembered(self: Any, due: Any, *told: Any) -> str:
        if due.id not in kept:
            kept[due.id] = make(self, due, *told)
        return kept[due.id]

    patch.setattr(fire_plans.FirePlans, "_arguments", remembered)


def one_breaks_all(patch: Patch) -> None:
    def carry_out(self: firing.Firing, due: Any, now_us: int) -> firing.Fired:
        return self._record(self._plans.make(due, now_us), now_us)

    patch.setattr(firing.Firing, "_carry_out", carry_out)


Scenario = Callable[[Deck, TurnedClock, Job, Patch], None]
KILLS: list[tuple[Callable[[Patch], None], Scenario]] = [
    (
        nothing_is_looked_at_again,
        lambda deck, clock, job, patch: test_firing.test_a_plan_that_was_overtaken_is_dropped(
            deck, clock, job, patch, "pause"
        ),
    ),
    (
        served_times_come_back,
        lambda deck, clock, job, _: test_firing.test_clocks_may_jump_and_rows_may_be_deleted(deck, clock, job),
    ),
    (
        every_row_is_taken_for_new,
        lambda deck, clock, job, _: test_firing.test_rows_that_stand_there_already_are_left_as_they_are(
            deck, clock, job
        ),
    ),
    (nobody_goes_on, lambda deck, clock, job, _: test_firing.test_when_the_previous_run_goes_on(deck, clock, job)),
    (
        everybody_may,
        lambda deck, clock, job, _: test_firing.test_a_schedule_whose_principal_lost_the_right_pauses_visibly(
            deck, clock, job
        ),
    ),
    (
        late_is_on_time,
        lambda deck, clock, job, _: test_firing.test_what_was_missed_follows_the_policy(
            deck, clock, job, "skip", None, ["missed late"] * 5
        ),
    ),
    (
        pauses_are_ignored,
        lambda deck, clock, job, _: test_firing.test_paused_and_inactive_times_are_accounted_for(deck, clock, job),
    ),
    (counts_never_end, lambda deck, clock, job, _: test_firing.test_jitter_count_and_end(deck, clock, job)),
    (
        a_refused_run_counts,
        lambda deck, clock, *_: test_firing.test_a_full_limit_that_rejects_is_a_skipped_time(deck, clock),
    ),
    (
        arguments_are_remembered,
        lambda deck, clock, *_: test_firing.test_the_last_success_is_read_at_each_fire(deck, clock),
    ),
    (
        one_breaks_all,
        test_firing.test_runs_that_cannot_be_stored_break_their_schedule_alone,
    ),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("mutant", "scenario"), KILLS, ids=lambda told: told.__name__)
def test_a_scenario_notices(
    deck: Deck, clock: TurnedClock, monkeypatch: Patch, mutant: Callable[[Patch], None], scenario: Scenario
) -> None:
    clock.us = at("2026-11-20 12:30")
    job = deck.jobs.create(title="Harvest", type="greet", arguments={"name": "Eve"})
    mutant(monkeypatch)
    try:
        scenario(deck, clock, job, monkeypatch)
    except (AssertionError, RuntimeError):
        return
    pytest.fail("the mutant survives")
