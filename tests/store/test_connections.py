"""Connections to PostgreSQL: what stands still in one, what it must not write, and a host that is out of reach."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine

from jobdeck import Deck, job_type
from jobdeck.errors import StoreError
from jobdeck.store.database import Database
from jobdeck.store.statements import AnyConnection, fetch

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
Until = Callable[..., Any]


@job_type
def greet() -> str:
    """Say hello."""
    return "hello"


@pytest.fixture
def deck(database_url: str, tmp_path: Path) -> Iterator[Deck]:
    made = Deck(job_types=[greet], home=tmp_path, database_url=database_url, lease="1")
    yield made
    made.close()


@pytest.fixture
def admin(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def stand_still(admin: psycopg.Connection[Any], pid: int, until: Until) -> None:
    """Do nothing until the server has ended that session."""
    until(lambda: not admin.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone())


@pytest.mark.parametrize("patience_s", [None, 5.0])
def test_a_transaction_that_stands_still_lets_go_of_its_locks(
    deck: Deck, admin: psycopg.Connection[Any], until: Until, patience_s: float | None
) -> None:
    run = deck.runs.start("greet")
    database = Database(deck.settings, patience_s)
    lock = f"SELECT pg_backend_pid() FROM jobdeck_run WHERE id = '{run.id}' FOR UPDATE"

    def hold(connection: AnyConnection, *, goes_on: bool) -> None:
        stand_still(admin, fetch(connection, lock)[0][0], until)
        admin.execute(f"{lock} NOWAIT".encode())
        if goes_on:
            fetch(connection, lock)

    for goes_on in (True, False):
        with pytest.raises(StoreError, match="idle-in-transaction"), database.write() as connection:
            hold(connection, goes_on=goes_on)
        with pytest.raises(StoreError, match="idle-in-transaction"), database.write_quickly() as lane:
            hold(lane, goes_on=goes_on)
    with database.write() as connection:
        assert connection.exec_driver_sql(lock).scalar_one()
    database.close()


def test_a_connection_that_a_caller_lends_is_bounded_by_the_caller(deck: Deck, database_url: str) -> None:
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        with pytest.raises(StoreError, match="read-only"):
            deck.runs.start("greet", connection=connection)
        connection.rollback()
        assert deck.runs.start("greet", connection=connection).status == "QUEUED"
        assert connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar_one() == "0"
    engine.dispose()


def test_a_server_that_takes_no_writes_is_an_outage_and_its_connections_are_left(
    deck: Deck, admin: psycopg.Connection[Any]
) -> None:
    name = admin.info.dbname
    admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
    with pytest.raises(StoreError, match="read-only"):
        deck.runs.start("greet")
    with pytest.raises(StoreError, match="read-only"), deck.database.write_quickly() as lane:
        lane.execute("DELETE FROM jobdeck_run")
    with pytest.raises(StoreError, match="read-only"), deck.database.write_quickly(in_one_go=True) as lane:
        lane.execute("DELETE FROM jobdeck_run")
    admin.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only'.encode())
    # Each of those sessions would still refuse.
    with deck.database.write_quickly() as lane:
        lane.execute("UPDATE jobdeck_run SET id = id")
    assert deck.runs.start("greet").status == "QUEUED"


@pytest.mark.parametrize(("patience_s", "gone_s"), [(None, 20.0), (10.0, 5.0), (1.0, 0.5)])
def test_a_host_out_of_reach_is_noticed(deck: Deck, patience_s: float | None, gone_s: float) -> None:
    database = Database(deck.settings, patience_s)
    driver = database.driver_connection()
    with socket.socket(fileno=os.dup(driver.fileno())) as wire:

        def told(option: int) -> int:
            return wire.getsockopt(socket.IPPROTO_TCP, option)

        assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        probed_s = told(socket.TCP_KEEPIDLE) + told(socket.TCP_KEEPINTVL) * told(socket.TCP_KEEPCNT)
        assert probed_s == max(3, gone_s)
        assert told(socket.TCP_USER_TIMEOUT) == gone_s * 1000
    driver.close()
    database.close()
