"""The most memory that a run took, in a process that executes many."""

from __future__ import annotations

import contextlib
import os
import resource

_NOISE = 4 * 1024 * 1024
# In so short a time no run makes a noticeable amount of memory resident.
_NOTHING_US = 500


class PeakMemory:
    """Reads the kernel's high-water mark of this process, and has it reset once a run has raised it."""

    def __init__(self) -> None:
        self._floor = self._reset()

    def of_run(self, took_us: int) -> int:
        """Bytes resident at the highest, since the last run that stood out."""
        if took_us < _NOTHING_US:
            return self._floor
        peak = _high_water()
        if peak > self._floor + _NOISE:
            self._floor = self._reset()
        return peak

    def _reset(self) -> int:
        # Not every sandbox lets a process write there; then a later run shows an earlier one's peak.
        with contextlib.suppress(OSError):
            fd = os.open("/proc/self/clear_refs", os.O_WRONLY)
            try:
                os.write(fd, b"5")
            finally:
                os.close(fd)
        return _high_water()


def _high_water() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
