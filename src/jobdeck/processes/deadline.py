"""Ends what a worker has at work when the worker itself cannot, because it waits for a database that does not answer.

Whatever a call to the database is bounded by, several in a row may take longer than a lease leaves.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence


class Deadline:
    """A thread that looks at a clock, `margin_s` / 4 apart at most, and kills process groups when it is too late."""

    def __init__(self, margin_s: float) -> None:
        self._every_s = margin_s / 4
        self._lock = threading.Lock()
        self._at = math.inf
        self._groups: Callable[[], Sequence[int]] = tuple
        self.has_struck = False
        """Whether it has killed; for the worker to take back."""
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def at(self, at: float, groups: Callable[[], Sequence[int]]) -> Iterator[None]:
        """Kill `groups` (ids) if the block is still at it then (monotonic seconds); never, if that is infinite."""
        if at == math.inf:
            yield
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="jobdeck-deadline", daemon=True)
            self._thread.start()
        self._groups, self._at = groups, at
        try:
            yield
        finally:
            # Afterwards they may be reaped, and their ids belong to others.
            with self._lock:
                self._at = math.inf

    def _look(self) -> None:
        while True:
            time.sleep(self._every_s)
            with self._lock:
                if time.monotonic() < self._at:
                    continue
                self._at = math.inf
                self.has_struck = True
                for group in self._groups():
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(group, signal.SIGKILL)
