"""Waking workers instead of letting them poll: on SQLite a named pipe for each worker, beside the database file.

Whoever enqueued or asked for a stop rings after commit. A lost ring delays a run by one slow poll and loses nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

from .database import Database, make_folder

_TICK_NS = 100_000_000


def _folder(database: Database) -> Path | None:
    return None if database.path is None else database.path.with_name(f"{database.path.name}-wake")


class Doorbell:
    """A worker's ear: readable when somebody rang. Made by the worker, removed by `close`."""

    def __init__(self, database: Database, worker_id: str) -> None:
        folder = _folder(database)
        self._path = folder and folder / worker_id
        self._fd: int | None = None
        if folder is not None and self._path is not None:
            make_folder(folder)
            new = self._path.with_name(f".{worker_id}")
            os.mkfifo(new, 0o600)
            # Opened for writing too, so that it never reads as closed while nobody rings.
            self._fd = os.open(new, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            # Under its name only now, so that whoever finds it finds somebody listening.
            new.rename(self._path)

    def fileno(self) -> int | None:
        """To wait on, or None where this database has no doorbell."""
        return self._fd

    def drain(self) -> None:
        """Forget all rings so far."""
        if self._fd is not None:
            with contextlib.suppress(BlockingIOError):
                while os.read(self._fd, 65536):
                    pass

    def remove(self, database: Database, worker_id: str) -> None:
        """Take down the doorbell of another worker, which is dead."""
        if (folder := _folder(database)) is not None:
            (folder / worker_id).unlink(missing_ok=True)

    def close(self) -> None:
        """Take the doorbell down."""
        if self._fd is not None and self._path is not None:
            os.close(self._fd)
            self._fd = None
            self._path.unlink(missing_ok=True)


class Bell:
    """Rings all workers of a database; never blocks, never raises, costs microseconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen_ns = -1
        self._workers: dict[Path, int] = {}
        self._lock = threading.Lock()

    def ring(self) -> None:
        """Wake every worker that listens."""
        folder = _folder(self._database)
        if folder is None:
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
