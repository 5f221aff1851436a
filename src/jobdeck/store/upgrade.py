"""Bringing the tables up to date, by Alembic, from the scripts in `migrations/`."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

from .database import Database, make_folder
from .schema import HEAD


def upgrade(database: Database) -> bool:
    """Migrate to this program's version in one transaction a step; True when the tables were newly made."""
    if database.path is not None:
        make_folder(database.path.parent)
    found = database.schema_version()
    if found == HEAD:
        return False
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return found is None
