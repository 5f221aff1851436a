"""Who is there to do the work."""

from __future__ import annotations

from flask import Blueprint, Response

from ..auth import current_desk
from .rendering import page


def add_to(routes: Blueprint) -> None:
    """Register the route."""
    routes.add_url_rule("/workers", "list_workers", list_workers, methods=["GET"])


def list_workers() -> Response:
    """Workers that were heard of lately, and how much waits for them."""
    desk = current_desk()
    return page("workers.html", workers=desk.workers.list(), waiting=desk.runs.waiting())
