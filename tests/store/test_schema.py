"""The tables: migrations make what the program believes there is, on both databases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from jobdeck import Deck
from jobdeck.errors import SchemaOutdated, StoreError
from jobdeck.store.schema import VERSION_TABLE
from jobdeck.store.tables import metadata


@pytest.fixture
def deck(empty_database_url: str, tmp_path: Path) -> Iterator[Deck]:
    made = Deck(home=tmp_path / "home", database_url=empty_database_url)
    yield made
    made.close()


def test_migrations_make_the_tables_of_the_metadata(deck: Deck) -> None:
    with pytest.raises(SchemaOutdated, match="jobdeck db upgrade"):
        deck.check_schema()
    assert deck.upgrade_database()
    assert not deck.upgrade_database()
    deck.check_schema()

    def ours(thing: Any, name: str | None, kind: str, *rest: Any) -> bool:
        return kind != "table" or (name or "").startswith("jobdeck_")

    with deck.database.engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "include_object": ours}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_every_table_has_a_tenant_and_our_prefix() -> None:
    assert len(metadata.tables) >= 10
    for name, table in metadata.tables.items():
        assert name.startswith("jobdeck_")
        assert "tenant" in table.c, name


def test_two_processes_that_upgrade_at_once_make_one_set_of_tables(empty_database_url: str, tmp_path: Path) -> None:
    program = (
        "import sys; from jobdeck import Deck; Deck(home=sys.argv[1], database_url=sys.argv[2]).upgrade_database()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "home"), empty_database_url]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    deck = Deck(home=tmp_path / "home", database_url=empty_database_url)
    deck.check_schema()
    deck.close()


def test_tables_of_another_version_are_refused(deck: Deck) -> None:
    deck.upgrade_database()
    with deck.database.write() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(SchemaOutdated, match="9999"):
        deck.check_schema()


def test_a_file_that_is_no_database_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "jobdeck.db").write_bytes(b"this is no database, whatever its name says" * 100)
    deck = Deck(home=tmp_path)
    with pytest.raises(StoreError, match="cannot serve"):
        deck.upgrade_database()
    deck.close()
