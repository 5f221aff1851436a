"""The end of a log that is too long to be kept whole."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from typing import Any

TAIL_LIMIT = 2 * 1024 * 1024
_LOGGER = "jobdeck.run"


class LogTail:
    """The last lines of one run's log, and how much had to be left out before them."""

    def __init__(self) -> None:
        self._lines: deque[tuple[list[Any], int]] = deque()
        self._size = 0
        self._left_out = 0
        self._left_out_size = 0

    @staticmethod
    def notice(at_us: int) -> list[Any]:
        """The entry after which the log goes on here."""
        text = "This log is too long to be kept whole: from here on its last 2 MiB are kept, and shown when the run has ended."
        return [at_us, logging.WARNING, _LOGGER, text, None]

    def add(self, entry: list[Any], size: int) -> None:
        """Keep one more line, at the cost of the oldest."""
        self._lines.append((entry, size))
        self._size += size
        while self._size > TAIL_LIMIT:
            _, gone = self._lines.popleft()
            self._size -= gone
            self._left_out += 1
            self._left_out_size += gone

    def entries(self) -> Iterator[list[Any]]:
        """How much was left out, if anything, and the lines."""
        if self._left_out:
            mib = self._left_out_size / 2**20
            at_us = self._lines[0][0][0] if self._lines else 0
            yield [
                at_us,
                logging.WARNING,
                _LOGGER,
                f"… {self._left_out:,} lines ({mib:.1f} MiB) were left out here …",
                None,
            ]
        for entry, _ in self._lines:
            yield entry
