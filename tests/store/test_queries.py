"""Statements that every page or run passes search an index, however long the history is. SQLite tells its plans."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, update

from jobdeck import Deck, LastSuccess, job_type
from jobdeck.core.filters import Page, RunFilter
from jobdeck.core.times import from_us
from jobdeck.core.worker import WorkerInfo
from jobdeck.services.claims import Claims, Report
from jobdeck.services.holder import Holder
from jobdeck.services.workers import Presence
from jobdeck.store import logs, rings, tables
from jobdeck.store.claims import ClaimQuery

LONG = ("jobdeck_run", "jobdeck_log_entry", "jobdeck_attempt", "jobdeck_file", "jobdeck_audit", "jobdeck_tick")


@job_type
def greet(name: str = "Ada") -> str:
    """Say hello."""
    return name


@job_type
def harvest(since: LastSuccess = None) -> None:
    """Fetch."""


@pytest.fixture
def deck(tmp_path: Path) -> Iterator[Deck]:
    made = Deck(job_types=[greet, harvest], home=tmp_path)
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


def scheduled(deck: Deck) -> str:
    return deck.schedules.list().items[0].id


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
    "a run of a type that knows its last ones": lambda deck, run: deck.runs.start("harvest"),
    "why it waits": lambda deck, run: deck.runs.why(run),
    "why many wait": lambda deck, run: deck.runs.waiting_reasons(deck.runs.list().items),
    "the queues": lambda deck, run: deck.queues.list(),
    "queues that nobody serves": lambda deck, run: deck.queues.alerts(),
    "what workers are at": lambda deck, run: deck.workers.list(),
    "its sub-runs": lambda deck, run: deck.runs.list(RunFilter(parent_id=run)),
    "the audit trail": lambda deck, run: deck.audit.list(),
    "how many wait": lambda deck, run: deck.runs.waiting(),
    "what became of planned times": lambda deck, run: deck.schedules.ticks(scheduled(deck), None, 10**15),
    "how often they became what": lambda deck, run: deck.schedules.counts([scheduled(deck)] * 2, from_us(0)),
    "the last of them": lambda deck, run: deck.schedules.last_ticks([scheduled(deck)]),
    "a schedule that is deleted": lambda deck, run: deck.schedules.delete(scheduled(deck)),
}


@pytest.mark.parametrize("call", CALLS)
def test_calls_search_an_index(deck: Deck, call: str) -> None:
    deck.jobs.create(title="A", type="greet", schedule={"type": "interval", "minutes": 5})
    run = deck.runs.start("greet")
    assert scans(plans(deck, lambda: CALLS[call](deck, run.id))) == []


COUNTS: dict[str, Callable[[Deck], Any]] = {
    "how many wait": lambda deck: deck.runs.waiting(),
    "the queues": lambda deck: deck.queues.list(),
    "queues that nobody serves": lambda deck: deck.queues.alerts(),
    "what workers are at": lambda deck: deck.workers.list(),
}


def with_history(deck: Deck) -> None:
    """A long history, a few runs that wait, one of them apart from the line, and a worker."""
    now = from_us(deck.office.clock.now_us())
    alive = WorkerInfo(id="w", host="h", pid=1, pid_started=1, boot_id="b", queues=("default",), types=(), processes=1,
                       started_at=now, seen_at=now)  # fmt: skip
    Presence(deck.database, alive).begin(deck.office.clock.now_us())
    ids = deck.runs.start_many("greet", [{}] * 3000)
    deck.runs.start("greet", after=[ids[0]])
    with deck.database.write() as connection:
        ended = update(tables.runs).where(tables.runs.c.id.in_(ids[10:]), tables.runs.c.status == "QUEUED")
        connection.execute(ended.values(status="SUCCESS"))
        if not deck.database.is_sqlite:
            connection.exec_driver_sql("ANALYZE")


@pytest.mark.parametrize("call", COUNTS)
def test_what_is_counted_is_read_from_the_indexes_of_live_runs(database_url: str, tmp_path: Path, call: str) -> None:
    deck = Deck(job_types=[greet], home=tmp_path / "home", database_url=database_url)
    deck.upgrade_database()
    with_history(deck)
    seen: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        if "jobdeck_run" in statement:
            seen.append((statement, parameters))

    event.listen(deck.database.engine, "before_cursor_execute", note)
    COUNTS[call](deck)
    event.remove(deck.database.engine, "before_cursor_execute", note)
    assert seen
    how = "EXPLAIN QUERY PLAN" if deck.database.is_sqlite else "EXPLAIN"
    with deck.database.read() as connection:
        for statement, parameters in seen:
            steps = [str(row[-1]) for row in connection.exec_driver_sql(f"{how} {statement}", parameters)]
            of_runs = [step for step in steps if _reads_runs(step)]
            assert of_runs and not [step for step in of_runs if not any(name in step for name in LIVE)], steps
    assert deck.runs.waiting() == 11
    deck.close()


LIVE = ("jobdeck_run_in_line", "jobdeck_run_parked", "jobdeck_run_held")


def _reads_runs(step: str) -> bool:
    """Whether a step of a plan reads the table of runs, on SQLite under the names that the statements give it."""
    return "jobdeck_run" in step.replace("jobdeck_run_event", "") or step.startswith(
        ("SEARCH r ", "SCAN r ", "SEARCH l ")
    )


def test_a_claim_searches_each_queue_by_its_index(deck: Deck) -> None:
    queues = {"default": 5, "slow": 5}
    query = ClaimQuery(tuple(queues), ("greet", "other"), strict=False, is_sqlite=True)
    steps = plan(deck, query.sql(tuple(queues)), query.parameters(queues, "owner", 1, 5))
    assert len([step for step in steps if "jobdeck_run_in_line" in step and step.startswith("SEARCH")]) == 2
    assert scans(steps) == []


RINGING: dict[str, Callable[[Any], Any]] = {
    "what is to be rung": lambda c: rings.to_ring(c, "default", 10**15, 500, again=False),
    "what is to be rung again": lambda c: rings.to_ring(c, "default", 10**15, 500, again=True),
    "whether anything is": lambda c: rings.is_any_to_ring(c, "default", 10**15, again=False),
    "whether anything is lost": lambda c: rings.is_any_to_ring(c, "default", 10**15, again=True),
    "what was rung for": lambda c: rings.count_rung(c, "default", 1000),
    "who has lost a ring": lambda c: rings.rung_for(c, "default", 3, ["a", "b"], 10**15),
}
"""What a dispatcher asks at every turn, or a worker of every delivery."""


@pytest.mark.parametrize("name", RINGING)
def test_rings_are_found_by_their_index_in_its_order(deck: Deck, name: str) -> None:
    with deck.database.write() as connection:
        steps = plans(deck, lambda: RINGING[name](connection))
    assert [step for step in steps if "jobdeck_run_to_ring" in step and step.startswith("SEARCH")]
    assert scans(steps) == []
    assert not [step for step in steps if "TEMP B-TREE" in step], "sorted anew at every turn"


SELDOM: dict[str, Callable[[Any], Any]] = {
    "when something is due": lambda c: rings.next_due(c, ["default", "slow"], 10**15),
    "runs that came to an engine": lambda c: rings.adopt(c, "default", 500),
    "limits": lambda c: rings.under_way(c, ["a"], 10**15),
    "limits that are full": lambda c: rings.park(c, "a", 10**15),
    "noting rings": lambda c: rings.rung(c, ["a", "b"], 1, 60_000_000),
    "being patient": lambda c: rings.be_patient(c, ["a", "b"], 1, 60_000_000),
    "taking rings back": lambda c: rings.not_rung(c, [("a", 1)]),
    "ringing soon": lambda c: rings.ring_soon(c, ["a", "b"], 1, 60_000_000),
    "ringing now": lambda c: rings.ring_now(c, ["a", "b"]),
    "counting deliveries": lambda c: rings.count_fenced(c, "a", 1),
}


@pytest.mark.parametrize("name", SELDOM)
def test_whatever_else_is_about_rings_reads_no_history(deck: Deck, name: str) -> None:
    with deck.database.write() as connection:
        assert scans(plans(deck, lambda: SELDOM[name](connection))) == []


def test_runs_in_the_database_have_no_entry_among_those_to_be_rung_for(deck: Deck) -> None:
    deck.runs.start("greet")
    with deck.database.read() as connection:
        assert (
            connection.exec_driver_sql(
                "SELECT count(*) FROM jobdeck_run INDEXED BY jobdeck_run_to_ring"
                " WHERE status = 'QUEUED' AND parked = 0 AND ring_at IS NOT NULL"
            ).scalar_one()
            == 0
        )


def test_a_claim_wins_no_more_than_was_asked_for(database_url: str, tmp_path: Path) -> None:
    deck = Deck(job_types=[greet], home=tmp_path / "home", database_url=database_url)
    deck.upgrade_database()
    deck.runs.start_many("greet", [{}] * 50)
    worker = Holder(id=str(uuid.uuid4()), host="host", boot_id="boot")
    claims = Claims(deck.database, worker, ("default",), ("greet",))
    now = deck.office.clock.now_us()
    assert [len(claims.exchange(Report(), wanted, now).won) for wanted in (1, 3, 7, 0)] == [1, 3, 7, 0]
    assert deck.runs.waiting() == 39
    deck.close()


def test_taking_log_numbers_from_a_run_that_is_not_held_changes_nothing(deck: Deck) -> None:
    run = deck.runs.start("greet")
    with deck.database.write() as connection:
        assert logs.move_heads(connection, [(5, run.id, "nobody", 1, 0)]) == 0
    assert deck.runs.logs(run.id).total == 0
