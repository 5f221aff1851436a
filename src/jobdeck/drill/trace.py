"""The file in which every body of the drill leaves a line when it starts, while it lives and when its work is done.

A line is one write to the end of the file, so that it is there or not, whatever is killed. It is what the checker knows
without the database.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

START, ALIVE, EFFECT = "start", "alive", "effect"
NAME = "trace"


class Mark(NamedTuple):
    """One line: what happened to which attempt, in which process, at which monotonic nanosecond.

    `token` is the start's own; an effect tells how many lines it has logged and how many sub-runs it has spawned.
    """

    kind: str
    run_id: str
    attempt: int
    token: str
    pid: int
    at_ns: int
    lines: int = 0
    spawned: int = 0


class Scribe:
    """Leaves the marks of one body."""

    def __init__(self, path: Path, run_id: str, attempt: int) -> None:
        self._path = path
        self._run_id = run_id
        self._attempt = attempt
        self._token = os.urandom(4).hex()

    def leave(self, kind: str, lines: int = 0, spawned: int = 0) -> None:
        """Append one line."""
        pid, now = os.getpid(), time.monotonic_ns()
        text = f"{kind} {self._run_id} {self._attempt} {self._token} {pid} {now} {lines} {spawned}\n"
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)


class Reader:
    """Reads the marks, as often as wanted, and knows which process is at which body."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.marks: list[Mark] = []
        self._at_work: dict[int, tuple[str, int]] = {}

    def read(self) -> Sequence[Mark]:
        """All marks so far."""
        if self._path.exists():
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                whole, newline, _ = file.read().rpartition(b"\n")
            self._offset += len(whole) + len(newline)
            for line in whole.decode().splitlines():
                self._take(line.split())
        return self.marks

    def at_work(self, pid: int) -> tuple[str, int] | None:
        """(run, attempt) whose body has begun in a process and has not come to its effect."""
        self.read()
        return self._at_work.get(pid)

    def _take(self, words: list[str]) -> None:
        kind, run_id, attempt, token, pid, at, lines, spawned = words
        mark = Mark(kind, run_id, int(attempt), token, int(pid), int(at), int(lines), int(spawned))
        self.marks.append(mark)
        if kind == START:
            self._at_work[mark.pid] = (run_id, mark.attempt)
        elif kind == EFFECT:
            self._at_work.pop(mark.pid, None)
