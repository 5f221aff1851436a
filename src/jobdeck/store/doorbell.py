"""Waking workers and dispatchers instead of letting them poll: on SQLite a named pipe for each, beside the database file; on
PostgreSQL its own LISTEN and NOTIFY.

Whoever enqueued or asked for a stop rings after commit. A lost ring delays a run by one slow poll and loses nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, exc

from ..errors import StoreError
from .database import Database, make_folder
from .statements import AnyConnection, execute, is_sqlite

_TICK_NS = 100_000_000
_CHANNEL = "jobdeck_wake"
_NOTIFY = f"SELECT pg_notify('{_CHANNEL}', '')"
_WAITS = "idle AND ended_at IS NULL"
_NOTIFY_IDLE = f"""{_NOTIFY} WHERE EXISTS (SELECT 1 FROM jobdeck_worker WHERE {_WAITS})
    OR EXISTS (SELECT 1 FROM jobdeck_dispatcher WHERE {_WAITS})"""
# SQLite tells of a commit before it is done; a ring that comes too early is followed by another.
_AFTER_COMMIT_S = (0.005, 0.1)


def _folder(database: Database) -> Path | None:
    return None if database.path is None else database.path.with_name(f"{database.path.name}-wake")


class Pipe:
    """A worker's ear on SQLite: readable when somebody rang. Made by the worker, removed by `close`."""

    def __init__(self, folder: Path, worker_id: str) -> None:
        self._path = folder / worker_id
        make_folder(folder)
        new = folder / f".{worker_id}"
        os.mkfifo(new, 0o600)
        # Opened for writing too, so that it never reads as closed while nobody rings.
        self._fd = os.open(new, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        # Under its name only now, so that whoever finds it finds somebody listening.
        new.rename(self._path)

    def fileno(self) -> int | None:
        """To wait on."""
        return self._fd

    def drain(self) -> None:
        """Forget all rings so far."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._fd, 65536):
                pass

    def mend(self) -> bool:
        """Nothing here can break."""
        return False

    def close(self) -> None:
        """Take the doorbell down."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._path.unlink(missing_ok=True)


class Listener:
    """A worker's ear on PostgreSQL: a connection of its own that listens. `mend` brings back one that broke."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Any = None
        self.mend()

    def fileno(self) -> int | None:
        """To wait on; None while there is no connection."""
        return None if self._connection is None else self._connection.fileno()

    def drain(self) -> None:
        """Forget all rings so far; a connection that has ended is let go."""
        try:
            self._connection.pgconn.consume_input()
            while self._connection.pgconn.notifies():
                pass
        except Exception:  # whatever the driver says of a connection that has ended
            self._drop()

    def mend(self) -> bool:
        """Listen again when nothing does; whether that was so and has worked."""
        if self._connection is not None:
            return False
        try:
            self._connection = self._database.driver_connection()
            self._connection.execute(f"LISTEN {_CHANNEL}")
        except Exception:  # whatever the driver says of a server that cannot serve: it is tried again
            self._drop()
        return self._connection is not None

    def close(self) -> None:
        """Stop listening."""
        if self._connection is not None:
            self._drop()

    def _drop(self) -> None:
        with contextlib.suppress(Exception):
            self._connection.close()
        self._connection = None


Doorbell = Pipe | Listener


def doorbell(database: Database, worker_id: str) -> Doorbell:
    """The ear of a worker."""
    folder = _folder(database)
    return Listener(database) if folder is None else Pipe(folder, worker_id)


def remove(database: Database, worker_id: str) -> None:
    """Take down the doorbell of another worker, which is dead."""
    if (folder := _folder(database)) is not None:
        (folder / worker_id).unlink(missing_ok=True)


class Bell:
    """Rings the workers of a database; never raises."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen_ns = -1
        self._workers: dict[Path, int] = {}
        self._lock = threading.Lock()

    def ring(self, *, everybody: bool = False) -> None:
        """After a commit, wake the workers that wait for work, or all (for a stop)."""
        folder = _folder(self._database)
        if folder is None:
            with contextlib.suppress(StoreError):
                self._database.say(_NOTIFY if everybody else _NOTIFY_IDLE)
            return
        with self._lock:
            self._look(folder)
            for path, fd in list(self._workers.items()):
                try:
                    os.write(fd, b"\0")
                except BlockingIOError:
                    continue
                except OSError:
                    self._drop(path)

    def ring_within(self, connection: AnyConnection) -> bool:
        """On PostgreSQL, wake the workers that wait for work as soon as this transaction commits; False elsewhere."""
        if is_sqlite(connection):
            return False
        execute(connection, _NOTIFY_IDLE)
        return True

    def ring_after(self, connection: Connection) -> None:
        """Ring when the transaction of this connection commits."""
        if not self._database.is_sqlite:
            # PostgreSQL itself keeps it until the commit.
            with contextlib.suppress(exc.SQLAlchemyError):
                connection.exec_driver_sql(_NOTIFY)
            return

        def soon(_: Connection) -> None:
            for delay in _AFTER_COMMIT_S:
                timer = threading.Timer(delay, self.ring)
                timer.daemon = True
                timer.start()

        event.listen(connection, "commit", soon, once=True)

    def _look(self, folder: Path) -> None:
        try:
            changed_ns = os.stat(folder).st_mtime_ns
        except FileNotFoundError:
            return
        if changed_ns == self._seen_ns:
            return
        # What changes within the same tick of the file system's clock is seen only by looking again.
        self._seen_ns = changed_ns if time.time_ns() - changed_ns > _TICK_NS else -1
        for path in folder.iterdir():
            if path not in self._workers and not path.name.startswith("."):
                # ENXIO: a pipe that a killed worker left behind.
                with contextlib.suppress(OSError):
                    self._workers[path] = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def _drop(self, path: Path) -> None:
        os.close(self._workers.pop(path))
        self._seen_ns = -1
