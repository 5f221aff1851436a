"""Identifiers: UUID version 7 (RFC 9562), so that ids of one table sort by creation.

Ids are kept and shown as their canonical text. A uuid7 reveals when it was made: tokens and session
ids are random instead (`services.accounts`).
"""

from __future__ import annotations

import os
import threading
import uuid

_RANDOM_BITS = 62
_COUNTER_BITS = 12


class RunIds:
    """Makes uuid7 texts from a time in microseconds; strictly increasing within one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._pool = b""
        self._used = 0

    def make(self, at_us: int) -> str:
        """An id for `at_us` (microseconds since 1970); never below one made before by this object."""
        with self._lock:
            tick = max((at_us << _COUNTER_BITS) // 1000, self._last + 1)
            self._last = tick
            random = self._take_random()
        millis, counter = tick >> _COUNTER_BITS, tick & 0xFFF
        high = f"{millis:012x}"
        low = f"{(0b10 << _RANDOM_BITS) | random:016x}"
        return f"{high[:8]}-{high[8:]}-7{counter:03x}-{low[:4]}-{low[4:]}"

    def forget(self) -> None:
        """Drop random bits drawn in advance: a fork would leave the same ones to both processes."""
        self._lock = threading.Lock()
        self._pool, self._used = b"", 0

    def _take_random(self) -> int:
        if self._used >= len(self._pool):
            self._pool, self._used = os.urandom(8 * 512), 0
        piece = self._pool[self._used : self._used + 8]
        self._used += 8
        return int.from_bytes(piece, "big") >> 2


_ids = RunIds()
os.register_at_fork(after_in_child=_ids.forget)
new_id = _ids.make


def first_id(at_us: int) -> str:
    """No id made at `at_us` or later is below this one; not an id itself."""
    high = f"{max(at_us, 0) // 1000:012x}"
    return f"{high[:8]}-{high[8:]}"


def is_id(text: str) -> bool:
    """Whether `text` is a UUID in canonical form (lower case, with hyphens)."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
