"""`/workers`: who is there to do the work."""

from __future__ import annotations

from flask import Blueprint, Response

from .. import representations
from ..auth import current_desk
from . import answers


def add_to(routes: Blueprint) -> None:
    """Register the route."""
    routes.add_url_rule("/workers", "list_workers", list_workers, methods=["GET"])


def list_workers() -> Response:
    """Workers that were heard of lately, oldest first."""
    return answers.whole([representations.worker(one) for one in current_desk().workers.list()], "started_at")
