"""Putting the pages and the API on a Flask application: ours, or a host's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from flask import Blueprint, Flask, Response, make_response, redirect, request
from werkzeug.exceptions import HTTPException, NotFound

from ..contracts import Authenticator
from ..deck import Deck
from ..errors import JobdeckError, StoreError
from . import api, errors, pages, security
from .auth import Doorkeeper
from .bodies import json_response
from .pages import errors as error_pages

logger = logging.getLogger(__name__)

Answer = Callable[[Exception], Response]


def mount(app: Flask, deck: Deck, authenticator: Authenticator | None = None) -> None:
    """Register both blueprints, guarded; answer `/` and `/healthz` where the host has nothing there."""
    doorkeeper = Doorkeeper(app, deck, authenticator)
    app.extensions["jobdeck_doorkeeper"] = doorkeeper
    interface, shown = api.blueprint(deck), pages.blueprint(deck)
    interface.before_request(doorkeeper.guard_api)
    shown.before_request(doorkeeper.guard_pages)
    _register(app, interface, errors.as_json)
    _register(app, shown, as_page)
    ours = (
        (_first_segments(app, f"{api.NAME}.", deck.settings.api_prefix), errors.as_json),
        (_first_segments(app, f"{pages.NAME}.", deck.settings.pages_prefix), as_page),
    )
    app.before_request(partial(_answer_unrouted, deck, ours))


def as_page(error: Exception) -> Response:
    """The answer of the pages."""
    plain, status = errors.told(error)
    response = make_response(error_pages.render(plain, status), status)
    return errors.with_headers_of(error, response)


def _register(app: Flask, blueprint: Blueprint, answer: Answer) -> None:
    def handle(error: Exception) -> Response:
        if isinstance(error, HTTPException) and (error.code is None or error.code < 400):
            return make_response(error.get_response())
        return answer(error)

    blueprint.register_error_handler(Exception, handle)
    blueprint.after_request(security.apply)
    app.register_blueprint(blueprint)


def _first_segments(app: Flask, endpoints: str, prefix: str) -> frozenset[str]:
    """`/api/jobs`, `/api/runs`, …: below these every path is ours, also one without a route."""
    rules = (rule.rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith(endpoints))
    found = {"/".join(rule.split("/")[: prefix.count("/") + 2]) for rule in rules}
    return frozenset(found - {f"{prefix}/"})


def _answer_unrouted(deck: Deck, ours: Sequence[tuple[frozenset[str], Answer]]) -> Response | None:
    """What the application has no route for, but we have an answer to; None leaves it to the application."""
    error = request.routing_exception
    if error is None:
        return None
    path, settings = request.path, deck.settings
    if isinstance(error, NotFound) and request.method in ("GET", "HEAD"):
        if path == "/":
            return security.apply(make_response(redirect(f"{request.script_root}{settings.pages_prefix}/jobs")))
        if path == "/healthz":
            return security.apply(_health(deck))
    if (error.code or 0) < 400:
        return None
    for roots, answer in ours:
        if any(path == root or path.startswith(f"{root}/") for root in roots):
            return security.apply(answer(error))
    return None


def _health(deck: Deck) -> Response:
    try:
        deck.check_schema()
    except JobdeckError as error:
        logger.warning("not healthy: %s", error)
        message = "The database cannot be reached." if type(error) is StoreError else str(error)
        return json_response({"status": 503, "message": message}, 503)
    return json_response({"status": 200, "message": "ok"})
