"""The checker sees each kind of wrong history, and nothing wrong in a right one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from jobdeck.drill.faults import Strike
from jobdeck.drill.history import MUSTS, Evidence, check
from jobdeck.drill.job_types import LOGGER
from jobdeck.drill.load import Cancel, Memory
from jobdeck.drill.oracle import MUSTS as MUSTS_OF_SCHEDULES
from jobdeck.drill.oracle import Ledger
from jobdeck.drill.sheet import Sheet
from jobdeck.drill.trace import ALIVE, EFFECT, START, Mark
from jobdeck.store.drill import AttemptRow, ChangeRow, EventRow, LineRow, RingRow, Rows, RunRow


def run(run_id: str, **told: object) -> RunRow:
    row = RunRow(run_id, "brief", "SUCCESS", None, 1, 3, None, None, 0, 0)
    return row._replace(**told)  # type: ignore[arg-type]  # fields by name


def mark(kind: str, run_id: str, attempt: int, at: float, lines: int = 0, spawned: int = 0) -> Mark:
    return Mark(kind, run_id, attempt, "token", 7, int(at * 1e9), lines, spawned)


def changes(run_id: str, *statuses: str) -> list[ChangeRow]:
    found, fence = [], 0
    for old, new in pairwise(statuses):
        found.append(ChangeRow(run_id, old, new, fence, fence + (new == "RUNNING")))
        fence += new == "RUNNING"
    return found


def right() -> Evidence:
    """One run after a rescue, one after the first, a parent with a sub-run, a cancelled one, two that are alone."""
    rows = Rows(
        runs=[
            run("twice", attempt=2),
            run("next"),
            run("top", type="parent", total_subtasks=1, completed_subtasks=1),
            run("sub", parent_id="top"),
            run("gone", status="CANCELLED", reason="stopped", attempt=0, stop_requested_at=1),
            run("one", type="alone"),
            run("other", type="alone"),
        ],
        attempts=[
            AttemptRow("twice", 1, 1, 4_000_000, "lost"),
            *(AttemptRow("twice", 2, 2, 6_000_000, "success"), AttemptRow("next", 1, 1, 7_000_000, "success")),
            *(AttemptRow("top", 1, 1, 2_000_000, "success"), AttemptRow("sub", 1, 1, 3_000_000, "success")),
            *(AttemptRow("one", 1, 1, 2_000_000, "success"), AttemptRow("other", 1, 1, 3_000_000, "success")),
        ],
        events=[
            EventRow("twice", 4_000_000, "RUNNING", "QUEUED", 1),
            EventRow("gone", 1_000_000, "QUEUED", "CANCELLED", 0),
            EventRow("top", 3_000_000, "RUNNING", "SUCCESS", 1),
        ],
        changes=[
            *changes("twice", "QUEUED", "RUNNING", "QUEUED", "RUNNING", "SUCCESS"),
            *(one for name in ("next", "top", "sub", "one", "other") for one in changes(name, *_ONCE)),
            *changes("gone", "QUEUED", "CANCELLED"),
        ],
        lines=[
            LineRow("twice", 1, 1, LOGGER, "0"),
            LineRow("twice", 2, 2, LOGGER, "0"),
            LineRow("twice", 3, 2, LOGGER, "1"),
            LineRow("twice", 4, 2, "another", "words"),
        ],
        schedules=[],
        ticks=[],
        stale_writes=2,
    )
    marks = [
        mark(START, "twice", 1, 1),
        *(mark(START, "twice", 2, 5), mark(EFFECT, "twice", 2, 6, lines=2)),
        *(mark(START, "next", 1, 6.5), mark(EFFECT, "next", 1, 7)),
        *(mark(START, "top", 1, 1), mark(EFFECT, "top", 1, 2, spawned=1)),
        *(mark(START, "sub", 1, 2), mark(EFFECT, "sub", 1, 3)),
        *(mark(START, "one", 1, 1), mark(ALIVE, "one", 1, 1.5), mark(EFFECT, "one", 1, 2)),
        *(mark(START, "other", 1, 2.1), mark(EFFECT, "other", 1, 3)),
    ]
    memory = Memory(
        accepted=["twice", "next", "top", "gone", "one", "other"],
        follows={"next": "twice"},
        cancels=[Cancel("gone", int(2e9), True, 0)],
    )
    return Evidence(memory, rows, marks, [Strike("kill_tree", 1_500_000, (("twice", 1),))], Ledger([], rows, 0))


_ONCE = ("QUEUED", "RUNNING", "SUCCESS")


def with_runs(*rows: RunRow) -> Evidence:
    """The right history, but for these runs."""
    evidence = right()
    kept = [row for row in evidence.rows.runs if row.id not in {one.id for one in rows}]
    return replace(evidence, rows=evidence.rows._replace(runs=[*kept, *rows]))


def with_changes(*more: ChangeRow) -> Evidence:
    evidence = right()
    return replace(evidence, rows=evidence.rows._replace(changes=[*evidence.rows.changes, *more]))


def with_marks(*more: Mark) -> Evidence:
    return replace(right(), marks=[*right().marks, *more])


def without(run_id: str, field: str) -> Evidence:
    """The right history, but for what it tells of this run in one kind of row."""
    evidence = right()
    kept = [row for row in getattr(evidence.rows, field) if row[0] != run_id]
    return with_rows(**{field: kept})


def with_memory(**told: object) -> Evidence:
    return replace(right(), memory=replace(right().memory, **told))  # type: ignore[arg-type]  # fields by name


WRONG: list[tuple[str, str, Callable[[], Evidence]]] = [
    ("lost", "a run is gone", lambda: without("next", "runs")),
    ("lost", "a run has not ended", lambda: with_runs(run("next", status="RUNNING"))),
    ("stuck", "a sub-run has not ended", lambda: with_runs(run("sub", status="QUEUED", parent_id="top"))),
    ("illegal_transitions", "back to the queue", lambda: with_changes(ChangeRow("next", "SUCCESS", "QUEUED", 1, 1))),
    ("illegal_transitions", "no claim", lambda: with_changes(*changes("new", "QUEUED", "SUCCESS"))),
    ("illegal_transitions", "a gap", lambda: with_changes(ChangeRow("new", "RUNNING", "SUCCESS", 0, 0))),
    ("illegal_transitions", "no new fence", lambda: with_changes(ChangeRow("new", "QUEUED", "RUNNING", 0, 0))),
    ("illegal_transitions", "a fence falls", lambda: with_changes(ChangeRow("one", "SUCCESS", "SUCCESS", 1, 0))),
    ("illegal_transitions", "unwitnessed", lambda: without("next", "changes")),
    ("illegal_transitions", "told so", lambda: with_rows(events=[EventRow("one", 1, "QUEUED", "SUCCESS", 1)])),
    ("doubled_outcomes", "another end", lambda: with_changes(ChangeRow("one", "SUCCESS", "FAILED", 1, 1))),
    ("doubled_outcomes", "another result", lambda: with_changes(ChangeRow("one", "SUCCESS", "SUCCESS", 1, 1))),
    ("doubled_effects", "begun twice", lambda: with_marks(mark(START, "next", 1, 6.6))),
    ("doubled_effects", "done twice", lambda: with_marks(mark(EFFECT, "next", 1, 7.5))),
    ("attempt_overlaps", "the first lives on", lambda: with_marks(mark(EFFECT, "twice", 1, 5.5))),
    ("excess_starts", "tried too often", lambda: with_runs(run("twice", attempt=2, max_attempts=1))),
    ("started_after_stop", "cancelled, begun", lambda: with_marks(mark(START, "gone", 1, 2.5))),
    ("started_after_stop", "tried again", lambda: with_memory(cancels=[Cancel("twice", int(3e9), False, 1)])),
    ("started_too_early", "not done yet", lambda: with_marks(mark(START, "next", 1, 5.5))),
    ("started_too_early", "it had failed", lambda: with_runs(run("twice", status="FAILED", attempt=2))),
    ("limit_overlaps", "two at once", lambda: with_marks(mark(ALIVE, "one", 1, 2.5))),
    ("log_lines", "a line is missing", lambda: with_rows(lines=right().rows.lines[:2])),
    ("log_lines", "a number is missing", lambda: with_rows(lines=right().rows.lines[1:])),
    ("log_lines", "out of order", lambda: with_rows(lines=swapped())),
    ("wrong_subruns", "one is missing", lambda: without("sub", "runs")),
    ("wrong_subruns", "one is not counted", lambda: with_runs(run("top", total_subtasks=1, completed_subtasks=0))),
    ("wrong_subruns", "one is too many", lambda: with_runs(run("second", parent_id="top"))),
    ("untold", "no attempt", lambda: without("next", "attempts")),
    ("untold", "no event", lambda: without("gone", "events")),
    ("stale_accepted", "another fence", lambda: with_rows(attempts=[AttemptRow("next", 1, 5, 1, "success")])),
]


def with_rows(**told: object) -> Evidence:
    evidence = right()
    return replace(evidence, rows=evidence.rows._replace(**told))  # type: ignore[arg-type]  # fields by name


def swapped() -> list[LineRow]:
    lines = right().rows.lines
    return [lines[0], lines[1]._replace(message="1"), lines[2]._replace(message="0"), lines[3]]


def test_a_right_history_has_nothing_wrong() -> None:
    found = check(right())
    assert {name: list(sentences) for name, sentences in found.broken.items() if sentences} == {}
    assert (found.accepted, found.final, found.starts, found.starts_most, found.effects) == (6, 6, 7, 2, 6)
    assert found.statuses == {"CANCELLED (stopped)": 1, "SUCCESS": 6}
    assert (found.stale_attempted, found.stale_rejected, found.cancels) == (2, 2, 1)
    assert found.rescues_s == [2.5]


@pytest.mark.parametrize(("must", "what", "wrong"), WRONG, ids=[f"{must}: {what}" for must, what, _ in WRONG])
def test_what_is_wrong_is_found(must: str, what: str, wrong: Callable[[], Evidence]) -> None:
    assert check(wrong()).broken[must]


def test_only_an_attempt_whose_supervisor_was_frozen_elsewhere_may_outlive_its_claim() -> None:
    frozen = Strike("freeze_elsewhere", 1_500_000, (("twice", 1), ("one", 1)))
    late = [mark(ALIVE, "twice", 1, 5.5), mark(ALIVE, "one", 1, 2.5)]
    found = check(replace(with_marks(*late), strikes=[frozen]))
    assert not found.broken["attempt_overlaps"] and not found.broken["limit_overlaps"]
    here = replace(frozen, fault="freeze")
    found = check(replace(with_marks(*late), strikes=[here]))
    assert found.broken["attempt_overlaps"] and found.broken["limit_overlaps"]


def test_every_must_can_be_broken() -> None:
    # Those of schedules are broken in test_oracle.
    assert {must for must, _, _ in WRONG} == set(MUSTS) - MUSTS_OF_SCHEDULES.keys()


def sheet(evidence: Evidence, **told: object) -> Sheet:
    made = Sheet(
        findings=check(evidence), attempts={"freeze": 3}, hits={"freeze": 1}, unserved=0, unprompted_ends=0, leftovers=(), complaints=(),
        resumed=0, seed=5, seconds=10, engine="database", database="sqlite", patience_s=None, calm_s=1.0, calm_bound_s=9.0, rescue_bound_s=5.0,
    )  # fmt: skip
    return replace(made, **told)  # type: ignore[arg-type]  # fields by name


def test_the_sheet_of_a_right_history_passes() -> None:
    made = sheet(right())
    assert made.passes and all(made.as_data()["musts"].values())
    assert list(made.lines())[-1] == "Every MUST holds."


def test_the_sheet_says_what_is_wrong() -> None:
    made = sheet(without("next", "runs"))
    data = made.as_data()
    assert not made.passes and data["lost"] == 1 and data["musts"]["lost"] is False
    assert "run next was accepted and is gone" in list(made.lines())
    assert list(made.lines())[-1] == "Not every MUST holds."


def test_rings_of_which_nothing_came_are_told() -> None:
    rings = [
        RingRow("one", 1_000_000, 1, False),
        RingRow("two", 1_500_000, 1, False),
        # This one could not be sent, and the next one stands for it.
        *(
            RingRow("three", 2_000_000, 1, False),
            RingRow("three", 2_100_000, -1, True),
            RingRow("three", 3_000_000, 1, False),
        ),
        *(RingRow("one", 3_250_000, 1, True), RingRow("one", 7_250_000, 1, True)),
        # Begun anew, after it was won.
        RingRow("two", 9_000_000, 1, False),
    ]
    found = check(with_rows(rings=rings, fenced=4))
    assert (found.rings, found.rerings_s, found.fenced) == (6, [2.25, 4.0], 4)
    made = sheet(with_rows(rings=rings, fenced=4), engine="rq", patience_s=2.0)
    told = "6 sent, 2 again, half after 2.25 s, all within 4.00 s (patience 2 s); 4 deliveries fenced"
    assert f"rings         {told}" in list(made.lines())
    data = made.as_data()
    assert (data["rings_sent"], data["rung_again"], data["deliveries_fenced"]) == (6, 2, 4)
    assert (data["rering_p50_s"], data["rering_max_s"], data["ring_patience_s"]) == (2.25, 4.0, 2.0)


@pytest.mark.parametrize(
    "told",
    [
        {"hits": {"freeze": 0}},
        {"leftovers": ["process 7"]},
        {"complaints": ["TypeError: no"]},
        {"unprompted_ends": 1},
        {"unserved": 1},
    ],
)
def test_a_sheet_fails_for_more_than_the_history(told: dict[str, object]) -> None:
    assert not sheet(right(), **told).passes


def test_a_stale_outcome_counts_as_attempted_and_not_rejected() -> None:
    found = check(with_rows(attempts=[*right().rows.attempts, AttemptRow("next", 2, 9, 1, "error")]))
    assert (found.stale_attempted, found.stale_rejected) == (3, 2)
