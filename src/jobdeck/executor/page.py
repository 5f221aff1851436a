"""A few words of memory that a supervisor and one child share, readable even while the child's code holds the GIL, and by
a rescuer when both are dead: it is a file of the worker's.

Runs sent to a child are numbered from 1. Each side writes its own words and reads the other's:

- the child announces a run in `begun` *before* it looks at `limit`, and leaves the run alone when its number is above;
- the supervisor lowers `limit` *before* it looks at `begun`, and takes back only runs with a higher number.

So no run is both begun and taken back. When each sees the other's word, the child does not begin and says so. Which run has
which number the supervisor notes before it sends it.
"""

from __future__ import annotations

import mmap
import os
import threading
import uuid
from pathlib import Path

UNLIMITED = 2**63
_BEGUN, _LIMIT, _STOP, _SINCE, _HOOKED, _CAUSE, _PID, _PID_STARTED = range(8)
_HEAD_WORDS = 8
_NOTE_WORDS = 4
# More than a supervisor has outstanding at one child: sent, or ended and not yet written.
_NOTES = 1024
SIZE = 8 * (_HEAD_WORDS + _NOTE_WORDS * _NOTES)


class Page:
    """The words of one child, mapped from the descriptor of its file."""

    is_cooperative = False

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, SIZE)
        # Whole words: struct would write byte by byte, and the other side could read a torn number.
        self._words = memoryview(self._map).cast("Q")
        self._fence = threading.Lock()

    @classmethod
    def create(cls, path: Path) -> tuple[Page, int]:
        """A new page, and the descriptor to hand to the child."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        # On the disk now: a write to a hole in a file is a deadly signal when the disk is full.
        os.posix_fallocate(fd, 0, SIZE)
        page = cls(fd)
        page._words[_LIMIT] = UNLIMITED
        return page, fd

    @classmethod
    def of_file(cls, path: Path) -> Page:
        """The page of somebody else's child; OSError or ValueError when there is none."""
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            return cls(fd)
        finally:
            os.close(fd)

    @property
    def begun(self) -> int:
        """The number of the last run that the child announced."""
        return self._words[_BEGUN]

    @property
    def since_us(self) -> int:
        """When it did, in microseconds of the host's monotonic clock."""
        return self._words[_SINCE]

    @property
    def is_hooked(self) -> bool:
        """Supervisor: whether the run at hand wants to be told by signal when it is asked to end."""
        return self._words[_HOOKED] != 0

    @property
    def cause(self) -> int:
        """Child: why the run at hand is asked to end, as the supervisor numbers its causes."""
        return self._words[_CAUSE]

    def begin(self, number: int, now_us: int) -> bool:
        """Child: announce run `number`; False when it was taken back and must not begin."""
        words = self._words
        words[_HOOKED] = 0
        words[_SINCE] = now_us
        words[_BEGUN] = number
        with self._fence:  # a full memory barrier between the store and the load
            return number <= words[_LIMIT]

    def hook(self) -> None:
        """Child: be told by signal when the run at hand is asked to end."""
        self._words[_HOOKED] = 1

    def note(self, number: int, run_id: str, fence: int) -> None:
        """Supervisor: run `number` is this one."""
        words, at = self._words, _HEAD_WORDS + _NOTE_WORDS * (number % _NOTES)
        bits = int(run_id.replace("-", ""), 16)
        words[at] = 0
        words[at + 1], words[at + 2], words[at + 3] = bits >> 64, bits & 0xFFFF_FFFF_FFFF_FFFF, fence
        words[at] = number

    def forget(self, number: int) -> None:
        """Supervisor: run `number` was taken back."""
        self._words[_HEAD_WORDS + _NOTE_WORDS * (number % _NOTES)] = 0

    def introduce(self, pid: int, started: int) -> None:
        """Child: who it is, by process id and start (clock ticks since boot)."""
        self._words[_PID_STARTED] = started
        self._words[_PID] = pid

    @property
    def process(self) -> tuple[int, int]:
        """Rescuer: the child's process id and start; 0 before it has said."""
        return self._words[_PID], self._words[_PID_STARTED]

    def notes(self) -> dict[tuple[str, int], int]:
        """Rescuer: the number of each (run, fence) that was noted."""
        words = self._words
        found = {}
        for at in range(_HEAD_WORDS, len(words), _NOTE_WORDS):
            number, high, low, fence = words[at : at + _NOTE_WORDS]
            if number:
                found[str(uuid.UUID(int=high << 64 | low)), fence] = number
        return found

    def recall(self, limit: int) -> int:
        """Supervisor: forbid runs above `limit`; the number of the last run that had begun."""
        self._words[_LIMIT] = limit
        with self._fence:
            return self._words[_BEGUN]

    def allow(self) -> None:
        """Supervisor: allow all runs again, once the child has answered for those taken back."""
        self._words[_LIMIT] = UNLIMITED

    def ask_to_stop(self, number: int, cause: int) -> None:
        """Supervisor: ask the child to end run `number`."""
        self._words[_CAUSE] = cause
        self._words[_STOP] = number

    def is_asked_to_stop(self, number: int) -> bool:
        """Child: whether run `number` was asked to stop."""
        return self._words[_STOP] == number

    def tell_cause(self, cause: int) -> None:
        """Supervisor: why the run at hand should end soon, without asking it to."""
        self._words[_CAUSE] = cause

    def close(self) -> None:
        """Unmap."""
        self._words.release()
        self._map.close()
