"""What the tests of workers have run."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from jobdeck import (
    JobType,
    LastSuccess,
    Retry,
    RetryPolicy,
    TaskExecutionPartialError,
    current_run,
    job_type,
    track,
)

logger = logging.getLogger("work_site")
quiet = logging.getLogger("work_site.quiet")
quiet.propagate = False


@job_type
def add(a: int, b: int = 0) -> int:
    """Add two numbers."""
    return a + b


@job_type
async def add_later(a: int) -> int:
    """Add one, some time later."""
    await asyncio.sleep(0.01)
    return a + 1


@job_type
def note(number: int, path: str) -> int:
    """Append a number to a file."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{number}\n".encode())
    os.close(fd)
    return os.getpid()


@job_type
def fail() -> None:
    """Fail."""
    raise ValueError("no \x00 luck \ud800 here")


@job_type
def partial() -> None:
    """Do most of it."""
    raise TaskExecutionPartialError("two were wrong", errored_entries_count=2, result={"right": 5})


@job_type
def leave(code: int = 3) -> None:
    """Call sys.exit."""
    sys.exit(code)


@job_type
def leave_at_once(code: int = 0) -> None:
    """End the process."""
    os._exit(code)


@job_type
def eat() -> None:
    """Ask for more memory than there is."""
    bytearray(2**62)


@job_type
def die(number: int) -> None:
    """Die of a signal."""
    logger.info("about to die")
    os.kill(os.getpid(), number)


@job_type
def crash() -> None:
    """Read where nothing is."""
    ctypes.string_at(0)


@job_type
def unkept() -> object:
    """Return what has no JSON form."""
    return object()


@job_type
def talk() -> None:
    """Say something in every way there is."""
    logger.debug("first")
    logger.info("second %d", 2, extra={"record": "r-1", "seven": "odd"})
    quiet.warning("third")
    warnings.warn("fourth", UserWarning, stacklevel=1)
    print("fifth")
    print("sixth", file=sys.stderr)
    sys.stdout.buffer.write(b"seventh\n")
    try:
        raise KeyError("lost")
    except KeyError:
        logger.exception("eighth")
    logger.info("ninth %d", "not a number")
    print("tenth, unended", end="")


class Warned(JobType):
    """Logs an error and returns."""

    id = "warned"
    task = "work_site:log_error"
    arguments_schema = None
    warn_on_errors = True
    capture_output = False


def log_error() -> None:
    """Log an error."""
    print("not captured")
    logger.error("this is wrong")


@job_type
def make_file(name: str, text: str) -> None:
    """Write one file."""
    with current_run.open_output(name, media_type="text/plain") as out:
        out.write(text.encode())


@job_type
def half_a_file() -> None:
    """Fail within a file."""
    with current_run.open_output("half.txt") as out:
        out.write(b"half")
        raise RuntimeError("half-way")


@job_type
def steps(count: int, seconds: float) -> int:
    """Steps that honour a stop."""
    for _ in track(range(count), message="stepping"):
        time.sleep(seconds)
    return count


@job_type
def sleep(seconds: float) -> str:
    """Sleep, deaf to everything but SIGTERM."""
    time.sleep(seconds)
    return "slept"


@job_type
def stubborn(path: str) -> None:
    """Ignore SIGTERM, with a shell and its child beside it that do the same."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    shell = subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; sleep 300 & echo $! ; wait"], stdout=subprocess.PIPE)
    assert shell.stdout is not None
    grandchild = int(shell.stdout.readline())
    Path(path).write_text(f"{os.getpid()} {shell.pid} {grandchild}")
    while True:
        time.sleep(1)


@job_type
def clean_up(path: str) -> None:
    """Sleep, and write a file when stopped."""
    try:
        time.sleep(60)
    finally:
        Path(path).write_text("cleaned up")


@job_type
def spin() -> None:
    """A loop in C, which holds the interpreter."""
    sum(range(10**12))


@job_type
def leave_a_thread() -> int:
    """Leave a thread behind."""
    threading.Thread(target=time.sleep, args=(300,), daemon=True).start()
    return os.getpid()


@job_type
def leave_a_process(path: str) -> int:
    """Leave a process behind."""
    Path(path).write_text(str(subprocess.Popen(["sleep", "300"]).pid))
    return os.getpid()


@job_type
def come_back_twice() -> int:
    """Fork, and return in both processes."""
    os.fork()
    return os.getpid()


@job_type(fresh_process=True)
def fresh_pid() -> int:
    """The process that executes this and nothing else."""
    return os.getpid()


@job_type
def pid() -> int:
    """This process."""
    return os.getpid()


@job_type
def flood(megabytes: int) -> None:
    """Log a lot."""
    line = "x" * 1000
    for number in range(megabytes * 1000):
        logger.info("%d %s", number, line)


@job_type
def garble() -> str:
    """Write nonsense into every pipe this process has."""
    for fd in range(3, 32):
        try:
            if str(Path(f"/proc/self/fd/{fd}").readlink()).startswith("pipe:"):
                os.write(fd, b'nonsense\n{"a": 1}\n["x"]\n[1]\n\n')
        except OSError:
            continue
    return "done"


@job_type(queue="other")
def elsewhere() -> int:
    """Belongs to another queue."""
    return 1


@job_type
def say_who_started_me() -> dict[str, object]:
    """Tell what current_run knows."""
    return {
        "id": current_run.id,
        "attempt": current_run.attempt,
        "type": current_run.type,
        "arguments": dict(current_run.arguments),
        "principal": current_run.principal.id if current_run.principal else None,
    }


def generate() -> Iterator[int]:
    """Not a job: a generator function."""
    yield 1


def keep(path: str, text: str) -> None:
    """Append a line to a file, whole."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{text}\n".encode())
    os.close(fd)


@job_type(retry=RetryPolicy(3, backoff=0, jitter=0, never_on=KeyError))
def try_hard(path: str, how: str = "error", until: int = 3) -> int:
    """Fail in some way until the attempt of this number."""
    keep(path, str(current_run.attempt))
    logger.info("attempt %d", current_run.attempt)
    if current_run.attempt < until:
        if how == "ask":
            raise Retry("not yet", after=0)
        if how == "never":
            raise KeyError("no use")
        if how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError("try again")
    return current_run.attempt


@job_type
def ask_in_vain() -> None:
    """Ask to be tried again where no attempt is left."""
    raise Retry("come back later")


@job_type(restartable=True)
def begin_anew(path: str, seconds: float) -> int:
    """Sleep at the first start, and not at the second."""
    keep(path, str(os.getpid()))
    if len(Path(path).read_text().splitlines()) == 1:
        time.sleep(seconds)
    return current_run.attempt


@job_type
def hooked(path: str) -> None:
    """Sleep deaf to everything; a hook is told of the end."""

    @current_run.on_stop
    def told(cause: str) -> None:
        keep(path, f"{cause} {current_run.should_stop}")

    keep(path, "ready")
    time.sleep(60)


@job_type
def time_left() -> float | None:
    """How much time there is."""
    return current_run.seconds_left


@job_type
def swallow(path: str) -> None:
    """Swallow every exception, for ever."""
    keep(path, "ready")
    while True:
        try:
            time.sleep(60)
        except Exception:
            continue
        except BaseException:
            keep(path, "swallowed")


@job_type(limit=1)
def alone(path: str, seconds: float = 0.0) -> None:
    """Say when it begins and ends, by a clock that all processes share."""
    began = time.monotonic_ns()
    time.sleep(seconds)
    keep(path, f"{began} {time.monotonic_ns()}")


@job_type
def family(count: int, how: str = "well", depth: int = 1, seconds: float = 0.0) -> str:
    """Have sub-runs, which have sub-runs."""
    for number in range(count):
        current_run.spawn(member, {"number": number, "how": how, "depth": depth - 1, "seconds": seconds})
    current_run.add_entries(total=count)
    if how == "parent fails":
        raise RuntimeError("the parent has failed")
    return "returned"


@job_type
def member(number: int, how: str, depth: int, seconds: float) -> int:
    """One sub-run."""
    if depth:
        for _ in range(2):
            current_run.spawn("member", {"number": number, "how": how, "depth": depth - 1, "seconds": seconds})
    for _ in track(range(max(1, int(seconds / 0.05)))):
        time.sleep(min(seconds, 0.05))
    if how == "some fail" and number == 0:
        raise ValueError("I am the first")
    current_run.add_entries(inserted=1)
    return number


@job_type
def harvest(since: LastSuccess = None) -> str | None:
    """Say since when."""
    return None if since is None else since.isoformat()


@job_type(retry=RetryPolicy(3, backoff=0, jitter=0))
def wait_at(gate: str, path: str) -> int:
    """Say that it begins, wait until somebody makes a file, say that it ends."""
    keep(path, f"begin {os.getpid()} {time.monotonic_ns()}")
    while not Path(gate).exists():
        time.sleep(0.02)
    keep(path, f"end {os.getpid()} {time.monotonic_ns()}")
    return current_run.attempt
