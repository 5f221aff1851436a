"""Engines that execute runs where they are rung: whoever enqueues rings them itself, after the commit."""

from __future__ import annotations

import logging
from collections.abc import Collection

from ..contracts import Engine
from ..core.new_run import NewRun
from ..core.ring import Ring
from ..errors import ConfigurationError
from .office import Office

logger = logging.getLogger(__name__)


def engine_of(office: Office, queue: str) -> Engine | None:
    """The engine that executes the runs of a queue as soon as it is rung; None when they wait for somebody else."""
    route = office.settings.engines.get(queue)
    if route is None:
        return None
    try:
        engine = office.engines()[route.engine]
    except ConfigurationError:
        # Whoever has to use it says so; a run can be queued all the same.
        return None
    return engine if engine.is_immediate else None


def ring(office: Office, new: Collection[NewRun]) -> None:
    """Have those of these runs executed whose engine does that at once. Whatever goes wrong there, they are queued."""
    if not office.settings.engines:
        return
    for queue in dict.fromkeys(run.queue for run in new):
        engine = engine_of(office, queue)
        if engine is None:
            continue
        rings = [Ring(run_id=run.id, number=1, queue=queue) for run in new if run.queue == queue]
        try:
            engine.ring(rings)
        except Exception:  # the run is stored: whoever enqueued it has nothing to do again
            logger.exception(
                "%d runs in the queue %s wait, as the engine %s has failed", len(rings), queue, engine.name
            )
