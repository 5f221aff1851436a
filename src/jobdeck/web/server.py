"""The web server of the default command: waitress, with signals of our own.

Waitress runs its loop until an exception ends it, and drops what is being answered then. Here a signal ends
the accepting, what was begun is finished, and the process leaves with 0.
"""

from __future__ import annotations

import logging
import signal
import socket as sockets
import threading
import time
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.server import create_server

from .bodies import BODY_LIMIT
from .server_log import AccessLog, log_to_stderr

if TYPE_CHECKING:
    from flask import Flask

THREADS = 64
FINISH_WITHIN_S = 10.0
# Bodies up to here reach the application, whose refusal says more; beyond it waitress itself answers 413.
_REQUEST_LIMIT = 64 * BODY_LIMIT

logger = logging.getLogger(__name__)


def serve(app: Flask, socket: sockets.socket) -> int:
    """Answer requests on a bound socket until SIGTERM or SIGINT, finish what was begun, and return 0."""
    _log_to_stderr()
    channels: dict[int, Any] = {}
    server: Any = create_server(
        AccessLog(app),
        map=channels,
        sockets=[socket],
        threads=THREADS,
        ident=None,
        connection_limit=1000,
        max_request_body_size=_REQUEST_LIMIT,
        clear_untrusted_proxy_headers=True,
    )
    stopping = threading.Event()

    def stop(number: int, frame: object) -> None:
        stopping.set()
        server.pull_trigger()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        while not stopping.is_set():
            wasyncore.loop(timeout=30, map=channels, count=1)
        server.accepting = False
        _finish(server, channels)
    finally:
        server.task_dispatcher.shutdown(cancel_pending=True, timeout=1)
        server.close()
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


def _finish(server: Any, channels: dict[int, Any]) -> None:
    """Go on until every request that was begun is answered, or for as long as `FINISH_WITHIN_S`."""
    deadline = time.monotonic() + FINISH_WITHIN_S
    while time.monotonic() < deadline and any(_is_busy(channel) for channel in server.active_channels.values()):
        wasyncore.loop(timeout=0.05, map=channels, count=1)


def _is_busy(channel: Any) -> bool:
    return bool(channel.requests or channel.request is not None or channel.total_outbufs_len)


def _log_to_stderr() -> None:
    log_to_stderr()
    # It warns whenever a request has to wait for a thread, which is what a queue is for.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
