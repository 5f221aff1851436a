"""How often one address may try something within one process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque

from werkzeug.exceptions import TooManyRequests

_ADDRESSES_LIMIT = 10_000


class Throttle:
    """At most `limit` attempts an address in `span_s` seconds. Thread-safe; forgets the oldest of many."""

    def __init__(self, *, limit: int, span_s: float) -> None:
        self._limit = limit
        self._span_s = span_s
        self._lock = threading.Lock()
        self._attempts: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, address: str) -> None:
        """Count one attempt; TooManyRequests when it is one too many."""
        now = time.monotonic()
        with self._lock:
            recent = self._attempts.setdefault(address, deque())
            self._attempts.move_to_end(address)
            while recent and recent[0] <= now - self._span_s:
                recent.popleft()
            if len(recent) >= self._limit:
                raise TooManyRequests("Too many attempts; wait a minute and try again.", retry_after=int(self._span_s))
            recent.append(now)
            if len(self._attempts) > _ADDRESSES_LIMIT:
                self._attempts.popitem(last=False)

    def forget(self, address: str) -> None:
        """Start anew for an address."""
        with self._lock:
            self._attempts.pop(address, None)
