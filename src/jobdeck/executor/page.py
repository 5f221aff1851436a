"""A few words of memory that a supervisor and one child share, readable even while the child's code holds the GIL.

Runs sent to a child are numbered from 1. Each side writes its own words and reads the other's:

- the child announces a run in `begun` *before* it looks at `limit`, and leaves the run alone when its number is above;
- the supervisor lowers `limit` *before* it looks at `begun`, and takes back only runs with a higher number.

So no run is both begun and taken back. When each sees the other's word, the child does not begin and says so.
"""

from __future__ import annotations

import mmap
import os
import threading

SIZE = 64
UNLIMITED = 2**63
_BEGUN, _LIMIT, _STOP, _SINCE = range(4)


class Page:
    """The words of one child, mapped from the descriptor of a memory file."""

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, SIZE)
        # Whole words: struct would write byte by byte, and the other side could read a torn number.
        self._words = memoryview(self._map).cast("Q")
        self._fence = threading.Lock()

    @classmethod
    def create(cls) -> tuple[Page, int]:
        """A new page, and the descriptor to hand to the child."""
        fd = os.memfd_create("jobdeck-page", os.MFD_CLOEXEC)
        os.ftruncate(fd, SIZE)
        page = cls(fd)
        page._words[_LIMIT] = UNLIMITED
        return page, fd

    @property
    def begun(self) -> int:
        """The number of the last run that the child announced."""
        return self._words[_BEGUN]

    @property
    def since_us(self) -> int:
        """When it did, in microseconds of the host's monotonic clock."""
        return self._words[_SINCE]

    def begin(self, number: int, now_us: int) -> bool:
        """Child: announce run `number`; False when it was taken back and must not begin."""
        words = self._words
        words[_SINCE] = now_us
        words[_BEGUN] = number
        with self._fence:  # a full memory barrier between the store and the load
            return number <= words[_LIMIT]

    def recall(self, limit: int) -> int:
        """Supervisor: forbid runs above `limit`; the number of the last run that had begun."""
        self._words[_LIMIT] = limit
        with self._fence:
            return self._words[_BEGUN]

    def allow(self) -> None:
        """Supervisor: allow all runs again, once the child has answered for those taken back."""
        self._words[_LIMIT] = UNLIMITED

    def ask_to_stop(self, number: int) -> None:
        """Supervisor: ask the child to end run `number`."""
        self._words[_STOP] = number

    def is_asked_to_stop(self, number: int) -> bool:
        """Child: whether run `number` was asked to stop."""
        return self._words[_STOP] == number

    def close(self) -> None:
        """Unmap."""
        self._words.release()
        self._map.close()
