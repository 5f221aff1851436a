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

_BOOT_DIGITS = 27
_FIRST_PID_NAMESPACE = 0xEFFFFFFC
"""Its inode is the same on every Linux."""
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
    """Where process ids mean what they mean here: another at every boot, and in every PID namespace of a boot. 36 characters.

    In the first namespace, where no container is, it is the kernel's own, so that workers of older versions understand it.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    namespace = os.stat("/proc/self/ns/pid").st_ino
    return boot if namespace == _FIRST_PID_NAMESPACE else f"{_digits(boot)}-{namespace & 0xFFFFFFFF:08x}"


def is_same_boot(one: str, other: str) -> bool:
    """Whether two of what `boot_id` gives, also in older versions, are of one boot, in whatever namespaces."""
    return _digits(one) == _digits(other)


def _digits(boot: str) -> str:
    return boot.replace("-", "")[:_BOOT_DIGITS]


def started_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when there is no such process (or only a zombie)."""
    return _stat(pid)[1]


def is_stopped(pid: int, started: int) -> bool:
    """Whether this process stands still by a signal, until another one has it go on."""
    return _stat(pid) == ("T", started)


def _stat(pid: int) -> tuple[str, int | None]:
    """The state of a process, as a letter, and when it started; nothing of one that is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "", None
    state, *rest = stat.rpartition(")")[2].split()
    return state, None if state in ("Z", "X") else int(rest[18])


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
    """Whether a worker with our `boot_id` is gone."""
    return started_ticks(worker.pid) != worker.pid_started
