"""Any order of events, through the real services on both databases, behind a second wall of triggers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from sqlalchemy import Connection, TextClause, exc, text

from jobdeck import Deck, job_type
from jobdeck.core.lifecycle import TRANSITIONS
from jobdeck.core.outcome import Outcome, OutcomeKind
from jobdeck.core.run import Status
from jobdeck.services.claims import Report

from . import walls
from .conftest import TurnedClock, greet
from .engine_model import NAME, LivesOnEngine
from .model import live, walled
from .stand_in import Worker, together


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_any_order_of_events_on_sqlite(deck: Deck, clock: TurnedClock) -> None:
    live(walled(deck), clock, max_examples=40, stateful_step_count=40)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_any_order_of_events_on_postgresql(deck: Deck, clock: TurnedClock) -> None:
    live(walled(deck), clock, max_examples=8, stateful_step_count=20)


@pytest.mark.parametrize(("database_url", "examples"), [("sqlite", 30), ("postgresql", 6)], indirect=["database_url"])
def test_any_order_of_events_with_an_engine_in_between(
    database_url: str, tmp_path: Path, clock: TurnedClock, examples: int
) -> None:
    deck = Deck(job_types=[greet], home=tmp_path / "home", database_url=database_url, clock=clock, queues="default,slow",
                engines=NAME)  # fmt: skip
    deck.upgrade_database()
    live(walled(deck), clock, LivesOnEngine, max_examples=examples, stateful_step_count=30)
    deck.close()


def complaint(connection: Connection, statement: TextClause, **told: str) -> str | None:
    """What the database says against a statement."""
    try:
        connection.execute(statement, told)
    except exc.DBAPIError as error:
        return str(error)
    return None


def test_the_walls_let_pass_what_the_table_names_and_nothing_else(deck: Deck) -> None:
    walled(deck)
    run = deck.runs.start("greet")
    changed = text("UPDATE jobdeck_run SET status = :new, fence = fence + 1 WHERE id = :id")
    inserted = text("""INSERT INTO jobdeck_run (id, tenant, arguments, queue, trigger, status, available_at, created_at)
        VALUES ('x', 'default', '{}', 'default', 'api', :status, 0, 0)""")
    for old in Status:
        for new in Status:
            with deck.database.engine.connect() as connection:
                for wall in ("unknown transition", "final is final"):
                    walls.take_down(connection, wall)
                connection.execute(changed, {"new": old.value, "id": run.id})
                walls.build(connection, only=("unknown transition",))
                told = complaint(connection, changed, new=new.value, id=run.id)
                connection.rollback()
            if old is new or (old, new) in TRANSITIONS:
                assert told is None, (old, new)
            else:
                assert "wall: unknown transition" in str(told), (old, new)
        with deck.database.engine.connect() as connection:
            told = complaint(connection, inserted, status=old.value)
            connection.rollback()
        assert told is None if old is Status.QUEUED else "wall: begins queued" in str(told)


def test_the_walls_keep_what_is_final_and_fences(deck: Deck) -> None:
    walled(deck)
    worker = Worker(deck)
    run = deck.runs.start("greet")
    worker.end(worker.claim()[0], result="1")
    for change, wall in (
        ("result = '2'", "final is final"),
        ("result = NULL", "final is final"),
        ("reason = 'error'", "final is final"),
        ("ended_at = ended_at + 1", "final is final"),
        ("fence = fence - 1", "fences only rise"),
    ):
        with pytest.raises(exc.DBAPIError, match=f"wall: {wall}"), deck.database.engine.connect() as connection:
            connection.execute(text(f"UPDATE jobdeck_run SET {change} WHERE id = :id"), {"id": run.id})
    assert deck.runs.get(run.id).result == 1


def test_workers_that_end_runs_of_many_types_at_once_never_block_one_another(deck: Deck) -> None:
    names = [f"kind{number}" for number in range(4)]
    for name in names:

        @job_type(id=name)
        def work() -> None: ...

        deck.register(work)
    chance = random.Random(1)
    for _ in range(240):
        deck.runs.start(chance.choice(names))

    def loop() -> None:
        worker = Worker(deck)
        while claims := worker.claim(8):
            now = worker.now()
            ended = [(one, Outcome(kind=OutcomeKind.SUCCESS, started_us=now, ended_us=now, pid=1)) for one in claims]
            worker.claims.exchange(Report(ended=ended), 0, now)

    together(*[loop] * 4)
    assert {run.status for run in deck.runs.list().items} == {Status.SUCCESS}
