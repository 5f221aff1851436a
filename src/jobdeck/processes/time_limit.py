"""A limit on how long an application's own code may take in a process that has other things to do."""

from __future__ import annotations

import signal
from contextlib import AbstractContextManager
from types import FrameType


class TookTooLong(Exception):
    """Raised in the code that took longer than it may."""


class TimeLimit(AbstractContextManager[None]):
    """A context that may be entered again and again, not within itself: TookTooLong in a block that is not over in time.

    For the main thread of a process that leaves SIGALRM to it from then on. Code in C is not interrupted.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        signal.signal(signal.SIGALRM, self._interrupt)

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        raise TookTooLong(f"it took longer than {self._seconds:g} s")
