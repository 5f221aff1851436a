"""Who is there to do the work."""

from __future__ import annotations

from flask import Blueprint, Response

from ...core.filters import Page
from ..auth import current_desk
from .rendering import page
from .titles import titles_of


def add_to(routes: Blueprint) -> None:
    """Register the route."""
    routes.add_url_rule("/workers", "list_workers", list_workers, methods=["GET"])


def list_workers() -> Response:
    """Workers, schedulers and dispatchers that were heard of lately, and how much waits for them."""
    desk = current_desk()
    workers = desk.workers.list()
    return page(
        "workers.html",
        workers=workers,
        titles=titles_of(desk, [run for worker in workers for run in worker.holds]),
        schedulers=desk.workers.schedulers(),
        dispatchers=desk.workers.dispatchers(),
        are_rung=any(carrier.is_rung for carrier in desk.queues.carriers().values()),
        alerts=desk.queues.alerts(),
        waiting=desk.runs.waiting(),
        is_planned=desk.schedules.list(None, Page(size=1)).total > 0,
    )
