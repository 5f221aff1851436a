"""The template process: loads the application once and forks children that are ready to work.

It holds no database connection and runs no threads, so a fork is safe and takes milliseconds. It does not reap a child before
the supervisor says so: until then the kernel keeps the process id, and killing the group cannot hit a stranger.

Spoken over one socket, a JSON object a message:
  supervisor → template  {"spawn": true} + descriptors (orders to read, messages to write, page) · {"reap": pid}
  template → supervisor  {"types": {id: options}, "settings": {…}, "warnings": […]} · {"error": text} · {"spawned": pid} + pidfd
                         · {"reaped": pid, "status": n, "rss_max": bytes}
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from ..contracts import Application
from ..core.log_entry import LEVELS
from ..errors import JobdeckError
from . import child
from .identity import die_with_parent

MESSAGE_LIMIT = 1 << 20
_ERROR_LIMIT = 20_000
# What these keep is a database in memory, or a connection that belongs to one thread: both are fine in a fork.
_KEPT_POOLS = ("StaticPool", "SingletonThreadPool")


def serve(control: socket.socket, load: Callable[[], Application]) -> None:
    """Load the application, tell its job types, then fork whenever asked; returns when the supervisor is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        application = load()
        types = {job_type.id: job_type.options() for job_type in application.registry}
        settings = application.settings
    except JobdeckError as error:
        _send(control, {"error": str(error)[:_ERROR_LIMIT]})
        return
    except BaseException as error:  # an application may raise anything, and may call sys.exit
        text = f"The application cannot be loaded ({type(error).__name__}: {error})."
        _send(control, {"error": text[:_ERROR_LIMIT]})
        return
    if "celery" in sys.modules:
        # Tells tasks of Celery which run has sent them. Named as a text, because the engines stand above this floor.
        importlib.import_module("jobdeck.engines.celery_context")
    _close_databases()
    gc.collect()
    gc.freeze()
    _send(control, {"types": types, "settings": settings.as_data(), "warnings": _warnings()})
    _fork_on_demand(control, application, settings.files_folder, LEVELS[settings.log_level])


def _fork_on_demand(control: socket.socket, application: Application, files_folder: Path, log_level: int) -> None:
    while True:
        text, fds, _, _ = socket.recv_fds(control, MESSAGE_LIMIT, 3, socket.MSG_CMSG_CLOEXEC)
        if not text:
            return
        message = json.loads(text)
        if "reap" in message:
            _, status, used = os.wait4(message["reap"], 0)
            _send(control, {"reaped": message["reap"], "status": status, "rss_max": used.ru_maxrss * 1024})
            continue
        template = os.getpid()
        pid = os.fork()
        if pid == 0:
            _be_child(application, control, template, fds, files_folder, log_level)
        for fd in fds:
            os.close(fd)
        pidfd = os.pidfd_open(pid)
        _send(control, {"spawned": pid}, pidfd)
        os.close(pidfd)


def _be_child(
    application: Application, control: socket.socket, template: int, fds: list[int], files_folder: Path, log_level: int
) -> NoReturn:
    try:
        control.close()
        os.setsid()
        die_with_parent(template)
        application.after_fork()
        child.work(application, *fds, files_folder=files_folder, log_level=log_level)
    finally:
        os._exit(1)


def _warnings() -> list[str]:
    names = ", ".join(sorted(one.name for one in threading.enumerate() if one is not threading.main_thread()))
    if not names:
        return []
    return [f"The application starts threads when it is loaded ({names}); the processes that execute runs lack them."]


def _close_databases() -> None:
    """Close what the application's engines have open: a connection that two processes share breaks for both."""
    engine = getattr(sys.modules.get("sqlalchemy.engine"), "Engine", None)
    if engine is not None:
        for found in [one for one in gc.get_objects() if isinstance(one, engine)]:
            if type(found.pool).__name__ not in _KEPT_POOLS:
                found.dispose()


def _send(control: socket.socket, message: object, *fds: int) -> None:
    text = json.dumps(message).encode()
    socket.send_fds(control, [text], fds)
