"""Bringing the tables up to date, by Alembic, from the scripts in `migrations/`."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, select

from .database import Database, make_folder
from .schema import HEAD, VERSION_TABLE

_LOCK = 0x6A6F62


def upgrade(database: Database) -> bool:
    """Migrate to this program's version in one transaction a step; True when the tables were newly made."""
    if database.path is not None:
        make_folder(database.path.parent)
    if database.schema_version() == HEAD:
        return False
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    with database.write() as connection:
        if not database.is_sqlite:
            # A migration may think for as long as it wants between its statements.
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            # Whoever comes second waits here, and then finds the tables made.
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        found = context.get_current_revision()
        if found == HEAD:
            return False
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return found is None
