"""What an idle worker costs, how fast a busy one is stopped, how fast the command line starts."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from .jobdeck_side import Jobdeck
from .measuring import wait_until
from .programs import ROOT
from .spent import cpu_seconds, tree

REPOSITORY = ROOT / "examples" / "repository"


def idle(folder: Path, seconds: float, *, app: str | None = None) -> tuple[float, float]:
    """(memory in MB as PSS, per cent of one core) of a worker with two children and nothing to do."""
    side = Jobdeck(folder)
    try:
        with side.worker(app=app, cwd=REPOSITORY if app else None) as pid:
            before, began = cpu_seconds(pid), time.monotonic()
            time.sleep(seconds)
            used = (cpu_seconds(pid) - before) / (time.monotonic() - began)
            return sum(map(_pss_mb, tree(pid))), used * 100
    finally:
        side.close()


def stop_a_busy_loop(folder: Path) -> tuple[float, float]:
    """Milliseconds from a stop request, with no grace, until a loop in C is CANCELLED and until the next run has ended."""
    side = Jobdeck(folder)
    try:
        with side.worker() as _:
            runs = side.deck.runs
            busy = runs.start("busy")
            wait_until(lambda: runs.get(busy.id).started_at is not None)
            began = time.perf_counter()
            runs.stop(busy.id)
            wait_until(lambda: runs.get(busy.id).is_final, every_s=0.002)
            stopped = time.perf_counter() - began
            side.run_and_wait("noop")
            return stopped * 1000, (time.perf_counter() - began) * 1000
    finally:
        side.close()


def help_ms() -> float:
    """Milliseconds that `jobdeck --help` takes as a whole process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "jobdeck", "--help"], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1000


def _pss_mb(pid: int) -> float:
    match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(match[1]) / 1024 if match else 0.0
