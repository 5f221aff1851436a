"""`/queues`: how full they are; pausing, resuming and limiting them."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, Response

from ...core.queue import Queue
from ...errors import InvalidInput
from .. import queue_shapes
from ..auth import current_desk
from ..bodies import json_response, read_object
from . import answers

_SERVER_OWNED = (
    "name", "title", "engine", "engine_queue", "isolation", "queued", "running", "oldest_waiting_at", "oldest_waiting_age",
    "depth", "workers", "processes", "paused", "cannot", "problem", "alert", "command", "links",
)  # fmt: skip


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/queues", "list_queues", list_queues, methods=["GET"])
    routes.add_url_rule("/queues/<name>", "show_queue", show_queue, methods=["GET"])
    routes.add_url_rule("/queues/<name>", "change_queue", change_queue, methods=["PUT", "PATCH"])
    routes.add_url_rule("/queues/<name>/actions/pause", "pause_queue", pause_queue, methods=["POST"])
    routes.add_url_rule("/queues/<name>/actions/resume", "resume_queue", resume_queue, methods=["POST"])


def list_queues() -> Response:
    """All queues, in the order of the settings."""
    where, now = answers.links(), datetime.now(UTC)
    return answers.whole([queue_shapes.queue(one, where, now) for one in current_desk().queues.list()], "name")


def show_queue(name: str) -> Response:
    """One queue."""
    return _queue(current_desk().queues.get(name))


def change_queue(name: str) -> Response:
    """Say how many of its runs may be at work at once: `{"limit": 3}`; null for any number."""
    body = read_object(("limit",), _SERVER_OWNED)
    if "limit" not in body:
        raise InvalidInput.of("limit", "Missing data for required field.")
    return _queue(current_desk().queues.limit(name, body["limit"]))


def pause_queue(name: str) -> Response:
    """Let no run of the queue begin; the body may say why: `{"reason": "…"}`."""
    return _queue(current_desk().queues.pause(name, read_object(("reason",)).get("reason")))


def resume_queue(name: str) -> Response:
    """Let its runs begin again."""
    read_object(())
    return _queue(current_desk().queues.resume(name))


def _queue(value: Queue) -> Response:
    return json_response(queue_shapes.queue(value, answers.links(), datetime.now(UTC)))
