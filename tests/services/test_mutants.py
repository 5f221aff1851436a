"""Guards that are taken away, one at a time: the model must notice each, or a named scenario does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase

from jobdeck import Deck
from jobdeck.core.outcome import OutcomeKind
from jobdeck.services import aftermath, lifecycle
from jobdeck.services import claims as claims_service
from jobdeck.services.holder import Claim
from jobdeck.store import claims, dependencies, endings, slots, subruns
from jobdeck.store.statements import execute, fetch

from . import model, test_dependencies, test_lifecycle, test_limits, test_retries, test_subruns, test_unique_keys
from .conftest import TurnedClock
from .model import Lives, live, walled

Patch = pytest.MonkeyPatch
ANYBODY = "id = ? AND (owner = ? OR 1) AND (fence = ? OR 1)"
ANY_HOLDER = "id = ? AND status = 'RUNNING' AND (owner = ? OR 1) AND (fence = ? OR 1)"


def changed(patch: Patch, where: Any, name: str, old: str, new: str) -> None:
    """A statement in other words."""
    before = getattr(where, name)
    assert old in before, f"{name} does not say {old!r}"
    patch.setattr(where, name, before.replace(old, new))


def claim_says(patch: Patch, *changes: tuple[str, str]) -> None:
    before = claims.ClaimQuery._written

    def written(self: claims.ClaimQuery, queues: tuple[str, ...]) -> str:
        sql = before(self, queues)
        for old, new in changes:
            assert old in sql, f"the claim does not say {old!r}"
            sql = sql.replace(old, new)
        return sql

    patch.setattr(claims.ClaimQuery, "_written", written)


def unfenced_finish(patch: Patch) -> None:
    changed(patch, endings, "_FINISH", endings.FENCED, ANYBODY)


def finish_by_status_alone(patch: Patch) -> None:
    changed(patch, endings, "_FINISH", endings.FENCED, ANY_HOLDER)


def finish_with_open_sub_runs(patch: Patch) -> None:
    changed(patch, endings, "_FINISH", "AND total_subtasks = 0", "")


def unfenced_retry(patch: Patch) -> None:
    changed(patch, endings, "_RETRY", endings.FENCED, ANY_HOLDER)


def retry_after_a_stop(patch: Patch) -> None:
    changed(patch, endings, "_RETRY", "AND stop_requested_at IS NULL", "")


def retry_without_end(patch: Patch) -> None:
    changed(patch, endings, "_RETRY", "AND attempt < max_attempts", "")
    before = Claim.of_row.__func__  # type: ignore[attr-defined]  # the function of a classmethod

    def of_row(cls: type[Claim], row: Any) -> Claim:
        claim: Claim = before(cls, row)
        claim.max_attempts = 99
        return claim

    patch.setattr(Claim, "of_row", classmethod(of_row))


def retry_at_once(patch: Patch) -> None:
    claim_says(patch, ("r.available_at > ?", "r.available_at > ? + 1000000000000"))


def unfenced_heartbeat(patch: Patch) -> None:
    changed(patch, claims, "_BEAT", endings.FENCED, ANYBODY)


def unfenced_progress(patch: Patch) -> None:
    changed(patch, claims, "_PROGRESS", endings.FENCED, ANYBODY)


def unfenced_give_back(patch: Patch) -> None:
    changed(patch, endings, "_GIVE_BACK", endings.FENCED, ANY_HOLDER)


def give_back_keeps_the_attempt(patch: Patch) -> None:
    changed(patch, endings, "_GIVE_BACK", "attempt = attempt - 1", "attempt = attempt")


def give_back_after_a_stop(patch: Patch) -> None:
    changed(patch, endings, "_GIVE_BACK", "AND stop_requested_at IS NULL", "")


def released_without_end(patch: Patch) -> None:
    patch.setattr(lifecycle, "RELEASES_LIMIT", 99)


def claim_keeps_the_fence(patch: Patch) -> None:
    claim_says(patch, ("fence = fence + 1", "fence = max(fence, 1)"))


def claim_takes_what_was_cancelled(patch: Patch) -> None:
    claim_says(patch, ("r.status = 'QUEUED'", "r.status IN ('QUEUED', 'CANCELLED')"))


def claim_takes_what_is_running(patch: Patch) -> None:
    claim_says(patch, ("r.status = 'QUEUED'", "r.status IN ('QUEUED', 'RUNNING')"))


def claim_ignores_dependencies(patch: Patch) -> None:
    claim_says(patch, ("r.parked = 0", "r.parked IN (0, 3)"), ("r.open_dependencies > 0", "r.open_dependencies > 99"))


def claim_ignores_expiry(patch: Patch) -> None:
    claim_says(patch, ("r.expires_at <= ?", "r.expires_at <= ? - 1000000000000"))


def claim_ignores_limits(patch: Patch) -> None:
    patch.setattr(claims_service.Claims, "_admit", lambda self, connection, won, *rest: won)


def limit_counts_nobody_else(patch: Patch) -> None:
    before = slots.running
    patch.setattr(slots, "running", lambda connection, keys: before(connection, []))


def nobody_makes_room(patch: Patch) -> None:
    patch.setattr(slots, "make_room", lambda *_: 0)


def nobody_releases_dependents(patch: Patch) -> None:
    patch.setattr(dependencies, "release", lambda *_: None)


def failed_parents_are_overlooked(patch: Patch) -> None:
    patch.setattr(aftermath, "has_succeeded", lambda status: True)


def sub_runs_are_not_counted(patch: Patch) -> None:
    patch.setattr(subruns, "count_ended", lambda *_, **__: None)


def sub_runs_are_counted_twice(patch: Patch) -> None:
    before = subruns.count_ended

    def count(*told: Any, **named: Any) -> None:
        before(*told, **named)
        before(*told, **named)

    patch.setattr(subruns, "count_ended", count)


def parents_may_retry(patch: Patch) -> None:
    changed(patch, endings, "_RETRY", "AND total_subtasks = 0", "")


def a_rescue_costs_no_attempt(patch: Patch) -> None:
    before = lifecycle.rescue

    def rescue(connection: Any, holder: Any, held: Any, has_begun: Any, now_us: int) -> int:
        before(connection, holder, held, lambda claim: False, now_us)
        return len(held)

    patch.setattr(lifecycle, "rescue", rescue)
    patch.setattr(model, "rescue", rescue)


def the_living_are_taken(patch: Patch) -> None:
    before = claims.silent

    def silent(connection: Any, run_id: str, owner: str, fence: int, beat: int) -> list[Any]:
        return [row for row in claims.held_by(connection, owner) if row[0] == run_id] or before(
            connection, run_id, owner, fence, beat
        )

    patch.setattr(claims, "silent", silent)


def attempts_are_not_kept(patch: Patch) -> None:
    patch.setattr(endings, "record_attempts", lambda *_: None)


def expiry_ends_anything(patch: Patch) -> None:
    before = endings.expired

    def expired(connection: Any, now_us: int, limit: int) -> list[str]:
        sql = "SELECT id FROM jobdeck_run WHERE expires_at <= ? LIMIT ?"
        return [row[0] for row in fetch(connection, sql, (now_us, limit))] or before(connection, now_us, limit)

    patch.setattr(endings, "expired", expired)

    def end_queued(connection: Any, run_ids: Any, told: Any) -> list[Any]:
        for run_id in run_ids:
            execute(
                connection,
                "UPDATE jobdeck_run SET status = ?, reason = ?, message = ?, ended_at = ? WHERE id = ?",
                (*told, run_id),
            )
        return []

    patch.setattr(endings, "end_queued", end_queued)


def a_stop_is_forgotten(patch: Patch) -> None:
    patch.setattr(endings, "request_stop", lambda *_: 1)


def room_is_made_by_time_alone(patch: Patch) -> None:
    patch.setattr(aftermath, "free", lambda *_: 0)


def a_replaced_run_at_work_is_overlooked(patch: Patch) -> None:
    patch.setattr(dependencies, "lock_replaced", lambda *_: [])


def full_limits_keep_their_runs_in_line(patch: Patch) -> None:
    patch.setattr(slots, "park_all", lambda *_: None)


def what_begins_later_is_parked_too(patch: Patch) -> None:
    before = slots.park_all
    patch.setattr(slots, "park_all", lambda connection, keys, now_us: before(connection, keys, now_us * 2))


def a_parent_takes_sub_runs_for_ever(patch: Patch) -> None:
    def expect(connection: Any, tenant: str, parent_id: str) -> int:
        sql = "UPDATE jobdeck_run SET total_subtasks = total_subtasks + 1 WHERE id = ?"
        return execute(connection, sql, (parent_id,)).rowcount

    patch.setattr(subruns, "expect_open", expect)


def missed_ends_stay_missed(patch: Patch) -> None:
    patch.setattr(subruns, "overdue", lambda *_: [])


def a_stop_stays_with_the_parent(patch: Patch) -> None:
    patch.setattr(subruns, "live_below", lambda *_: [])


def ends_of_the_lost_are_good(patch: Patch) -> None:
    patch.setitem(lifecycle._WRITTEN, OutcomeKind.LOST, ("SUCCESS", "SUCCESS", None, None))


MODEL_KILLS: list[Callable[[Patch], None]] = [
    unfenced_finish, finish_by_status_alone, finish_with_open_sub_runs, unfenced_retry,     retry_without_end, retry_at_once, unfenced_heartbeat, unfenced_progress, unfenced_give_back,
    give_back_keeps_the_attempt, claim_keeps_the_fence,
    claim_takes_what_was_cancelled, claim_takes_what_is_running, claim_ignores_dependencies, claim_ignores_expiry,
    claim_ignores_limits, limit_counts_nobody_else, nobody_makes_room, nobody_releases_dependents,
    sub_runs_are_not_counted,     a_rescue_costs_no_attempt, the_living_are_taken, attempts_are_not_kept, expiry_ends_anything,
]  # fmt: skip


Scenario = Callable[[Deck, TurnedClock], None]
SCENARIO_KILLS: list[tuple[Callable[[Patch], None], Scenario]] = [
    (a_stop_is_forgotten, lambda deck, _: test_retries.test_a_stop_during_an_attempt_prevents_the_next(deck)),
    (ends_of_the_lost_are_good, test_retries.test_a_dead_worker_costs_an_attempt_and_is_counted),
    (room_is_made_by_time_alone, lambda deck, _: test_limits.test_whoever_leaves_its_place_makes_room_at_once(deck)),
    (what_begins_later_is_parked_too, test_limits.test_one_that_may_not_begin_yet_keeps_no_other_waiting),
    (
        full_limits_keep_their_runs_in_line,
        lambda deck, _: test_limits.test_thousands_in_line_are_parked_by_the_first_claim_that_finds_no_room(deck),
    ),
    (
        a_replaced_run_at_work_is_overlooked,
        lambda deck, _: test_unique_keys.test_what_replaces_a_run_that_waits_to_replace_another_waits_for_that_too(
            deck
        ),
    ),
    (
        a_parent_takes_sub_runs_for_ever,
        lambda deck, _: test_subruns.test_sub_runs_are_taken_only_while_the_body_is_at_work(deck),
    ),
    (retry_after_a_stop, lambda deck, _: test_retries.test_a_stop_during_an_attempt_prevents_the_next(deck)),
    (give_back_after_a_stop, lambda deck, _: test_lifecycle.test_a_claim_given_back_burns_no_attempt(deck)),
    (released_without_end, lambda deck, _: test_retries.test_a_run_left_at_a_shutdown_is_begun_anew_a_few_times(deck)),
    (parents_may_retry, lambda deck, _: test_subruns.test_a_parent_is_not_tried_again_once_it_has_sub_runs(deck)),
    (sub_runs_are_counted_twice, lambda deck, _: test_subruns.test_a_parent_ends_with_its_last_sub_run(deck)),
    (
        failed_parents_are_overlooked,
        lambda deck, _: test_dependencies.test_what_did_not_succeed_ends_what_waits_for_it_at_any_depth(
            deck, OutcomeKind.ERROR, ("FAILED", "error"), ("FAILED", "dependency")
        ),
    ),
    (missed_ends_stay_missed, lambda deck, _: test_subruns.test_an_end_that_was_missed_is_made_up_for(deck)),
    (
        a_stop_stays_with_the_parent,
        lambda deck, _: test_subruns.test_a_stop_reaches_sub_runs_at_any_depth(deck, returned=True),
    ),
]


def outcome_of(deck: Deck, clock: TurnedClock, kind: type[Lives] | None = None) -> BaseException | None:
    """What the model says, at its first complaint."""
    try:
        live(
            deck, clock, kind, max_examples=300, stateful_step_count=30, phases=[Phase.generate], derandomize=True,
            database=None,
        )  # fmt: skip
    except BaseException as error:
        return error
    return None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("mutant", MODEL_KILLS, ids=lambda mutant: mutant.__name__)
def test_the_model_notices(deck: Deck, clock: TurnedClock, monkeypatch: Patch, mutant: Callable[[Patch], None]) -> None:
    mutant(monkeypatch)
    error = outcome_of(walled(deck), clock)
    assert error is not None, "the mutant survives"
    # For what it does, not because its SQL is wrong.
    assert isinstance(error, AssertionError) or "wall: " in str(error), repr(error)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("mutant", "scenario"), SCENARIO_KILLS, ids=lambda told: told.__name__)
def test_a_scenario_notices(
    deck: Deck, clock: TurnedClock, monkeypatch: Patch, mutant: Callable[[Patch], None], scenario: Scenario
) -> None:
    mutant(monkeypatch)
    try:
        scenario(deck, clock)
    except (AssertionError, pytest.fail.Exception):
        return
    pytest.fail("the mutant survives")
