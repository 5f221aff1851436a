"""`/jobs`: saved jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, Response

from ...core.filters import JobFilter
from ...errors import FieldError, InvalidInput
from ..auth import current_desk
from ..bodies import read_object
from . import answers, arguments, queries

# The wire's names of fields that the services call otherwise.
_WIRE = {"type": "task", "queue": "default_queue"}
_PLAIN = (
    "title",
    "task",
    "default_queue",
    "description",
    "active",
    "timeout",
    "priority",
    "max_attempts",
    "limit",
    "limit_policy",
    "after_job",
    "after_need",
    "schedule",
    "notification_emails",
    "notification_statuses",
)
_ALLOWED = (*_PLAIN, "args", "run_args", "custom_args")
_SERVER_OWNED = (
    "id",
    "created",
    "updated",
    "links",
    "type_known",
    "problem",
    "default_args",
    "next_run",
    "last_run",
    "last_runs",
)


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/jobs", "list_jobs", list_jobs, methods=["GET"])
    routes.add_url_rule("/jobs", "create_job", create_job, methods=["POST"])
    routes.add_url_rule("/jobs/<job_id>", "show_job", show_job, methods=["GET"])
    routes.add_url_rule("/jobs/<job_id>", "change_job", change_job, methods=["PUT", "PATCH"])
    routes.add_url_rule("/jobs/<job_id>", "delete_job", delete_job, methods=["DELETE"])


def list_jobs() -> Response:
    """Jobs by title; `q`, `active` and `task` narrow the list."""
    wanted = JobFilter(type=queries.text("task"), active=queries.boolean("active"), text=queries.text("q"))
    shown = current_desk().jobs.list(wanted, queries.page())
    return answers.jobs(shown, queries.kept("task", "active", "q"))


def create_job() -> Response:
    """Save a new job."""
    given = _given()
    missing = [name for name in ("title", "type") if name not in given]
    if missing:
        raise InvalidInput(
            FieldError(field=_WIRE.get(name, name), messages=("Missing data for required field.",)) for name in missing
        )
    with _wire_names():
        job = current_desk().jobs.create(**given)
    return answers.job(job, 201)


def show_job(job_id: str) -> Response:
    """One job."""
    return answers.job(current_desk().jobs.get(queries.identifier(job_id, "job_id")))


def change_job(job_id: str) -> Response:
    """Change the fields that the body names; what it leaves out stays as it is."""
    found = queries.identifier(job_id, "job_id")
    given = _given()
    with _wire_names():
        job = current_desk().jobs.update(found, **given)
    return answers.job(job)


def delete_job(job_id: str) -> Response:
    """Delete a job; its runs stay readable."""
    current_desk().jobs.delete(queries.identifier(job_id, "job_id"))
    return Response(status=204)


def _given() -> dict[str, Any]:
    body = read_object(_ALLOWED, _SERVER_OWNED)
    names = {wire: name for name, wire in _WIRE.items()}
    return {names.get(name, name): body[name] for name in _PLAIN if name in body} | arguments.of_job(body)


@contextmanager
def _wire_names() -> Iterator[None]:
    """Name wrong fields as the caller named them."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(
            (FieldError(field=_WIRE.get(e.field, e.field), messages=e.messages) for e in error.errors),
            error.message,
        ) from None
