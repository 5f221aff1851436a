"""What a Celery worker imports to serve queues of jobdeck: `celery -A app worker -I jobdeck.engines.celery`.

The task `jobdeck.execute` takes a ring and returns when the run that it was good for has ended. Who executes that run, our own
worker beside this one or this very process, is `engines.within`'s to say. Neighbours: `celery_broker` sends the rings,
`celery_context` follows the tasks that runs send, `celery_beat` has the `Scheduler` for `celery beat`.
"""

# Celery has no types.
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import importlib
import logging
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import shared_task, signals

from ..core.engine import Isolation
from ..core.ring import Ring
from ..errors import JobdeckError
from ..processes.in_process import InProcess
from ..services.rings import Rings
from . import celery_lines, host
from .beside import Beside
from .celery_wire import TASK
from .within import server

logger = logging.getLogger(__name__)

NAME = "celery"
_NEVER_S = 10 * 365 * 86400


class Serving:
    """How one Celery worker serves: made in its main process before that forks, and inherited by the processes of its pool."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._main = os.getpid()
        self._server: Beside | InProcess | None = None
        self._ending: threading.Thread | None = None
        # Shared with the processes of the pool: what they have been given already must not have another worker started.
        self._is_over = mmap.mmap(-1, 1)

    def settle(self) -> None:
        """In each process that runs are delivered to, before the first one."""
        worker, is_pool = self._worker, self._main != os.getpid()
        slots = getattr(worker, "max_concurrency", None) or worker.concurrency
        is_alone = str(getattr(worker.pool_cls, "__module__", worker.pool_cls)).endswith("solo")
        if is_alone or (is_pool and host.settings().isolation is Isolation.NONE):
            slots = 1
        self._server = server(NAME, slots, self._main, is_over=lambda: bool(self._is_over[0]))

    def begin(self) -> None:
        """Be ready, and say so."""
        self.settle()
        settings = host.settings()
        queues = ", ".join(name for name in settings.queues if settings.engine_of(name) == NAME)
        where = "in this worker's own processes, which no stop and no timeout can end"
        if isinstance(self._server, Beside):
            self._server.start()
            where = "in child processes beside this worker"
        logger.info("jobdeck serves here (queues: %s); runs execute %s", queues or "none", where)

    def serve(self, ring: Ring) -> None:
        """Have the run executed that the ring is good for, if there is one; not any more when the worker ends."""
        if self._is_over[0]:
            deck = host.deck()
            patience_us = int(deck.settings.ring_patience_s * 1_000_000)
            Rings(deck.database, patience_us).back([ring], deck.office.clock.now_us())
            return
        if self._server is None:
            self.settle()
        assert self._server is not None
        self._server.serve(ring)

    def shut_down(self) -> None:
        """Let runs end in order, as long as they may take: their tasks return then, which Celery waits for."""
        if self._main != os.getpid():
            return
        self._is_over[0] = True
        if self._ending is None and self._server is not None:
            # Called where a signal was received: to wait there would keep Celery's loop from going on.
            self._ending = threading.Thread(target=self._server.end, name="jobdeck-ending")
            self._ending.start()

    def wait(self) -> None:
        """Until all of it has ended."""
        self.shut_down()
        if self._ending is not None:
            self._ending.join()

    def leave(self) -> None:
        """A process of the pool ends, which executes nothing any more."""
        if isinstance(self._server, InProcess):
            self._server.end()


_serving: Serving | None = None


# Whatever an application sets for its tasks at large, a ring is one of a kind: what it stands for may run for days, is limited
# by jobdeck alone, and is acknowledged at once, as the database knows better than a broker what is to run again.
@shared_task(
    name=TASK, acks_late=False, ignore_result=True, rate_limit=0, reject_on_worker_lost=False, serializer="json",
    soft_time_limit=_NEVER_S, time_limit=_NEVER_S, track_started=False, typing=False,
)  # fmt: skip
def execute(*args: Any, **kwargs: Any) -> None:
    """Have the run executed that a ring is good for, if there is one; what is no ring is dropped."""
    try:
        ring = Ring.of_data(args[0] if args else None)
    except ValueError as error:
        logger.warning("a message was dropped: %s", error)
        return
    if _serving is None:
        logger.error("a message was dropped: no worker of Celery has begun in this process")
        return
    try:
        _serving.serve(ring)
    except JobdeckError as error:
        # It stays queued, and is rung for again.
        logger.error("run %s cannot be served here: %s", ring.run_id, error)


@signals.worker_init.connect(weak=False)
def _prepare(sender: Any, **_: Any) -> None:
    global _serving
    _serving = Serving(sender)


@signals.celeryd_after_setup.connect(weak=False)
def _take_queues(instance: Any, **_: Any) -> None:
    """Without `-Q`, a worker takes jobdeck's queues beside its own."""
    queues = instance.app.amqp.queues
    if getattr(queues, "_consume_from", None) is None:
        with _told():
            for route in host.settings().engines.values():
                if route.engine == NAME:
                    queues.select_add(queues[route.queue])


@signals.worker_process_init.connect(weak=False)
def _settle(**_: Any) -> None:
    if _serving is not None:
        with _told():
            _serving.settle()


@signals.worker_ready.connect(weak=False)
def _begin(**_: Any) -> None:
    if _serving is not None:
        with _told():
            _serving.begin()


@signals.worker_shutting_down.connect(weak=False)
def _shut_down(**_: Any) -> None:
    if _serving is not None:
        _serving.shut_down()


@signals.worker_shutdown.connect(weak=False)
def _wait(**_: Any) -> None:
    if _serving is not None:
        _serving.wait()
    celery_lines.finish()


@signals.worker_process_shutdown.connect(weak=False)
def _leave(**_: Any) -> None:
    if _serving is not None:
        with _told():
            _serving.leave()
    celery_lines.finish()


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with jobdeck's settings is told, and keeps no worker of Celery from its other tasks."""
    try:
        yield
    except JobdeckError as error:
        logger.error("jobdeck cannot serve here: %s", error)


def __getattr__(name: str) -> Any:
    if name == "Scheduler":
        # Named as a text: a worker does without what beat needs.
        return importlib.import_module("jobdeck.engines.celery_beat").Scheduler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
