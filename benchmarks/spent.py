"""Processor time of processes and of all below them, so that a figure can say where the time goes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


class Spent:
    """What some parties use from now on: name → its processes, each with those below it that are of no other party."""

    def __init__(self, parties: Mapping[str, Collection[int]]) -> None:
        self._parties = parties
        self._heads = {pid for pids in parties.values() for pid in pids}
        self._before = self._so_far()

    def seconds(self) -> dict[str, float]:
        """So far, by party."""
        return {name: so_far - self._before[name] for name, so_far in self._so_far().items()}

    def _so_far(self) -> dict[str, float]:
        return {
            name: sum(cpu_seconds(pid, self._heads - {pid}) for pid in pids) for name, pids in self._parties.items()
        }


def cpu_seconds(pid: int, without: Collection[int] = ()) -> float:
    """What a process and those below it have used so far, with those that have ended."""
    ticks = 0
    for one in tree(pid, without):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS


def tree(pid: int, without: Collection[int] = ()) -> Iterator[int]:
    """A process and those below it, leaving out some with all below them."""
    yield pid
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                if child not in without:
                    yield from tree(child, without)
