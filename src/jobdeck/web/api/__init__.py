"""The JSON interface: one blueprint, one module a resource."""

from __future__ import annotations

from flask import Blueprint, request

from ...deck import Deck
from ..bodies import check_accept
from . import jobs, logs, previews, queues, runs, schedules, starts, tasks, workers

NAME = "jobdeck_api"


def blueprint(deck: Deck) -> Blueprint:
    """The routes below the API prefix. Who may use them is checked where the blueprint is mounted."""
    routes = Blueprint(NAME, __name__, url_prefix=deck.settings.api_prefix)
    for resource in (jobs, schedules, previews, runs, starts, tasks, queues, logs, workers):
        resource.add_to(routes)
    routes.before_request(_check_accept)
    return routes


def _check_accept() -> None:
    # A file has a type of its own, which whoever downloads it need not know.
    if not (request.endpoint or "").endswith("_file"):
        check_accept()
