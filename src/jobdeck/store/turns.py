"""Whose turn it is to write to a SQLite file, among processes.

SQLite takes one writer at a time, and lets the others look again after sleeps of up to a tenth of a second. Here they look
every tenth of a millisecond, so that many short transactions of several processes follow one another without gaps. Only a
courtesy: whoever does not take turns is still kept apart by SQLite itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_WAIT_LIMIT_S = 5.0
_OFTEN_S, _SELDOM_S, _OFTEN_FOR_S = 0.0001, 0.001, 0.02


class Turns:
    """Turns at one file; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._pid = 0

    @contextlib.contextmanager
    def take(self) -> Iterator[None]:
        """Wait for a turn, for a while at most, and have it for the block."""
        fd = self._file()
        taken = fd >= 0 and _wait(fd)
        try:
            yield
        finally:
            if taken:
                fcntl.flock(fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _file(self) -> int:
        """The descriptor of this process: one that a fork inherited would share its parent's turn."""
        if self._pid != os.getpid():
            self.close()
            self._pid = os.getpid()
        if self._fd < 0:
            # Without the file, SQLite's own waiting is good enough.
            with contextlib.suppress(OSError):
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._fd


def _wait(fd: int) -> bool:
    began: float | None = None
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            now = time.monotonic()
            began = now if began is None else began
            if now - began > _WAIT_LIMIT_S:
                return False
            time.sleep(_OFTEN_S if now - began < _OFTEN_FOR_S else _SELDOM_S)
