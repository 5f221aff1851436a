"""What a child says to its supervisor: one JSON array a line, written through at once.

Nothing is buffered here, so that what was said survives a SIGKILL; the supervisor gathers lines into batches. The
first item names the kind, the second is the run's number in its child, so that a straggling thread of an
earlier run cannot speak for a later one.
"""

from __future__ import annotations

import json
import os
import threading
from typing import Any, Protocol

LOG, PROGRESS, FILE, SPAWN, ENTRIES, ARGUMENTS, ENDED, RETURNED = "l", "p", "f", "s", "n", "a", "e", "r"


class Says(Protocol):
    """Takes what a run has to say."""

    def say(self, *message: Any) -> None:
        """Take one message: its kind, the run's number, and the rest."""
        ...


class Recorder:
    """Writes messages about the run at hand; safe to use from any thread of the child."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._torn = False
        self._encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

    def say(self, *message: Any) -> None:
        """Send one message. What a stop interrupts half-way is ended as a line of its own, which nobody can read."""
        line = (self._encode(message) + "\n").encode("utf-8", "backslashreplace")
        with self._lock:
            rest = memoryview(b"\n" + line if self._torn else line)
            self._torn = True
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            self._torn = False
