"""The pages: one blueprint, one module a resource, Jinja templates. Everything works without scripts."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, url_for

from ...deck import Deck
from . import again, jobs, logs, queues, runs, schedule_editing, schedule_words, schedules, sessions, types, workers
from .display import FILTERS
from .rendering import context

NAME = "jobdeck_pages"


def blueprint(deck: Deck) -> Blueprint:
    """The routes below the pages' prefix. Who may see them is checked where the blueprint is mounted."""
    routes = Blueprint(
        NAME, __name__, url_prefix=deck.settings.pages_prefix, static_folder="../static", template_folder="../templates"
    )
    for resource in (sessions, jobs, schedules, schedule_editing, again, runs, logs, types, queues, workers):
        resource.add_to(routes)
    routes.add_url_rule("/", "home", _home, methods=["GET"])
    for name, function in {**FILTERS, **schedule_words.FILTERS}.items():
        routes.add_app_template_filter(function, f"jobdeck_{name}")
    routes.context_processor(context)
    return routes


def _home() -> Response:
    response: Response = redirect(url_for(".list_jobs"))  # type: ignore[assignment]  # werkzeug's class, Flask's at run time
    return response
