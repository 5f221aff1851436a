"""The repository's own database: records, their files, and the organisations that authors belong to."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from flask import current_app, g

SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, creators TEXT NOT NULL, year INTEGER NOT NULL, kind TEXT NOT NULL,
    description TEXT NOT NULL, access TEXT NOT NULL CHECK (access IN ('open', 'embargoed')), embargo_until TEXT,
    updated TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS record_by_update ON record (updated);
CREATE TABLE IF NOT EXISTS file (
    record_id TEXT NOT NULL REFERENCES record (id), name TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
    PRIMARY KEY (record_id, name)
);
CREATE TABLE IF NOT EXISTS organisation (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, country TEXT, status TEXT NOT NULL, last_modified TEXT NOT NULL,
    digest TEXT NOT NULL
);
"""


def data_folder() -> Path:
    """Where the repository keeps its database and files."""
    folder: Path = current_app.config["REPOSITORY_DATA"]
    return folder


def file_path(record_id: str, name: str) -> Path:
    """Where the bytes of a record's file lie."""
    return data_folder() / "files" / record_id / name


def connect() -> sqlite3.Connection:
    """The connection of this application context; tables are made on first use."""
    if "repository_database" not in g:
        data_folder().mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(data_folder() / "repository.db", timeout=30)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA)
        g.repository_database = connection
    opened: sqlite3.Connection = g.repository_database
    return opened


def close(error: BaseException | None = None) -> None:
    """End the connection with its application context."""
    connection = g.pop("repository_database", None)
    if connection is not None:
        connection.close()
