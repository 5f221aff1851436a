"""The version that this program's tables have. Kept apart so that checking it needs no migration library."""

from __future__ import annotations

HEAD = "0004"
VERSION_TABLE = "jobdeck_alembic_version"
