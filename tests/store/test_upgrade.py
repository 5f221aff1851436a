"""Upgrading tables in use: what was queued, running and finished before goes on afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, text

from jobdeck import Deck, job_type
from jobdeck.services.claims import Claims, Report
from jobdeck.services.holder import Holder
from jobdeck.store import upgrade as upgrade_module
from jobdeck.store.database import Database

IDS = {status: f"01890000-0000-7000-8000-00000000000{n}" for n, status in enumerate(("QUEUED", "RUNNING", "SUCCESS"))}


@job_type
def greet() -> str:
    """Say hello."""
    return "hello"


@pytest.fixture
def deck(empty_database_url: str, tmp_path: Path) -> Iterator[Deck]:
    (tmp_path / "home").mkdir()
    made = Deck(job_types=[greet], home=tmp_path / "home", database_url=empty_database_url)
    yield made
    made.close()


def at_version(database: Database, version: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(upgrade_module.__file__).with_name("migrations")))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)


def test_runs_of_the_first_version_go_on_in_the_second(deck: Deck) -> None:
    at_version(deck.database, "0001")
    with deck.database.write() as connection:
        for number, (status, run_id) in enumerate(IDS.items()):
            connection.execute(
                text("""INSERT INTO jobdeck_run (id, tenant, type, arguments, queue, trigger, status, available_at,
                     created_at, owner, fence, attempt, ended_at)
                     VALUES (:id, 'default', 'greet', '{}', 'default', 'api', :status, :at, :at, :owner, :attempt,
                     :attempt, :ended)"""),
                {"id": run_id, "status": status, "at": 1000 + number, "attempt": int(status != "QUEUED"),
                 "owner": None if status == "QUEUED" else "w", "ended": 5000 if status == "SUCCESS" else None},
            )  # fmt: skip
        connection.execute(
            text("""INSERT INTO jobdeck_job (id, tenant, title, type, queue, active, created_at, updated_at)
                 VALUES ('j', 'default', 'Greet', 'greet', 'default', true, 1, 1)""")
        )
    assert not deck.upgrade_database()
    deck.check_schema()
    assert {status: deck.runs.get(run_id).status for status, run_id in IDS.items()} == {one: one for one in IDS}
    assert [job.title for job in deck.jobs.list().items] == ["Greet"]
    job = deck.jobs.list().items[0]
    assert job.schedules == ()
    newer = deck.runs.start("greet")
    claims = Claims(deck.database, Holder(id="new", host="h", boot_id="b"), ("default",), ("greet",))
    won = claims.exchange(Report(), 5, deck.office.clock.now_us()).won
    assert [claim.id for claim in won] == [IDS["QUEUED"], newer.id]
    old = Claims(deck.database, Holder(id="w", host="h", boot_id="b"), ("default",), ("greet",))
    assert [claim.id for claim in old.held()] == [IDS["RUNNING"]]


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
def test_a_migration_may_think_for_longer_than_other_transactions(
    empty_database_url: str, tmp_path: Path, until: Callable[..., Any]
) -> None:
    deck = Deck(job_types=[greet], home=tmp_path, database_url=empty_database_url, lease="1")
    other = Database(deck.settings)
    thinks = iter([True])

    def think(connection: Connection, cursor: Any, statement: str, *_: object) -> None:
        if not statement.lstrip().startswith("CREATE TABLE") or not next(thinks, False):
            return
        with psycopg.connect(empty_database_url, autocommit=True) as onlooker, other.engine.connect() as beside:
            # It stands still for a shorter time than the migration does.
            pid = beside.execute(text("SELECT pg_backend_pid()")).scalar_one()
            until(lambda: not onlooker.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone())
            beside.invalidate()

    with closing(deck), closing(other):
        event.listen(deck.database.engine, "before_cursor_execute", think)
        assert deck.upgrade_database()
        assert next(thinks, None) is None
        deck.check_schema()
