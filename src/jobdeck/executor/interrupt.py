"""SIGTERM to a child raises RunStopped in the task, and nowhere else."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from ..errors import RunStopped


class Interrupt:
    """Installs the handler; it is armed only while a task's own code runs.

    A service manager may signal every process it knows. So a child heeds SIGTERM only when its supervisor has said,
    before, that the run at hand should stop; what becomes of running work is the supervisor's decision.
    """

    def __init__(self) -> None:
        self._is_asked: Callable[[], bool] | None = None
        self._pid = os.getpid()
        signal.signal(signal.SIGTERM, self._raise)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    @contextlib.contextmanager
    def armed(self, is_asked: Callable[[], bool]) -> Iterator[None]:
        """Let SIGTERM stop what runs in this block; RunStopped at once when it was asked to stop before."""
        self._is_asked = is_asked
        try:
            if is_asked():
                raise RunStopped("The run was asked to stop before it began.")
            yield
        finally:
            self._is_asked = None

    def _raise(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as the signal module calls it
        if os.getpid() != self._pid:
            # A process that the task forked: it dies of SIGTERM as any other does.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        if self._is_asked is not None and self._is_asked():
            self._is_asked = None
            raise RunStopped("The run was asked to stop and did not in time.")
