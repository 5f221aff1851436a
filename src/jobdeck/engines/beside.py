"""Our own worker beside each worker process of an engine: it executes, the engine's process only waits.

Whatever pool the engine runs, a stop and a timeout thereby really end code, and a killed engine takes nothing with it. Whoever
gets a delivery first starts the worker; it ends when the engine's process is gone. `processes.tokens` is its side of the socket.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..core.ring import Ring
from ..errors import EngineError
from ..processes import identity
from . import host

_PATH_LIMIT = 100
_START_LIMIT_S = 120.0
_LOOK_EVERY_S = 0.02
_END_MARGIN_S = 10.0
_DEATH_S = 5.0
_ASKED_AT_MOST = 5
_SLOTS_LIMIT = 256
_STDERR = 2
_CREDENTIALS = struct.Struct("3i")

# Those that this process has started outlive whoever asked for them.
_started: list[subprocess.Popen[bytes]] = []


class Beside:
    """The worker beside process `watched` of an engine, with `slots` children. Any process and thread below that one may use it.

    It is started with this process's environment and working directory, and speaks to its stderr.
    """

    def __init__(self, engine: str, *, slots: int, watched: int) -> None:
        settings = host.settings()
        self._watched = watched
        self._patience_s = settings.stop_grace_s + _END_MARGIN_S
        self._path = _socket_path(settings.home, engine, watched)
        options = {"engine": engine, "tokens": self._path, "watch": watched, "processes": min(slots, _SLOTS_LIMIT)}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self._command = [sys.executable, "-m", "jobdeck", "worker", *words]

    def start(self) -> None:
        """Make sure that it runs. EngineError when it cannot be started."""
        if self._answers():
            return
        _make_private(self._path.parent)
        with _locked(self._path.parent / "lock"):
            # Another process may have done it meanwhile.
            if not self._answers():
                self._launch()

    def serve(self, ring: Ring) -> bool:
        """Deliver a ring, and wait: True when the run that it was good for has ended, False when there was none.

        EngineError tells why there is no worker; the run is rung for again later.
        """
        for _ in range(_ASKED_AT_MOST):
            with self._connected() as connection:
                served = self._deliver(connection, ring)
            if served is not None:
                return served
        raise EngineError(f"{self._name} ended {_ASKED_AT_MOST} times while it was asked for a run; its log says why.")

    def end(self) -> None:
        """Ask it to end in order, as SIGTERM does, and wait; nothing when it does not run."""
        with contextlib.suppress(OSError), self._connect() as connection:
            worker = _peer(connection)
            os.kill(worker, signal.SIGTERM)
            connection.close()
            _wait_for(worker, self._patience_s)
        _reap()

    @property
    def _name(self) -> str:
        return f"The worker beside process {self._watched}, which executes its runs,"

    def _deliver(self, connection: socket.socket, ring: Ring) -> bool | None:
        """What came of a ring; None when the worker has ended before anything was won."""
        has_won, worker = False, _peer(connection)
        # A worker that refuses may have hung up already, and has said why.
        with contextlib.suppress(ConnectionError):
            connection.sendall(json.dumps(ring.as_data()).encode() + b"\n")
        with contextlib.suppress(ConnectionError), connection.makefile("rb") as lines:
            for line in lines:
                told = json.loads(line)
                if "error" in told:
                    raise EngineError(f"{self._name} cannot begin. {told['error']}")
                if "won" not in told:
                    return "ended" in told
                has_won = True
        # Its socket may be open for a moment longer than this connection was, and would be taken for that of a worker.
        _wait_for(worker, _DEATH_S)
        if not has_won:
            return None
        # It was killed. The next one takes back what it held, as soon as it is there.
        with contextlib.suppress(EngineError):
            self.start()
        return True

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(os.fspath(self._path))
        except BaseException:
            connection.close()
            raise
        return connection

    def _connected(self) -> socket.socket:
        for _ in range(_ASKED_AT_MOST):
            try:
                return self._connect()
            except (FileNotFoundError, ConnectionRefusedError):
                self.start()
            except OSError as error:
                raise EngineError(f"{self._path} cannot be connected to: {error.strerror or error}.") from None
        raise EngineError(f"{self._name} ends as soon as it is started; its log says why.")

    def _answers(self) -> bool:
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError), self._connect():
            return True
        return False

    def _launch(self) -> None:
        _sweep(self._path.parent)
        _reap()
        started = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=_STDERR, stderr=_STDERR, start_new_session=True
        )
        _started.append(started)
        until = time.monotonic() + _START_LIMIT_S
        while not self._answers():
            if (code := started.poll()) is not None:
                raise EngineError(f"{self._name} ended at once, with exit code {code}; its log says why.")
            if time.monotonic() > until:
                started.kill()
                raise EngineError(f"{self._name} did not begin within {_START_LIMIT_S:g} seconds.")
            time.sleep(_LOOK_EVERY_S)


def _reap() -> None:
    """Let go of those that this process had started and that have ended."""
    _started[:] = [one for one in _started if one.poll() is None]


def _peer(connection: socket.socket) -> int:
    """The process at the other end."""
    pid, _, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(pid)


def _wait_for(pid: int, seconds: float) -> None:
    """Until this process has ended, as long at most."""
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        try:
            select.select([pidfd], [], [], seconds)
        finally:
            os.close(pidfd)


def _socket_path(home: Path, engine: str, watched: int) -> Path:
    """In the home folder; its name tells processes apart for ever. A socket's path must be short: one that is not moves to the
    system's folder for temporary files.
    """
    process = (identity.host_name(), identity.boot_id(), watched, identity.started_ticks(watched))
    name = hashlib.sha256(repr((str(home), engine, process)).encode()).hexdigest()[:16]
    path = home / "beside" / name
    if len(os.fsencode(path)) <= _PATH_LIMIT:
        return path
    return Path(tempfile.gettempdir()) / f"jobdeck-{os.getuid()}" / name


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise EngineError(f"The folder {folder} cannot be used: {error.strerror or error}.") from None
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise EngineError(f"The folder {folder} must belong to this user, and be open to nobody else (mode 700).")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file; waits in small sleeps, which a green thread may do as well."""
    with open(path, "ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_LOOK_EVERY_S)
        try:
            yield
        finally:
            # Said, and not left to the closing: a process forked meanwhile has the file open as well.
            fcntl.flock(file, fcntl.LOCK_UN)


def _sweep(folder: Path) -> None:
    """Remove the sockets of workers that were killed."""
    for path in folder.iterdir():
        if path.is_socket() and not path.name.startswith("."):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                try:
                    connection.connect(os.fspath(path))
                except ConnectionRefusedError:
                    path.unlink(missing_ok=True)
                except OSError:
                    continue
