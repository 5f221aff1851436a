"""SIGTERM to a child raises RunStopped in the task, and nowhere else."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from ..errors import RunStopped


class Interrupt:
    """Installs the handler; it is armed only while a task's own code runs."""

    def __init__(self) -> None:
        self._armed = False
        signal.signal(signal.SIGTERM, self._raise)
        # Ctrl-C reaches the whole terminal; what becomes of running work is the supervisor's decision.
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    @contextlib.contextmanager
    def armed(self) -> Iterator[None]:
        """Let SIGTERM stop what runs in this block."""
        self._armed = True
        try:
            yield
        finally:
            self._armed = False

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if self._armed:
            self._armed = False
            raise RunStopped("The run was asked to stop and did not in time.")
