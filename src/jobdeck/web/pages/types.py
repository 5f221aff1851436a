"""Job types: what can be run, running one once without a saved job, pausing it."""

from __future__ import annotations

from flask import Blueprint, Response

from ...core.filters import JobFilter, RunFilter
from ...core.retry import policy_of
from ..auth import current_desk
from . import jobs, typed
from .rendering import go, page, page_asked
from .titles import titles_of


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/types", "list_types", list_types, methods=["GET"])
    routes.add_url_rule("/types/<type_id>", "show_type", show_type, methods=["GET"])
    routes.add_url_rule("/types/<type_id>/run", "run_type", run_type, methods=["GET", "POST"])
    routes.add_url_rule("/types/<type_id>/pause", "pause_type", pause_type, methods=["POST"])
    routes.add_url_rule("/types/<type_id>/resume", "resume_type", resume_type, methods=["POST"])


def list_types() -> Response:
    """Every job type, and how it is run."""
    types = current_desk().types
    listed, paused = types.list(), types.paused()
    known = {one.id for one in listed}
    return page(
        "types.html",
        types=listed,
        retries={one.id: policy_of(one.retry) for one in listed},
        options={one.id: one.options() for one in listed},
        paused=paused,
        gone=sorted(paused.keys() - known),
    )


def show_type(type_id: str) -> Response:
    """One job type: its arguments, its jobs, its runs."""
    desk = current_desk()
    job_type = desk.types.get(type_id)
    schema = job_type.schema()
    shape = {} if schema is None else schema.json_schema()
    runs = desk.runs.list(RunFilter(type=type_id), page_asked())
    return page(
        "type.html",
        job_type=job_type,
        options=job_type.options(),
        retry=policy_of(job_type.retry),
        pause=desk.types.paused().get(type_id),
        arguments=list(shape.get("properties", {}).items()),
        required=shape.get("required", ()),
        jobs=desk.jobs.list(JobFilter(type=type_id)),
        runs=runs,
        titles=titles_of(desk, runs.items),
        reasons=desk.runs.waiting_reasons(runs.items),
    )


def run_type(type_id: str) -> Response:
    """Run a type once."""
    return jobs.start(type_id, current_desk().types.get(type_id), None)


def pause_type(type_id: str) -> Response:
    """Let no run of a type begin."""
    current_desk().types.pause(type_id, typed.text("reason"))
    return go("show_type", "paused", type_id=type_id)


def resume_type(type_id: str) -> Response:
    """Let its runs begin again."""
    current_desk().types.resume(type_id)
    return go("list_types", "resumed")
