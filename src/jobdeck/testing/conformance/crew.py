"""The processes of a stack: started, asked to end, killed, frozen and thawed, with everything that they started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...drill import processes

_MARK = "JOBDECK_CONFORMANCE_CREW"
_EVERY_S = 0.1


class Crew:
    """Some processes that do one job together. What they start, however detached, is known by its environment."""

    def __init__(
        self, name: str, commands: Sequence[Sequence[str]], environment: Mapping[str, str], home: Path
    ) -> None:
        self.name = name
        self.log = home / f"{name}.log"
        self._mark = f"{_MARK}={home}:{name}"
        told = {**environment, _MARK: f"{home}:{name}"}
        with open(self.log, "ab") as log:
            self._leaders = [
                subprocess.Popen(
                    command,
                    cwd=home,
                    env=told,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
                for command in commands
            ]

    def ask(self) -> None:
        """SIGTERM to those that were started."""
        for leader in self._leaders:
            leader.terminate()

    def ended(self, within_s: float) -> None:
        """Return when all of its processes have ended; AssertionError when that takes longer."""
        deadline = time.monotonic() + within_s
        while left := self.pids():
            assert time.monotonic() < deadline, f"{self.name} has not ended in {within_s:g} s: {_named(left)}"
            time.sleep(_EVERY_S)

    def kill(self) -> None:
        """SIGKILL to everybody at once, until nobody is left."""
        while left := self.pids():
            for pid in left:
                processes.strike(pid, signal.SIGKILL)
            time.sleep(_EVERY_S)

    def freeze(self) -> None:
        """SIGSTOP to everybody, until nobody is awake."""
        frozen: set[int] = set()
        while awake := set(self.pids()) - frozen:
            for pid in awake:
                processes.strike(pid, signal.SIGSTOP)
            frozen |= awake

    def thaw(self) -> None:
        """SIGCONT to everybody."""
        for pid in self.pids():
            processes.strike(pid, signal.SIGCONT)

    def pids(self) -> list[int]:
        """Who lives."""
        below = {pid for leader in self._leaders for _, pid in processes.below(leader.pid)}
        alive = {leader.pid for leader in self._leaders if leader.poll() is None}
        return sorted({pid for pid in (*below, *processes.told(self._mark)) if is_alive(pid)} | alive)

    def said(self) -> str:
        """What they have written lately."""
        return self.log.read_text(errors="replace")[-4000:]


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    return False


def _named(pids: Sequence[int]) -> str:
    named = []
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            named.append(f"{pid} {os.fsdecode(b' '.join(words))[:120]}")
    return ", ".join(named)
