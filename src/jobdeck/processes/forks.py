"""A fork waits until no thread of ours is amid a call to the database. What SQLite keeps of its locks belongs to a process: a child
that was forked in between would believe for ever that one is held.
"""

from __future__ import annotations

import os
import threading
import time
import weakref

WAIT_S = 5.0
_known: list[weakref.ref[threading.Lock]] = []
_taken = threading.local()


def rest_at_forks(*locks: threading.Lock) -> None:
    """Take these locks before a fork, in this order, and release them after it, in both processes; as long as they exist."""
    _known[:] = [one for one in _known if one() is not None] + [weakref.ref(lock) for lock in locks]


def _take() -> None:
    # Not for ever: whoever forks may hold one of them.
    until = time.monotonic() + WAIT_S
    _taken.locks = []
    for lock in [lock for one in _known if (lock := one()) is not None]:
        if lock.acquire(timeout=max(0.0, until - time.monotonic())):
            _taken.locks.append(lock)


def _give_back() -> None:
    while _taken.locks:
        _taken.locks.pop().release()


os.register_at_fork(before=_take, after_in_parent=_give_back, after_in_child=_give_back)
