"""The oracle of schedules knows every instant by itself, and sees each kind of wrong ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from jobdeck.core.recurrence import parse
from jobdeck.core.times import to_us
from jobdeck.core.zones import zone
from jobdeck.drill.oracle import MUSTS, Ledger, Timed
from jobdeck.drill.timetable import WISHES, Wish
from jobdeck.store.drill import Rows, RunRow, ScheduleRow, TickRow

S = 1_000_000
RUNNING = Timed(id="one", what="every 2 s", anchor_us=0, every_us=2 * S, created_us=3 * S)
PAUSED = Timed(id="two", what="every 3 s, paused", anchor_us=0, every_us=3 * S, created_us=3 * S, paused_us=7 * S)


def run(run_id: str, schedule_id: str | None, fire_at: int | None) -> RunRow:
    return RunRow(run_id, "brief", "SUCCESS", None, 1, 3, None, None, 0, 0, schedule_id, fire_at)


def ledger(
    ticks: dict[tuple[str, int], TickRow | None] | None = None, runs: dict[str, RunRow | None] | None = None
) -> Ledger:
    """Served up to 10 s, ended at 9 s: right, but for these."""
    rows = {
        **{("one", at * S): TickRow("one", at * S, "fired", f"run {at}") for at in (4, 6, 10)},
        ("one", 8 * S): TickRow("one", 8 * S, "skipped", None),
        ("two", 6 * S): TickRow("two", 6 * S, "caught_up", "last"),
        ("two", 9 * S): TickRow("two", 9 * S, "skipped", None),
        **(ticks or {}),
    }
    made = {
        **{f"run {at}": run(f"run {at}", "one", at * S) for at in (4, 6, 10)},
        "last": run("last", "two", 6 * S),
        "by hand": run("by hand", None, None),
        **(runs or {}),
    }
    return Ledger([RUNNING, PAUSED], Rows(
        runs=[row for row in made.values() if row], attempts=[], events=[], changes=[], lines=[],
        schedules=[ScheduleRow("one", 10 * S), ScheduleRow("two", 4 * S)],
        ticks=[row for row in rows.values() if row], stale_writes=0,
    ), 9 * S)  # fmt: skip


def broken(found: Ledger) -> dict[str, list[str]]:
    return {name: sentences for name, find in MUSTS.items() if (sentences := list(find(found)))}


def test_a_right_ledger_has_nothing_wrong() -> None:
    assert broken(ledger()) == {}
    assert ledger().counts() == {"planned": 6, "fired": 3, "caught_up": 1, "skipped": 2, "missed": 0}


WRONG: list[tuple[str, str, Callable[[], Ledger]]] = [
    ("ticks_missing", "one is left out", lambda: ledger({("one", 8 * S): None})),
    ("ticks_missing", "the last is left out", lambda: ledger({("one", 10 * S): None}, {"run 10": None})),
    ("ticks_missing", "never served", lambda: ledger({("two", 9 * S): None})),
    ("ticks_duplicate", "two runs", lambda: ledger(runs={"more": run("more", "one", 4 * S)})),
    ("ticks_duplicate", "two rows", lambda: ledger({("a copy", 0): TickRow("one", 8 * S, "missed", None)})),
    ("ticks_unplanned", "another time", lambda: ledger({("one", 5 * S): TickRow("one", 5 * S, "missed", None)})),
    ("ticks_unplanned", "before it was made", lambda: ledger({("one", 2 * S): TickRow("one", 2 * S, "missed", None)})),
    ("ticks_unplanned", "another schedule", lambda: ledger({("six", 4 * S): TickRow("six", 4 * S, "missed", None)})),
    ("ticks_unmatched", "no row", lambda: ledger(runs={"more": run("more", "one", 8 * S)})),
    ("ticks_unmatched", "no run", lambda: ledger(runs={"run 4": None})),
    ("ticks_unmatched", "another's run", lambda: ledger(runs={"run 4": run("run 4", "one", 8 * S)})),
    ("ticks_unmatched", "nothing fired", lambda: ledger({("one", 8 * S): TickRow("one", 8 * S, "fired", None)})),
    ("ticks_unmatched", "skipped with a run", lambda: ledger({("one", 4 * S): TickRow("one", 4 * S, "skipped", "run 4")})),
    ("ticks_unmatched", "fired while paused",
     lambda: ledger({("two", 9 * S): TickRow("two", 9 * S, "fired", "more")}, {"more": run("more", "two", 9 * S)})),
]  # fmt: skip


@pytest.mark.parametrize(("must", "what", "wrong"), WRONG, ids=[f"{must}: {what}" for must, what, _ in WRONG])
def test_what_is_wrong_is_found(must: str, what: str, wrong: Callable[[], Ledger]) -> None:
    assert must in broken(wrong())


def test_every_must_can_be_broken() -> None:
    assert {must for must, _, _ in WRONG} == set(MUSTS)


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.what)
def test_the_oracle_and_the_product_name_the_same_instants(wish: Wish) -> None:
    anchor = to_us(datetime(2027, 3, 28, 0, 59, 50, tzinfo=UTC))
    created, until = anchor + 1_234_567, anchor + int(timedelta(seconds=30) / timedelta(microseconds=1))
    timed = Timed(id="one", what="", anchor_us=anchor, every_us=wish.every_ms * 1000, created_us=created)
    recurrence, where = parse(wish.recurrence), zone(wish.options.get("time_zone", "UTC"))
    found, at = [], recurrence.next_after(created, where, anchor)
    while at is not None and at <= until:
        found.append(at)
        at = recurrence.next_after(at, where, anchor)
    assert list(timed.instants(until)) == found
