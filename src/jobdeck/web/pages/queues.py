"""Queues: how full they are; pausing, resuming and limiting them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, request

from ...core.engine import DATABASE
from ...core.queue import Queue
from ...errors import InvalidInput
from ..auth import current_desk
from . import typed
from .rendering import go, page


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/queues", "list_queues", list_queues, methods=["GET"])
    routes.add_url_rule("/queues/<name>/pause", "pause_queue", pause_queue, methods=["POST"])
    routes.add_url_rule("/queues/<name>/resume", "resume_queue", resume_queue, methods=["POST"])
    routes.add_url_rule("/queues/<name>/limit", "limit_queue", limit_queue, methods=["POST"])


def list_queues() -> Response:
    """Every queue: what waits and works there."""
    return _page({})


def pause_queue(name: str) -> Response:
    """Let no run of a queue begin."""
    current_desk().queues.pause(name, typed.text("reason"))
    return go("list_queues", "paused")


def resume_queue(name: str) -> Response:
    """Let its runs begin again."""
    current_desk().queues.resume(name)
    return go("list_queues", "resumed")


def limit_queue(name: str) -> Response:
    """Say how many of its runs may be at work at once."""
    queues = current_desk().queues
    try:
        queues.limit(name, typed.number("limit"))
    except InvalidInput as error:
        wrong = {name: (request.form.get("limit", ""), " ".join(error.errors[0].messages))}
        return _page(wrong, 400)
    return go("list_queues", "limited")


def _page(wrong: dict[str, tuple[str, str]], code: int = 200) -> Response:
    queues = current_desk().queues
    found = queues.list()
    return page("queues.html", code, queues=found, alerts=queues.alerts(), engines=_engines(found), wrong=wrong)


def _engines(queues: Sequence[Queue]) -> list[dict[str, Any]]:
    """Each engine but the database, with what it carries and what it cannot do."""
    found: dict[str, dict[str, Any]] = {}
    for queue in queues:
        carrier = queue.carrier
        if carrier.engine != DATABASE:
            told: dict[str, Any] = {"carrier": carrier, "titles": [], "cannot": queue.cannot, "problem": queue.problem}
            found.setdefault(carrier.engine, told)["titles"].append(queue.title)
    return list(found.values())
