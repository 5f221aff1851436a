"""`jobdeck up`: everything in one process tree."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import screen
from .session import Session, pass_session
from .web import host_option, listen, port_option, url

if TYPE_CHECKING:
    import socket as sockets

_ANSWER_WITHIN_S = 1.0


@click.command()
@host_option
@port_option
@click.option(
    "--processes", type=click.IntRange(1, 256), help="How many runs at once.  [default: JOBDECK_PROCESSES, 2]"
)
@pass_session
def up(session: Session, host: str, port: int, processes: int | None) -> int:
    """Start everything: web server and worker in one process tree.

    SQLite tables are made or brought up to date; an administrator's access token is kept in the home folder. Ctrl-C or
    SIGTERM ends all of it; running work gets JOBDECK_STOP_GRACE.
    """
    # Late: `--help` does without the database and Flask.
    from ..hosting import first_token, load_deck
    from ..processes.home import hold
    from ..processes.supervisor import Part, Supervisor

    deck = load_deck(session.reference)
    settings = deck.settings
    with hold(settings.home), listen(host, port) as socket:
        if settings.is_sqlite:
            deck.upgrade_database()
        else:
            deck.check_schema()
        token = first_token(deck)
        deck.close()
        address = _reached_at(socket)
        many = [] if processes is None else ["--processes", str(processes)]
        worker = Part(name="worker", command=_command(session.reference, "worker", *many))
        web = Part(
            name="web server",
            command=_command(session.reference, "web", "--fd", str(socket.fileno()), "--parent", str(os.getpid())),
            inherits=[socket.fileno()],
        )
        return Supervisor(
            [web, worker],
            is_ready=lambda: _answers(socket),
            announce=lambda: click.echo(_greeting(address, token)),
            say=screen.complain,
            grace_s=settings.stop_grace_s,
        ).run()


def _command(reference: str | None, *arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "jobdeck", *(["--app", reference] if reference else []), *arguments]


def _reached_at(socket: sockets.socket) -> str:
    return url(*socket.getsockname()[:2])


def _answers(socket: sockets.socket) -> bool:
    """Whether the web server says that it is ready."""
    host, port = _reached_at(socket).removeprefix("http://").rstrip("/").rsplit(":", 1)
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=_ANSWER_WITHIN_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _greeting(address: str, token: Path) -> str:
    return f"jobdeck is ready at {address} · sign in with the access token in {token} · Ctrl-C stops"
