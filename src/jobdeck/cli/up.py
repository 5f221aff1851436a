"""`jobdeck up`: everything in one process tree.

This process listens, holds the home folder and keeps the others alive; it never loads the application. `prepare` does
that once, to read the settings and to make what a first start needs; then `web`, `worker`, `scheduler` and `dispatcher` each load
their own.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket as sockets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from ..config import Settings
from ..core.engine import DATABASE
from . import screen
from .session import Session, pass_session
from .web import host_option, listen, port_option, url

if TYPE_CHECKING:
    from ..processes.supervisor import Part

_QUESTION = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
# `HTTP/1.1 2`: enough of an answer to see its class.
_ANSWER_LENGTH = 10
_ENDING = (signal.SIGINT, signal.SIGTERM)


@click.command()
@host_option
@port_option
@click.option(
    "--processes", type=click.IntRange(1, 256), help="How many runs at once.  [default: JOBDECK_PROCESSES, 2]"
)
@pass_session
def up(session: Session, host: str, port: int, processes: int | None) -> int:
    """Start everything: web server, worker, scheduler and dispatcher in one process tree.

    The worker serves the queues of the database; those on another engine are served by its own workers, which are started as
    that engine's. The dispatcher is there when an engine has to be told of runs.

    SQLite tables are made and brought up to date, other databases need `jobdeck db upgrade`. An administrator's access
    token is kept in the file `token` of the home folder. Ctrl-C or SIGTERM ends everything in order: running work gets
    JOBDECK_STOP_GRACE.
    """

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    for number in _ENDING:
        signal.signal(number, interrupt)
    try:
        with listen(host, port) as socket:
            return _serve(session.reference, socket, processes)
    except KeyboardInterrupt:  # while it started; later the supervisor takes the signals
        return 0


def _serve(reference: str | None, socket: sockets.socket, processes: int | None) -> int:
    # Late: `--help` does without the database.
    from ..processes.home import hold
    from ..processes.supervisor import Supervisor

    with _Preparation(reference) as preparation:
        settings = preparation.settings()
        if settings is None:
            return preparation.code()
        with hold(settings.home):
            preparation.go_on()
            if code := preparation.code():
                return code
            question = _Question(socket)
            supervisor = Supervisor(
                _parts(reference, socket, processes, settings, is_rung=preparation.is_rung),
                is_ready=question.is_answered,
                announce=lambda: _announce(url(*socket.getsockname()[:2]), settings),
                say=screen.complain,
                grace_s=settings.stop_grace_s,
            )
            with contextlib.closing(question):
                return supervisor.run()


def _parts(
    reference: str | None, socket: sockets.socket, processes: int | None, settings: Settings, *, is_rung: bool
) -> Sequence[Part]:
    from ..processes.supervisor import Part  # late, as above

    fd = socket.fileno()
    count = ["--processes", str(processes)] if processes else []
    parts = [Part(name="web server", command=command(reference, "web", "--fd", str(fd)), inherits=[fd])]
    if any(settings.engine_of(queue) == DATABASE for queue in settings.queues):
        parts.append(Part(name="worker", command=command(reference, "worker", *count)))
    parts.append(Part(name="scheduler", command=command(reference, "scheduler")))
    if is_rung:
        parts.append(Part(name="dispatcher", command=command(reference, "dispatcher")))
    return parts


def command(reference: str | None, *words: str) -> list[str]:
    """How this program is started with other words, for the same application."""
    return [sys.executable, "-m", "jobdeck", *(["--app", reference] if reference else []), *words]


@contextlib.contextmanager
def _not_interrupted() -> Iterator[None]:
    """Hold the signals back: what they raise while Python forks is not raised but printed."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)


def _announce(address: str, settings: Settings) -> None:
    screen.say(
        f"jobdeck is ready at {address} · sign in with the access token in {screen.line(settings.token_path)} · "
        "Ctrl-C stops"
    )


class _Preparation:
    """A `prepare` process: it tells the settings and whether an engine has to be rung, waits until the home folder is held,
    and then does its work.
    """

    def __init__(self, reference: str | None) -> None:
        from ..processes.identity import die_with_parent  # late, as above

        self._answer, theirs = os.pipe()
        self.is_rung = False
        parent = os.getpid()

        def begin() -> None:
            die_with_parent(parent)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)

        with _not_interrupted():
            self._process = subprocess.Popen(
                command(reference, "prepare", "--fd", str(theirs)),
                stdin=subprocess.PIPE,
                pass_fds=[theirs],
                preexec_fn=begin,  # noqa: PLW1509  # safe, because this process has one thread
            )
        os.close(theirs)

    def __enter__(self) -> _Preparation:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self.go_on()

    def settings(self) -> Settings | None:
        """What it read; None when it has failed, which it has told."""
        with os.fdopen(self._answer) as answer:
            text = answer.readline()
        if not text:
            return None
        told = json.loads(text)
        self.is_rung = told["is_rung"]
        return Settings.of_data(told["settings"])

    def go_on(self) -> None:
        """Let it do its work, or see that nobody waits for it."""
        assert self._process.stdin is not None, "it was opened as a pipe"
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def code(self) -> int:
        """Its exit code."""
        code = self._process.wait()
        return code if code >= 0 else 128 - code


class _Question:
    """One request for `/healthz`, which waits in the socket's queue until the web server takes it."""

    def __init__(self, socket: sockets.socket) -> None:
        host, port = socket.getsockname()[:2]
        here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound to
        self._address = here, port
        self._connection: sockets.socket | None = None
        self._answer = b""

    def is_answered(self) -> bool:
        """Whether the web server answers and does not report that it cannot serve; does not wait."""
        try:
            connection = self._asked()
            while piece := connection.recv(_ANSWER_LENGTH):
                self._answer += piece
                if len(self._answer) >= _ANSWER_LENGTH and self._answer[9:10] in b"234":
                    return True
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in (errno.ECONNRESET, errno.ECONNREFUSED, errno.EPIPE, errno.ETIMEDOUT):
                raise
        self.close()
        return False

    def close(self) -> None:
        """Ask no more."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._answer = None, b""

    def _asked(self) -> sockets.socket:
        if self._connection is None:
            self._connection = sockets.create_connection(self._address, timeout=1)
            self._connection.sendall(_QUESTION)
            self._connection.setblocking(False)
        return self._connection
