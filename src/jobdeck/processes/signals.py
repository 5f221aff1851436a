"""Signals as a number to look at and a descriptor to wait on; nothing is done where a signal happens to arrive."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """Within its block, SIGTERM and SIGINT are counted in `stops`, and they and SIGCHLD make `fileno` readable.

    For the main thread of a process.
    """

    def __init__(self) -> None:
        self.stops = 0
        self._reader = self._writer = self._previous_fd = -1
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Signals:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._previous_fd = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            self._previous[number] = signal.signal(number, self._count)
        # It needs a handler, or the kernel's default of ignoring it would not wake anybody.
        self._previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal itself returned
        signal.set_wakeup_fd(self._previous_fd)
        os.close(self._reader)
        os.close(self._writer)

    def fileno(self) -> int:
        """To wait on."""
        return self._reader

    def drain(self) -> None:
        """Wait anew."""
        try:
            while os.read(self._reader, 512):
                pass
        except BlockingIOError:
            return

    def _count(self, number: int, frame: FrameType | None) -> None:
        self.stops += 1
