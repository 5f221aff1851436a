"""`jobdeck web`: the web server alone."""

from __future__ import annotations

import os
import socket as sockets

import click

from ..errors import AlreadyRunning, ConfigurationError
from .session import Session, pass_session

HOST, PORT = "127.0.0.1", 8000
_BACKLOG = 1024

host_option = click.option("--host", default=HOST, envvar="JOBDECK_HOST", show_default=True, show_envvar=True,
                           help="The address to listen on; 0.0.0.0 for all of this machine's.")  # fmt: skip
port_option = click.option("--port", type=click.IntRange(0, 65535), default=PORT, envvar="JOBDECK_PORT",
                           show_default=True, show_envvar=True, help="The port to listen on.")  # fmt: skip


@click.command()
@host_option
@port_option
@click.option("--fd", type=int, hidden=True, help="A socket that listens already.")
@pass_session
def web(session: Session, host: str, port: int, fd: int | None) -> int:
    """Start the web server alone.

    The tables must be up to date. Ctrl-C or SIGTERM ends it.
    """
    # Late: `--help` does without the database, Flask and the server.
    from ..hosting import load_deck
    from ..web.server import serve

    deck = load_deck(session.reference)
    deck.check_schema()
    if deck.app is None:
        raise ConfigurationError("This deck has no Flask application; call deck.init_app(app).")
    with sockets.socket(fileno=fd) if fd is not None else listen(host, port) as socket:
        if fd is None:
            address, at = socket.getsockname()[:2]
            click.echo(f"jobdeck answers at {url(address, at)}")
        return serve(deck.app, socket)


def listen(host: str, port: int) -> sockets.socket:
    """A listening socket; AlreadyRunning when the port is taken, ConfigurationError when there is no such address."""
    try:
        family, _, _, _, address = sockets.getaddrinfo(host, port, type=sockets.SOCK_STREAM)[0]
        return sockets.create_server(address[:2], family=family, backlog=_BACKLOG)
    except sockets.gaierror:
        raise ConfigurationError(f"--host {host}: there is no such address.") from None
    except PermissionError:
        raise ConfigurationError(f"--port {port}: this user may not listen on it; choose one above 1023.") from None
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise AlreadyRunning(
            f"Cannot listen on {host}:{port} ({why}); choose another with --port or JOBDECK_PORT."
        ) from None


def url(host: str, port: int) -> str:
    """How a browser reaches a listening socket."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - read, not bound to
    shown = everywhere.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}/"
