"""Job types: what can be run, and running one once without a saved job."""

from __future__ import annotations

from flask import Blueprint, Response

from ...core.filters import JobFilter, RunFilter
from ..auth import current_desk
from . import jobs
from .rendering import page, page_asked
from .titles import titles_of


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/types", "list_types", list_types, methods=["GET"])
    routes.add_url_rule("/types/<type_id>", "show_type", show_type, methods=["GET"])
    routes.add_url_rule("/types/<type_id>/run", "run_type", run_type, methods=["GET", "POST"])


def list_types() -> Response:
    """Every job type."""
    return page("types.html", types=current_desk().types.list())


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
        arguments=list(shape.get("properties", {}).items()),
        required=shape.get("required", ()),
        jobs=desk.jobs.list(JobFilter(type=type_id)),
        runs=runs,
        titles=titles_of(desk, runs.items),
    )


def run_type(type_id: str) -> Response:
    """Run a type once."""
    return jobs.start(type_id, current_desk().types.get(type_id), None)
