"""New runs: of a job, of a type, and of a run again."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from ...core.filters import RunFilter
from ...core.run import SHOWN_STATUSES
from ...errors import InvalidInput
from ..auth import current_desk
from ..bodies import json_response, read_object
from . import answers, arguments, queries

_OPTIONS = (
    "title", "queue", "timeout", "priority", "retry", "start_at", "start_in", "expires_at", "expires_in", "unique_key",
    "unique_policy", "after", "after_need",
)  # fmt: skip
_SERVER_OWNED = (
    "id", "job_id", "type", "function", "status", "reason", "message", "trigger", "result", "progress", "attempt",
    "max_attempts", "waiting_reasons", "open_dependencies", "limit", "limit_policy", "retry_of", "rescues", "created",
    "updated", "started_at", "finished_at", "started_by_id", "started_by", "stop_requested_at", "stop_requested_by",
    "stop_reason", "task_id", "parent_run_id", "subtasks", "subtasks_closed", "total_subtasks", "completed_subtasks",
    "failed_subtasks", "errored_entries", "inserted_entries", "updated_entries", "total_entries", "files", "links",
    "positional",
)  # fmt: skip
_FILTER = {"job_id": "job_id", "parent_id": "parent_id", "type": "type", "queue": "queue", "q": "text"}


def add_to(routes: Blueprint) -> None:
    """Register the routes; a type is started below `/tasks`."""
    routes.add_url_rule("/jobs/<job_id>/runs", "start_job", start_job, methods=["POST"])
    routes.add_url_rule("/runs/actions/again", "run_all_again", run_all_again, methods=["POST"])
    routes.add_url_rule("/runs/<run_id>/actions/again", "run_again", run_again, methods=["POST"])
    routes.add_url_rule("/jobs/<job_id>/runs/<run_id>/actions/again", "run_job_run_again", run_again, methods=["POST"])


def start_job(job_id: str) -> Response:
    """Start a saved job."""
    return start(queries.identifier(job_id, "job_id"))


def start(target: str) -> Response:
    """Start a job (by its id) or a type (by its id) with what the body says."""
    body = read_object((*_OPTIONS, "args", "custom_args"), _SERVER_OWNED)
    given: dict[str, Any] = {name: body[name] for name in _OPTIONS if body.get(name) is not None}
    if not isinstance(given.get("after", []), list):
        raise InvalidInput.of("after", "Must be a list of ids of runs.")
    return answers.run(current_desk().runs.start(target, **arguments.of_run(body), **given), 201)


def run_again(run_id: str, job_id: str | None = None) -> Response:
    """Run again what a finished run ran; `args` in the body are other arguments."""
    found, of_job = queries.run_ids(run_id, job_id)
    given = arguments.of_again(read_object(("args",)))
    return answers.run(current_desk().runs.again(found, given, job_id=of_job), 201)


def run_all_again() -> Response:
    """Run again every finished run that fits the body: `job_id`, `parent_id`, `type`, `queue`, `status` (a list), `q`."""
    body = read_object((*_FILTER, "status"))
    if not any(body.values()):
        raise InvalidInput.of("_schema", f"Name at least one of: {', '.join([*_FILTER, 'status'])}.")
    for name in body.keys() & _FILTER.keys():
        if not isinstance(body[name], str) or not body[name].strip():
            raise InvalidInput.of(name, "Must be a text.")
    given: dict[str, Any] = {_FILTER[name]: body[name].strip() for name in body.keys() & _FILTER.keys()}
    for name in given.keys() & {"job_id", "parent_id"}:
        given[name] = queries.identifier(given[name], name)
    made = current_desk().runs.again_all(RunFilter(**given, statuses=_statuses(body)))
    return json_response({"ids": list(made), "total": len(made)}, 201)


def _statuses(body: dict[str, Any]) -> tuple[str, ...]:
    given = body.get("status", [])
    if not isinstance(given, list) or any(one not in SHOWN_STATUSES for one in given):
        raise InvalidInput.of("status", f"Must be a list of: {', '.join(SHOWN_STATUSES)}.")
    return tuple(given)
