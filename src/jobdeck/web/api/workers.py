"""`/workers`: who is there to do the work."""

from __future__ import annotations

from flask import Blueprint, Response

from .. import queue_shapes
from ..auth import current_desk
from . import answers


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/workers", "list_workers", list_workers, methods=["GET"])
    routes.add_url_rule("/schedulers", "list_schedulers", list_schedulers, methods=["GET"])
    routes.add_url_rule("/dispatchers", "list_dispatchers", list_dispatchers, methods=["GET"])


def list_workers() -> Response:
    """Workers that were heard of lately, oldest first, each with what it is at."""
    where = answers.links()
    return answers.whole([queue_shapes.worker(one, where) for one in current_desk().workers.list()], "started_at")


def list_schedulers() -> Response:
    """Schedulers that were heard of lately, oldest first."""
    return answers.whole([queue_shapes.scheduler(one) for one in current_desk().workers.schedulers()], "started_at")


def list_dispatchers() -> Response:
    """Dispatchers that were heard of lately, oldest first."""
    found = current_desk().workers.dispatchers()
    return answers.whole([queue_shapes.dispatcher(one) for one in found], "started_at")
