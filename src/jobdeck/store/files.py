"""Descriptions of the files that runs made; the bytes lie in the files folder."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from ..core.file import RunFile
from . import rows
from .statements import AnyConnection, Rows, execute_many
from .tables import files

_ADD = """
INSERT INTO jobdeck_file (run_id, direction, name, tenant, media_type, size, sha256, path, created_at)
SELECT ?, 'output', ?, ?, ?, ?, ?, ?, ? FROM jobdeck_run
WHERE id = ? AND status = 'RUNNING' AND owner = ? AND fence = ?
ON CONFLICT (run_id, direction, name) DO UPDATE SET media_type = excluded.media_type, size = excluded.size,
    sha256 = excluded.sha256, path = excluded.path, created_at = excluded.created_at
"""


def add(connection: AnyConnection, made: Rows) -> None:
    """Keep finished files: rows of (run_id, name, tenant, media_type, size, sha256, path, created_at, run_id,
    owner, fence). The same name again replaces the earlier file.
    """
    execute_many(connection, _ADD, made)


def of_runs(connection: Connection, run_ids: Sequence[str]) -> dict[str, list[RunFile]]:
    """The files of each run, by name."""
    found: dict[str, list[RunFile]] = {}
    if run_ids:
        query = select(files).where(files.c.run_id.in_(run_ids)).order_by(files.c.run_id, files.c.name)
        for row in connection.execute(query):
            found.setdefault(row.run_id, []).append(rows.file(row))
    return found
