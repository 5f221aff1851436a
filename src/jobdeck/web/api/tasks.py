"""`/tasks`: job types, which the wire calls tasks."""

from __future__ import annotations

from flask import Blueprint, Response

from ...definitions.job_type import fields_of
from .. import representations
from ..auth import current_desk
from ..bodies import json_response, read_object
from . import answers, queries, starts


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/tasks", "list_tasks", list_tasks, methods=["GET"])
    routes.add_url_rule("/tasks/<task_id>", "show_task", show_task, methods=["GET"])
    routes.add_url_rule("/tasks/<task_id>/args", "show_task_args", show_args, methods=["GET"])
    routes.add_url_rule("/tasks/<task_id>/runs", "start_task", start_task, methods=["POST"])
    routes.add_url_rule("/tasks/<task_id>/actions/pause", "pause_task", pause_task, methods=["POST"])
    routes.add_url_rule("/tasks/<task_id>/actions/resume", "resume_task", resume_task, methods=["POST"])


def list_tasks() -> Response:
    """Every job type, by title; `q` looks into ids and titles."""
    words = (queries.text("q") or "").lower()
    types = current_desk().types
    found, paused = [one for one in types.list() if words in f"{one.id} {one.title}".lower()], types.paused()
    return answers.whole([representations.task(one, answers.links(), paused) for one in found], "title")


def show_task(task_id: str) -> Response:
    """One job type, with the JSON Schema of its arguments."""
    return _task(task_id)


def show_args(task_id: str) -> Response:
    """The fields of a type's arguments, as a form shows them; {} without a schema."""
    schema = current_desk().types.get(task_id).schema()
    return json_response({} if schema is None else fields_of(schema.json_schema()))


def start_task(task_id: str) -> Response:
    """Run a type once, without a saved job."""
    return starts.start(current_desk().types.get(task_id).id)


def pause_task(task_id: str) -> Response:
    """Let no run of the type begin; the body may say why: `{"reason": "…"}`."""
    current_desk().types.pause(task_id, read_object(("reason",)).get("reason"))
    return _task(task_id)


def resume_task(task_id: str) -> Response:
    """Let its runs begin again."""
    read_object(())
    current_desk().types.resume(task_id)
    return _task(task_id)


def _task(task_id: str) -> Response:
    types = current_desk().types
    found = types.get(task_id)
    schema = found.schema()
    shape = representations.task(found, answers.links(), types.paused())
    return json_response({**shape, "schema": None if schema is None else schema.json_schema()})
