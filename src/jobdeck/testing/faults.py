"""What happens at a failpoint to the process that reaches it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

ROOT = "JOBDECK_FAILPOINTS_ROOT"
"""In the environment: the id of the process that was started first, above all others"""


def kill_tree() -> None:
    """SIGKILL to the first process and to everything below it."""
    root, me = int(os.environ[ROOT]), os.getpid()
    for pid in [root, *_below(root)]:
        if pid != me:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    kill()


def kill() -> None:
    """SIGKILL to this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def stop() -> None:
    """SIGSTOP to this process; somebody else lets it go on."""
    os.kill(os.getpid(), signal.SIGSTOP)


def drop() -> None:
    """End every connection of this process over TCP, as a network does: without a word to either side's library."""
    for link in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(OSError):
            if str(link.readlink()).startswith("socket:"):
                with socket.socket(fileno=os.dup(int(link.name))) as found:
                    if found.family in (socket.AF_INET, socket.AF_INET6):
                        found.shutdown(socket.SHUT_RDWR)


FAULTS: dict[str, Callable[[], None]] = {"kill_tree": kill_tree, "kill": kill, "stop": stop, "drop": drop}


def _below(root: int) -> list[int]:
    """The processes below one, at any depth."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found, look = [], [root]
    while look:
        above = look.pop()
        below = [pid for pid, parent in parents.items() if parent == above]
        found += below
        look += below
    return found
