"""The supervisor's end of the template process: start it, ask it for children, hear what became of them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..executor.page import Page
from .signals import Signals
from .template import MESSAGE_LIMIT

LOAD_LIMIT_S = 300


@dataclass(frozen=True, slots=True)
class Spawned:
    """A new child as the template tells of it."""

    pid: int
    pidfd: int


@dataclass(frozen=True, slots=True)
class Reaped:
    """A dead child's wait status, and the most memory it had (bytes)."""

    pid: int
    status: int
    rss_max: int


class TemplateGone(Exception):
    """The template process has ended, and its children with it."""


class TemplateLink:
    """A running template process. It dies with this process, and its children with it."""

    def __init__(self, reference: str | None) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "jobdeck.entrypoint", str(theirs.fileno()), str(os.getpid())]
        self._process = subprocess.Popen(
            [*command, *([reference] if reference else [])],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self._socket = ours

    def hello(self, signals: Signals) -> dict[str, Any] | None:
        """What the application declares: `{"types": …, "settings": …, "warnings": …}`; None when a signal came first.

        ConfigurationError when it cannot be loaded.
        """
        deadline = time.monotonic() + LOAD_LIMIT_S
        ours = self._socket.fileno()
        while ours not in select.select([ours, signals.fileno()], [], [], 1.0)[0]:
            signals.drain()
            if signals.stops:
                return None
            if time.monotonic() > deadline:
                raise ConfigurationError(f"The application was not loaded within {LOAD_LIMIT_S} seconds.")
        text = self._socket.recv(MESSAGE_LIMIT)
        if not text:
            raise ConfigurationError("The application ended the process that loaded it.")
        message: dict[str, Any] = json.loads(text)
        if "error" in message:
            raise ConfigurationError(message["error"])
        self._socket.setblocking(False)
        return message

    @property
    def pid(self) -> int:
        """The template's process id."""
        return self._process.pid

    def fileno(self) -> int:
        """To wait on for `events`."""
        return self._socket.fileno()

    def spawn(self, page_path: Path) -> tuple[int, int, Page]:
        """Ask for a child; its orders descriptor (to write), its messages descriptor (to read), its page, in a new file."""
        orders_in, orders_out = os.pipe()
        messages_in, messages_out = os.pipe()
        page, page_fd = Page.create(page_path)
        theirs = [orders_in, messages_out, page_fd]
        try:
            # As in `reap`.
            with contextlib.suppress(ConnectionError):
                socket.send_fds(self._socket, [b'{"spawn": true}'], theirs)
        finally:
            for fd in theirs:
                os.close(fd)
        os.set_blocking(orders_out, False)
        os.set_blocking(messages_in, False)
        return orders_out, messages_in, page

    def reap(self, pid: int) -> None:
        """Let the template collect a dead child's status; `Reaped` follows."""
        # When the template is gone, `events` says so.
        with contextlib.suppress(ConnectionError):
            self._socket.send(json.dumps({"reap": pid}).encode())

    def events(self) -> list[Spawned | Reaped]:
        """What the template has said since; TemplateGone when it has ended."""
        found: list[Spawned | Reaped] = []
        while True:
            try:
                text, fds, _, _ = socket.recv_fds(self._socket, MESSAGE_LIMIT, 1, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return found
            except ConnectionError:
                text = b""
            if not text:
                raise TemplateGone
            message = json.loads(text)
            if "spawned" in message:
                found.append(Spawned(message["spawned"], fds[0]))
            else:
                found.append(Reaped(message["reaped"], message["status"], message["rss_max"]))

    def close(self) -> None:
        """End the template process and its children."""
        self._socket.close()
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
