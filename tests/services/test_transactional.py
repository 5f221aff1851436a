"""Runs that are started in the caller's own transaction exist exactly when that is committed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, select, text
from sqlalchemy.orm import Session

from jobdeck import Deck
from jobdeck.core.run import Run, Status
from jobdeck.errors import Conflict, InvalidInput
from jobdeck.store import tables

from .stand_in import Worker


@pytest.fixture
def engine(deck: Deck, database_url: str) -> Iterator[Engine]:
    """The application's own, with a table of its own."""
    options = {"connect_args": {"timeout": 15}} if deck.database.is_sqlite else {}
    address = database_url.replace("postgresql://", "postgresql+psycopg://")
    made = create_engine(address, **options)
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE record (id INTEGER PRIMARY KEY)"))
    yield made
    made.dispose()


def insert(connection: Connection, number: int) -> None:
    connection.execute(text("INSERT INTO record (id) VALUES (:id)"), {"id": number})


def records(engine: Engine) -> set[int]:
    with engine.connect() as connection:
        return set(connection.execute(text("SELECT id FROM record")).scalars())


def test_a_run_exists_when_the_transaction_is_committed(deck: Deck, engine: Engine) -> None:
    worker = Worker(deck)
    with engine.connect() as connection, connection.begin():
        insert(connection, 1)
        run = deck.runs.start("greet", {"times": 1}, connection=connection)
        function = deck.enqueue("os.path:join", ["a"], connection=connection)
        assert run.status is function.status is Status.QUEUED
        assert deck.runs.list().total == 0
    assert [one.id for one in worker.claim(5)] == [run.id, function.id]
    assert records(engine) == {1}
    assert deck.audit.list().total >= 2


def test_no_run_exists_when_the_transaction_is_rolled_back(deck: Deck, engine: Engine) -> None:
    audited = deck.audit.list().total
    with engine.connect() as connection:
        insert(connection, 1)
        deck.runs.start("greet", connection=connection)
        deck.enqueue("os.path:join", ["a"], connection=connection)
        connection.rollback()
    with contextlib.suppress(ZeroDivisionError), Session(engine) as session, session.begin():
        deck.runs.start("greet", session=session)
        raise ZeroDivisionError
    assert Worker(deck).claim(5) == []
    assert deck.runs.list().total == 0
    assert deck.audit.list().total == audited
    assert records(engine) == set()


def test_a_session_is_as_good_as_a_connection(deck: Deck, engine: Engine) -> None:
    with Session(engine) as session:
        insert(session.connection(), 1)
        run = deck.runs.start("greet", session=session, unique_key="daily")
        session.commit()
        other = deck.enqueue("os.path:join", ["a"], session=session)
        session.rollback()
    assert [one.id for one in Worker(deck).claim(5)] == [run.id]
    assert other.id not in {one.id for one in deck.runs.list().items}


def test_a_savepoint_takes_back_what_was_started_in_it(deck: Deck, engine: Engine) -> None:
    with engine.begin() as connection:
        kept = deck.runs.start("greet", connection=connection)
        with contextlib.suppress(ZeroDivisionError), connection.begin_nested():
            deck.runs.start("greet", connection=connection)
            raise ZeroDivisionError
    assert [one.id for one in deck.runs.list().items] == [kept.id]


def test_keys_limits_and_dependencies_hold_there_too(deck: Deck, engine: Engine) -> None:
    with engine.begin() as connection:
        first = deck.runs.start("greet", connection=connection, unique_key="daily")
        second = deck.runs.start("harvest", connection=connection, after=[first])
        same = deck.runs.start("greet", connection=connection, unique_key="daily", unique_policy="existing")
        assert same.id == first.id
        with pytest.raises(Conflict):
            deck.runs.start("greet", connection=connection, unique_key="daily")
    worker = Worker(deck)
    (claim,) = worker.claim(5)
    assert claim.id == first.id
    worker.end(claim)
    assert [one.id for one in worker.claim(5)] == [second.id]


def test_what_is_no_connection_is_refused(deck: Deck, engine: Engine) -> None:
    for wrong in (engine, "sqlite://", object(), 3):
        with pytest.raises(InvalidInput) as refused:
            deck.runs.start("greet", connection=wrong)
        assert [error.field for error in refused.value.errors] == ["connection"]
        with pytest.raises(InvalidInput) as refused:
            deck.enqueue("os.path:join", ["a"], session=wrong)
        assert [error.field for error in refused.value.errors] == ["session"]
    assert deck.runs.list().total == 0


def test_another_database_is_refused(deck: Deck, tmp_path: Path) -> None:
    for address in (f"sqlite:///{tmp_path / 'other.db'}", "sqlite://"):
        other = create_engine(address)
        with other.connect() as connection, pytest.raises(InvalidInput, match="another database"):
            deck.runs.start("greet", connection=connection)
        with Session(other) as session, pytest.raises(InvalidInput, match="another database"):
            deck.enqueue("os.path:join", ["a"], session=session)
        other.dispose()
    assert deck.runs.list().total == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_another_database_of_the_same_server_is_refused(deck: Deck, postgresql: str) -> None:
    other = create_engine(f"{postgresql}/postgres".replace("postgresql://", "postgresql+psycopg://"))
    with other.connect() as connection, pytest.raises(InvalidInput, match="another database"):
        deck.runs.start("greet", connection=connection)
    other.dispose()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_same_file_by_another_name_is_the_same_database(deck: Deck, engine: Engine, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(deck.database.path or "")
    other = create_engine(f"sqlite:///{link}")
    with other.begin() as connection:
        run = deck.runs.start("greet", connection=connection)
    other.dispose()
    assert deck.runs.get(run.id).status is Status.QUEUED


steps = st.lists(
    st.lists(st.sampled_from(["start", "enqueue", "record", "commit", "rollback"]), min_size=1, max_size=6), max_size=5
)


def test_a_racing_worker_sees_exactly_what_is_committed(deck: Deck, engine: Engine) -> None:
    worker = Worker(deck)

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(steps)
    def check(transactions: list[list[str]]) -> None:
        with deck.database.write() as connection:
            connection.execute(tables.runs.delete())
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM record"))
        committed: set[str] = set()
        kept: set[int] = set()
        won: list[str] = []
        is_over = threading.Event()

        def claim() -> None:
            while True:
                was_over = is_over.is_set()
                claims = worker.claim(3)
                won.extend(one.id for one in claims)
                if was_over and not claims:
                    return

        thread = threading.Thread(target=claim)
        thread.start()
        try:
            for number, transaction in enumerate(transactions):
                _follow(deck, engine, transaction, number * 100, committed, kept)
        finally:
            is_over.set()
            thread.join()
        assert sorted(won) == sorted(committed)
        with deck.database.read() as connection:
            assert set(connection.execute(select(tables.runs.c.id)).scalars()) == committed
        assert records(engine) == kept

    check()


def _follow(
    deck: Deck, engine: Engine, transaction: list[str], number: int, committed: set[str], kept: set[int]
) -> None:
    """What an application does on one connection; without a commit at the end all is gone."""
    open_runs: set[str] = set()
    open_records: set[int] = set()
    with engine.connect() as connection:
        for step in transaction:
            number += 1
            if step == "record":
                insert(connection, number)
                open_records.add(number)
            elif step in ("commit", "rollback"):
                if step == "commit":
                    connection.commit()
                    committed |= open_runs
                    kept |= open_records
                else:
                    connection.rollback()
                open_runs, open_records = set(), set()
            else:
                open_runs.add(_start(deck, connection, step).id)


def _start(deck: Deck, connection: Any, step: str) -> Run:
    if step == "start":
        return deck.runs.start("greet", connection=connection)
    return deck.enqueue("os.path:join", ["a"], connection=connection)
