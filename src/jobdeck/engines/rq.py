"""What RQ's workers call for each ring. It runs in the work-horse that RQ forks for every job, or in the worker itself
(`SimpleWorker`), and returns when the run that the ring was good for has ended.

Started as `rq worker --serializer rq.serializers.JSONSerializer -c jobdeck.engines.rq_loaded QUEUE`.
"""

from __future__ import annotations

import atexit
import gc
import json
import logging
import os
import signal
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rq import get_current_job

from ..config import Settings
from ..core.ring import Ring
from ..errors import ConfigurationError, JobdeckError, StoreError
from ..processes.identity import die_with_parent
from . import host, within
from .beside import Beside
from .rq_broker import NAME

if TYPE_CHECKING:
    from ..processes.in_process import InProcess

logger = logging.getLogger(__name__)


def execute(data: Any) -> None:
    """Have the run executed that a ring is good for, if there is one; what is no ring is dropped.

    JobdeckError says what keeps runs from being executed here: RQ keeps it with the message, and the run is rung for again.
    """
    try:
        ring = Ring.of_data(data)
    except ValueError as error:
        logger.warning("a message was dropped: %s", error)
        return
    is_horse = _is_horse()
    worker = _parent() if is_horse else os.getpid()
    server = _server(worker)
    if not is_horse or isinstance(server, Beside):
        server.serve(ring)
        return
    # Sent to every process of a service that is to end: here it would kill the run, which is asked to end instead.
    signal.signal(signal.SIGTERM, lambda *_: server.begin_ending())
    try:
        server.serve(ring)
    finally:
        server.end(vanish=True)


def prepare() -> None:
    """Be ready in an RQ worker that is going to fork for every job; the larger it is, the longer each fork takes."""
    host.take_settings(_settings())
    server = _server(os.getpid())
    if isinstance(server, Beside):
        server.start()
    else:
        # Only to be faster: what is away now may be there when a run comes.
        with suppress(StoreError):
            server.prepare()
    # What is never collected is never written to, and stays shared with those that are forked.
    gc.collect()
    gc.freeze()


def _settings() -> Settings:
    """The settings, read in a process of its own: the application that they may come from is not needed for anything else here."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with open(writer, "w") as pipe:
                json.dump(_told(), pipe)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    found = json.loads(said or '{"error": "The process that was to read the settings has died."}')
    if "error" in found:
        raise ConfigurationError(found["error"])
    return Settings.of_data(found["settings"])


def _told() -> dict[str, Any]:
    try:
        return {"settings": host.settings().as_data()}
    except Exception as error:  # an application may fail in any way while it is loaded
        return {"error": str(error) if isinstance(error, JobdeckError) else repr(error)}


@cache
def _server(worker: int) -> Beside | InProcess:
    """Executes for the RQ worker with this process id; in a work-horse it may have been made before the fork."""
    server = within.server(NAME, slots=1, watched=worker)
    if worker == os.getpid() and not isinstance(server, Beside):
        atexit.register(server.end)
    return server


def _parent() -> int:
    """The RQ worker that forked this process, which ends when that is gone: alone it would serve nobody."""
    parent = os.getppid()
    with suppress(OSError):
        # Whoever adopts the children of a killed worker is another program.
        if Path(f"/proc/{parent}/exe").samefile("/proc/self/exe"):
            die_with_parent(parent)
            return parent
    os._exit(0)


def _is_horse() -> bool:
    """Whether this process was forked, or spawned, for the job at hand alone."""
    job = get_current_job()
    # Told to a work-horse by its worker; what is inherited from another one names another job.
    return job is not None and os.environ.get("RQ_JOB_ID") == job.id
