"""What every resource of the API needs to answer: links, the time, and values in their REST shape."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Response, current_app, request

from ...core.filters import Listing
from ...core.job import Job
from ...core.run import Run
from ...definitions.registry import Registry
from .. import representations
from ..auth import current_desk
from ..bodies import json_response
from ..representations import Known, Links


def links() -> Links:
    """Links as this request's caller can follow them."""
    return Links.of(current_app.extensions["jobdeck"].settings, request.url_root)


def registry() -> Registry:
    """The job types of the deck at hand."""
    found: Registry = current_app.extensions["jobdeck"].registry
    return found


def run(value: Run, status: int = 200) -> Response:
    """One run."""
    return json_response(representations.run(value, links(), known([value])), status)


def runs(shown: Listing[Run], parameters: dict[str, Any]) -> Response:
    """A page of runs."""
    where, told = links(), known(shown.items)
    items = [representations.run(value, where, told) for value in shown.items]
    return json_response(representations.envelope(shown, items, _address(), parameters, "created"))


def job(value: Job, status: int = 200) -> Response:
    """One job."""
    return json_response(_job(value, _known([value])), status)


def jobs(shown: Listing[Job], parameters: dict[str, Any]) -> Response:
    """A page of jobs."""
    told = _known(shown.items)
    items = [_job(value, told) for value in shown.items]
    return json_response(representations.envelope(shown, items, _address(), parameters, "title"))


def page(
    shown: Listing[Any],
    items: Sequence[dict[str, Any]],
    parameters: dict[str, Any],
    sort_by: str,
    *,
    cursor: str = "id",
) -> Response:
    """A page of a list whose items have their shape already."""
    return json_response(representations.envelope(shown, list(items), _address(), parameters, sort_by, cursor=cursor))


def whole(items: Sequence[dict[str, Any]], sort_by: str) -> Response:
    """A short list."""
    return json_response(representations.whole(list(items), _address(), sort_by))


def known(of: Sequence[Run]) -> Known:
    """What is told of these runs beside what they are."""
    desk = current_desk()
    return Known(now=datetime.now(UTC), reasons=desk.runs.waiting_reasons(of), carriers=desk.queues.carriers())


def _known(shown: Sequence[Job]) -> Known:
    return known(representations.runs_of(shown))


def _job(value: Job, told: Known) -> dict[str, Any]:
    arguments, problem = current_desk().jobs.default_arguments(value)
    return representations.job(
        value,
        links(),
        told,
        type_known=registry().find(value.type) is not None,
        default_args=arguments,
        problem=problem,
    )


def _address() -> str:
    prefix: str = current_app.extensions["jobdeck"].settings.api_prefix
    return links().api + request.path.removeprefix(prefix)
