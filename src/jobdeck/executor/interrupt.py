"""SIGTERM to a child raises RunStopped in the task, and nowhere else."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from ..errors import RunStopped


class Interrupt:
    """Installs the handler; it is armed only while a task's own code runs."""

    def __init__(self) -> None:
        self._armed = False
        self._pid = os.getpid()
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
        if os.getpid() != self._pid:
            # A process that the task forked: it dies of SIGTERM as any other does.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        if self._armed:
            self._armed = False
            raise RunStopped("The run was asked to stop and did not in time.")
