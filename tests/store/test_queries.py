"""Statements that every page or run passes search an index, however long the history is. SQLite tells its plans."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from jobdeck import Deck, job_type
from jobdeck.core.filters import Page, RunFilter
from jobdeck.services.claims import Claims, Report
from jobdeck.services.holder import Holder
from jobdeck.store import logs
from jobdeck.store.claims import claim_query

LONG = ("jobdeck_run", "jobdeck_log_entry", "jobdeck_attempt", "jobdeck_file", "jobdeck_audit")


@job_type
def greet(name: str = "Ada") -> str:
    """Say hello."""
    return name


@pytest.fixture
def deck(tmp_path: Path) -> Iterator[Deck]:
    made = Deck(job_types=[greet], home=tmp_path)
    made.upgrade_database()
    yield made
    made.close()


def plans(deck: Deck, call: Callable[[], Any]) -> list[str]:
    """The steps by which SQLite serves the statements of a call."""
    seen: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            seen.append((statement, parameters))

    event.listen(deck.database.engine, "before_cursor_execute", note)
    try:
        call()
    finally:
        event.remove(deck.database.engine, "before_cursor_execute", note)
    assert seen
    return [step for statement, parameters in seen for step in plan(deck, statement, parameters)]


def plan(deck: Deck, statement: str, parameters: Any) -> list[str]:
    with deck.database.read() as connection:
        return [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]


def scans(steps: list[str]) -> list[str]:
    """Steps that read all of a table that grows; by a partial index of live runs, all is little."""
    return [step for step in steps if any(step.startswith(f"SCAN {table}") for table in LONG)]


JOB = "01890000-0000-7000-8000-000000000000"
CALLS: dict[str, Callable[[Deck, str], Any]] = {
    "a job's runs": lambda deck, run: deck.runs.list(RunFilter(job_id=JOB)),
    "the newest runs": lambda deck, run: deck.runs.list(),
    "runs further down": lambda deck, run: deck.runs.list(page=Page(before=JOB)),
    "one run": lambda deck, run: deck.runs.get(run),
    "its attempts": lambda deck, run: deck.runs.attempts(run),
    "its log": lambda deck, run: deck.runs.logs(run, after=5, level="ERROR"),
    "the end of its log": lambda deck, run: deck.runs.logs(run, newest=True),
    "a search of its log": lambda deck, run: deck.logs.search(f"{run} word"),
    "a stop": lambda deck, run: deck.runs.stop(run),
    "the jobs": lambda deck, run: deck.jobs.list(),
    "a run of a type": lambda deck, run: deck.runs.start("greet"),
    "the audit trail": lambda deck, run: deck.audit.list(),
    "how many wait": lambda deck, run: deck.runs.waiting(),
}


@pytest.mark.parametrize("call", CALLS)
def test_calls_search_an_index(deck: Deck, call: str) -> None:
    deck.jobs.create(title="A", type="greet")
    run = deck.runs.start("greet")
    assert scans(plans(deck, lambda: CALLS[call](deck, run.id))) == []


def test_a_claim_searches_each_queue_by_its_index(deck: Deck) -> None:
    query = claim_query(("default", "slow"), ("greet", "other"), is_sqlite=True)
    steps = plan(deck, query.sql, query.parameters("owner", 1, 5))
    assert len([step for step in steps if "jobdeck_run_claim" in step and step.startswith("SEARCH")]) == 2
    assert scans(steps) == []


def test_a_claim_wins_no_more_than_was_asked_for(database_url: str, tmp_path: Path) -> None:
    deck = Deck(job_types=[greet], home=tmp_path / "home", database_url=database_url)
    deck.upgrade_database()
    deck.runs.start_many("greet", [{}] * 50)
    worker = Holder(id=str(uuid.uuid4()), host="host", boot_id="boot")
    claims = Claims(deck.database, worker, ("default",), ("greet",))
    now = deck.office.clock.now_us()
    assert [len(claims.exchange(Report(), wanted, now)[0]) for wanted in (1, 3, 7, 0)] == [1, 3, 7, 0]
    assert deck.runs.waiting() == 39
    deck.close()


def test_taking_log_numbers_from_a_run_that_is_not_held_changes_nothing(deck: Deck) -> None:
    run = deck.runs.start("greet")
    with deck.database.write() as connection:
        assert logs.move_heads(connection, [(5, run.id, "nobody", 1)]) == 0
    assert deck.runs.logs(run.id).total == 0
