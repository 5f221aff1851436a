"""Running again: one run as it was or with other arguments, and all that fit a filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, request

from ...core import json_values
from ...core.run import Run
from ...errors import Conflict, FieldError, InvalidInput
from ..auth import current_desk
from . import arguments, forms, wanted
from .display import pretty
from .rendering import find_type, go, identifier, page, type_titles
from .titles import title_of

_JSON = "arguments"


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/runs/again", "run_all_again", run_all_again, methods=["GET", "POST"])
    routes.add_url_rule("/runs/<run_id>/again", "run_again", run_again, methods=["POST"])
    routes.add_url_rule("/runs/<run_id>/again/form", "change_again", change_again, methods=["GET", "POST"])


def run_again(run_id: str) -> Response:
    """Run again what a run ran, as it was."""
    return go("show_run", "again", run_id=current_desk().runs.again(identifier(run_id, "run")).id)


def change_again(run_id: str) -> Response:
    """The form with a run's arguments; a POST runs it again with those in the form."""
    desk = current_desk()
    run = desk.runs.get(identifier(run_id, "run"))
    job_type = find_type(run.type)
    if run.type is not None and job_type is None:
        raise Conflict(f"The job type {run.type!r} of this run is not registered any more.")
    errors: Sequence[FieldError] = ()
    if request.method == "POST":
        given = arguments.read(job_type, run.arguments) if job_type else _read_json()
        try:
            if given.problems:
                raise InvalidInput(given.problems)
            return go("show_run", "again", run_id=desk.runs.again(run_id, given.arguments or {}).id)
        except InvalidInput as error:
            errors = arguments.refused(error, given)
    return page(
        "again_form.html",
        400 if errors else 200,
        run=run,
        title=title_of(desk, run),
        job_type=job_type,
        **(arguments.shown(job_type, run.arguments, None, errors) if job_type else _as_json(run, errors)),
    )


def run_all_again() -> Response:
    """Ask whether all finished runs that fit should be run again, saying how many they are; then do so."""
    desk = current_desk()
    asked = wanted.of(request.form if request.method == "POST" else request.args)
    if not wanted.may_be_repeated(asked):
        raise InvalidInput.of("status", "Choose a status of runs that have ended.")
    if request.method == "POST":
        desk.runs.again_all(asked)
        return go("list_runs", "again-all")
    job = desk.jobs.titles([asked.job_id]).get(asked.job_id, "a deleted job") if asked.job_id else None
    return page(
        "again_all.html",
        asked=asked,
        fields=wanted.fields(asked),
        shown=desk.runs.list(asked),
        job=job,
        types=type_titles(),
    )


def _read_json() -> arguments.Given:
    """The arguments of a plain function, whose names nobody has told: one JSON object."""
    given = arguments.Given()
    text = request.form.get(_JSON, "").strip()
    try:
        value = json_values.loads(text) if text else {}
    except json_values.NotJson as error:
        given.problems.append(FieldError(field=forms.ROOT, messages=(str(error),)))
        return given
    if isinstance(value, dict):
        given.arguments = value
    else:
        given.problems.append(FieldError(field=forms.ROOT, messages=('Must be an object: {"name": value}.',)))
    return given


def _as_json(run: Run, errors: Sequence[FieldError]) -> dict[str, Any]:
    told = request.form.get(_JSON) if request.method == "POST" else pretty(run.arguments)
    summary = [(_JSON, "Arguments", message) for error in errors for message in error.messages]
    return {"json_text": told, "summary": summary, "wrong_json": " ".join(message for _, _, message in summary)}
