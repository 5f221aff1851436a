"""The home folder of `jobdeck up`: private, and used by one process tree at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import AlreadyRunning
from ..store.database import make_folder

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


@contextlib.contextmanager
def hold(home: Path) -> Iterator[None]:
    """Keep `home` to this process for the block; AlreadyRunning names the process that has it.

    The kernel lets go of the lock when this process ends, however it ends.
    """
    make_folder(home)
    home.chmod(PRIVATE_FOLDER)
    fd = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode(errors="replace").strip()
            raise AlreadyRunning(
                f"Another jobdeck serves from {home} (process {holder or 'unknown'}); stop it, or set JOBDECK_HOME."
            ) from None
        os.truncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


def write_secret(path: Path, secret: str) -> None:
    """Put `secret` into a file that only its owner can read, whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
    with os.fdopen(fd, "w") as file:
        file.write(f"{secret}\n")
    new.replace(path)


def read_secret(path: Path) -> str | None:
    """What `write_secret` wrote, made private again if it was not; None when there is no such file."""
    try:
        path.chmod(PRIVATE_FILE)
        return path.read_text().strip()
    except FileNotFoundError:
        return None
