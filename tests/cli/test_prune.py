"""`jobdeck prune`."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import func, select

from jobdeck import Deck
from jobdeck.core.ids import first_id
from jobdeck.store import tables

DAY_US = 86_400_000_000


def store(deck: Deck, runs: list[tuple[str, str, int]]) -> None:
    """Insert (type, status, days ago) runs."""
    rows = []
    for n, (type_name, status, days) in enumerate(runs):
        at = time.time_ns() // 1000 - days * DAY_US
        rows.append({
            "id": f"{first_id(at)}-7000-8000-{n:012x}", "tenant": "default", "type": type_name, "arguments": "{}",
            "queue": "default", "trigger": "api", "status": status, "available_at": at, "created_at": at,
            "ended_at": None if status == "QUEUED" else at,
        })  # fmt: skip
    with deck.database.write() as connection:
        connection.execute(tables.runs.insert(), rows)


def how_many(deck: Deck) -> int:
    with deck.database.read() as connection:
        return connection.execute(select(func.count()).select_from(tables.runs)).scalar_one()


@pytest.fixture
def history(deck: Deck) -> Deck:
    store(deck, [("greet", "SUCCESS", 100), ("greet", "SUCCESS", 95), ("greet", "FAILED", 94), ("greet", "QUEUED", 93),
                 ("wake", "CANCELLED", 92), ("wake", "SUCCESS", 1)])  # fmt: skip
    return deck


def test_nothing_is_deleted_until_retention_is_set(ready: Any, history: Deck) -> None:
    answer = ready("prune")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("No retention is set, so every run is kept; set JOBDECK_RETENTION")
    assert ready("prune", "--json").json == {
        "dry_run": False, "rules": None, "deleted": 0, "runs": [], "leftover_folders": 0,
        "planned_times": 0,
    }  # fmt: skip
    assert how_many(history) == 6


def test_it_says_what_it_would_delete_and_then_does(ready: Any, history: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBDECK_RETENTION", "90d")
    answer = ready("prune", "--dry-run")
    assert (answer.code, answer.err) == (0, "")
    lines = [line.replace("✔", "").replace("✘", "").replace("■", "").split() for line in answer.out.splitlines()]
    assert lines == [
        ["Type", "Status", "Runs"], ["greet", "FAILED", "1"], ["greet", "SUCCESS", "2"], ["wake", "CANCELLED", "1"], [],
        ["4", "runs", "would", "be", "deleted;", "the", "rules", "are", "90d."],
    ]  # fmt: skip
    assert how_many(history) == 6
    done = ready("prune")
    assert done.out == answer.out.replace("would be deleted", "deleted")
    assert how_many(history) == 2
    assert ready("prune").out == "Nothing to delete; the rules are 90d.\n"
    entry = history.audit.list().items[0]
    assert (entry.action, entry.principal_id.partition(":")[0]) == ("runs.prune", "cli")


def test_rules_can_be_given_for_once(ready: Any, history: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBDECK_RETENTION", "1h")
    told = ready("prune", "--keep", "greet/SUCCESS=1, wake/90d", "--json").json
    assert told == {
        "dry_run": False, "rules": ["greet/SUCCESS=1", "wake/90d"], "deleted": 2, "leftover_folders": 0,
        "planned_times": 0,
        "runs": [{"type": "greet", "status": "SUCCESS", "count": 1}, {"type": "wake", "status": "CANCELLED", "count": 1}],
    }  # fmt: skip
    assert how_many(history) == 4
    assert ready("prune", "--keep", "1w").out.endswith("\n2 runs deleted; the rules are 7d.\n")
    assert ready("prune", "--keep", "1h").out.endswith("\n1 run deleted; the rules are 1h.\n")


def test_a_wrong_rule_is_said_in_one_line(ready: Any, history: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ready("prune", "--keep", "soon")
    assert answer.code == 1
    assert answer.complaint == (
        "keep: 'soon' does not say what to keep; give an age such as '90d', '12w' or '36h', or a number of runs."
    )
    monkeypatch.setenv("JOBDECK_RETENTION", "RUNNING=1d")
    answer = ready("prune")
    assert answer.code == 1
    assert answer.complaint.startswith("JOBDECK_RETENTION (from environment): 'RUNNING' in 'RUNNING=1d' is no final")
    assert how_many(history) == 6
