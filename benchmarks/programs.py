"""Programs that a workload needs beside the caller, started from this checkout and ended in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .measuring import DEADLINE_S

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def program(
    words: Sequence[str], told: Mapping[str, str], cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m WORDS…` with `told` in its environment; SIGTERM ends it."""
    environment = {**os.environ, **told, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-m", *words], env=environment, cwd=cwd)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE_S)


def check(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """RuntimeError when one has ended already."""
    if any(process.poll() is not None for process in processes):
        raise RuntimeError("A process has ended before its time; its last words are above.")
