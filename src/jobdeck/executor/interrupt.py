"""SIGTERM to a child raises RunStopped in the task, SIGUSR1 calls the task's hooks; nowhere else."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Protocol

from ..errors import RunStopped


class Stoppable(Protocol):
    """A run that may have been asked to stop."""

    @property
    def should_stop(self) -> bool:
        """Whether it was."""
        ...

    def call_hooks(self) -> None:
        """Tell whoever wants to know that it is asked to end."""
        ...


class Cooperation:
    """In place of `Interrupt` where a process is not ours: nothing interrupts a run, which ends only where it looks."""

    def arm(self, run: Stoppable) -> None:
        """RunStopped when it was asked to stop before it began."""
        if run.should_stop:
            raise RunStopped("The run was asked to stop before it began.")

    def disarm(self) -> None:
        """The task's own code is over."""


class Interrupt:
    """Installs the handler; it is armed only while a task's own code runs.

    A service manager may signal every process it knows. So a child heeds SIGTERM only when its supervisor has said,
    before, that the run at hand should stop; what becomes of running work is the supervisor's decision.
    """

    def __init__(self) -> None:
        self._run: Stoppable | None = None
        self._pid = os.getpid()
        signal.signal(signal.SIGTERM, self._raise)
        signal.signal(signal.SIGUSR1, self._tell)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def arm(self, run: Stoppable) -> None:
        """Let SIGTERM stop what runs from here to `disarm`; RunStopped at once when it was asked to stop before."""
        self._run = run
        if run.should_stop:
            raise RunStopped("The run was asked to stop before it began.")

    def disarm(self) -> None:
        """The task's own code is over."""
        self._run = None

    def _tell(self, number: int, frame: FrameType | None) -> None:
        if self._run is not None and os.getpid() == self._pid:
            self._run.call_hooks()

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            # A process that the task forked: it dies of SIGTERM as any other does.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        run = self._run
        if run is not None and run.should_stop:
            self._run = None
            raise RunStopped("The run was asked to stop and did not in time.")
