"""The drill's look at processes: who is below whom, and who belongs to a scratch instance."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import defaultdict
from itertools import chain
from pathlib import Path

_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)
_END_LIMIT_S = 5.0
_SHOWN_LIMIT = 200


def below(pid: int) -> list[tuple[int, int]]:
    """(depth, process id) of everything that lives below a process, nearest first; its own children have depth 1."""
    children = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(*_GONE):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state not in ("Z", "X"):
                children[int(parent)].append(int(folder.name))
    found: list[tuple[int, int]] = []
    level = [pid]
    depth = 0
    while level := sorted(child for parent in level for child in children[parent]):
        depth += 1
        found += [(depth, child) for child in level]
    return found


def strike(pid: int, number: int) -> bool:
    """Send a signal; whether there was somebody to take it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def of_home(home: Path) -> list[int]:
    """Every process that was started to serve this home folder."""
    return told(f"JOBDECK_HOME={home}")


def told(variable: str) -> list[int]:
    """Every process that was started with this in its environment, as `NAME=value`."""
    wanted = os.fsencode(variable)
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(*_GONE):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return sorted(found)


def end_all_of(home: Path) -> None:
    """Kill everything that serves this home folder, also what is stopped or was orphaned."""
    end_all_told(f"JOBDECK_HOME={home}")


def end_all_told(variable: str, but: int | None = None) -> None:
    """Kill everything that was started with this in its environment, until nothing is left `but` this one."""
    deadline = time.monotonic() + _END_LIMIT_S
    while (left := [pid for pid in told(variable) if pid != but]) and time.monotonic() < deadline:
        for pid in left:
            strike(pid, signal.SIGKILL)
        time.sleep(0.02)


def beside(pid: int, last: int | None = None) -> int | None:
    """The worker of ours that stands beside a process of an engine, looked for first at the process id that it had `last`; None
    when there is none.
    """
    wanted = f"\0--watch\0{pid}\0".encode()
    at_first = [] if last is None else [Path(f"/proc/{last}")]
    for folder in chain(at_first, Path("/proc").glob("[0-9]*")):
        with contextlib.suppress(*_GONE):
            if wanted in (folder / "cmdline").read_bytes():
                return int(folder.name)
    return None


def named(pid: int) -> str:
    """A process in words: its id, its state and its command line."""
    told = f"process {pid}"
    with contextlib.suppress(*_GONE):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        words = os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")).strip()
        told = f"{told}, in state {state}, is left over: {words[:_SHOWN_LIMIT]}"
    return told
