"""Processes as the kernel knows them, so that a recycled process id is never taken for the process it was."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
from collections.abc import Container
from pathlib import Path

from ..core.worker import WorkerInfo

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; exits when that has happened already.

    The kernel means the parent's *thread* that started this process, so parents start children from their main thread.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def adopt_orphans() -> None:
    """Become the parent of whatever processes below this one lose theirs."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def reap_strangers(known: Container[int]) -> None:
    """Let go of dead processes that this one did not start, but was left with; `known` ones are their starters' affair."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and found.si_pid not in known:
            os.waitpid(found.si_pid, 0)


def host_name() -> str:
    """The name of the host."""
    return socket.gethostname()


def boot_id() -> str:
    """Changes at every boot of the host."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def started_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when there is no such process (or only a zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    after_name = stat.rpartition(")")[2].split()
    return None if after_name[0] in ("Z", "X") else int(after_name[19])


def end(pid: int, started: int, *, group: bool = False, within_s: float = 5.0) -> bool:
    """SIGKILL to a process, with `group` to all of its group, unless it is gone or another has its id; whether it is gone.

    PermissionError when it is somebody else's.
    """
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        try:
            # Looked at again, now that the id cannot come to mean another process without this being noticed.
            if started_ticks(pid) == started:
                if group:
                    os.killpg(pid, signal.SIGKILL)
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                select.select([pidfd], [], [], within_s)
        finally:
            os.close(pidfd)
    return started_ticks(pid) != started


def is_dead(worker: WorkerInfo) -> bool:
    """Whether a worker of this host is gone."""
    return worker.boot_id != boot_id() or started_ticks(worker.pid) != worker.pid_started
