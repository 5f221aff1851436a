"""What `--json` prints: the shapes of REST, made with the caller's services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.job import Job
from ..core.queue import Pause
from ..core.run import Run
from ..errors import StoreError
from ..web import representations
from . import moments
from .session import Session


def run(session: Session, value: Run) -> dict[str, Any]:
    """One run."""
    return runs(session, [value])[0]


def runs(session: Session, values: Sequence[Run]) -> list[dict[str, Any]]:
    """Runs, with what they wait for."""
    told = _known(session, values)
    return [representations.run(value, session.links, told) for value in values]


def job(session: Session, value: Job) -> dict[str, Any]:
    """One job."""
    return jobs(session, [value])[0]


def jobs(session: Session, values: Sequence[Job]) -> list[dict[str, Any]]:
    """Jobs, with their last runs."""
    told = _known(session, representations.runs_of(values))
    shapes = []
    for value in values:
        arguments, problem = session.desk.jobs.default_arguments(value)
        is_known = session.deck.registry.find(value.type) is not None
        shapes.append(representations.job(
            value, session.links, told, type_known=is_known, default_args=arguments, problem=problem,
        ))  # fmt: skip
    return shapes


def _known(session: Session, of: Sequence[Run]) -> representations.Known:
    desk = session.desk
    return representations.Known(
        now=moments.now(), reasons=desk.runs.waiting_reasons(of), carriers=desk.queues.carriers()
    )


def paused_types(session: Session) -> Mapping[str, Pause]:
    """Which types are paused; none while there are no tables, as types can be listed without them."""
    try:
        return session.desk.types.paused()
    except StoreError:
        return {}
