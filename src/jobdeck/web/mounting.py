"""Putting the pages and the API on a Flask application: ours, or a host's."""

from __future__ import annotations

import logging
from collections.abc import Callable
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
    app.before_request(partial(_answer_unrouted, deck, _first_segments(app, deck)))


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


def _first_segments(app: Flask, deck: Deck) -> frozenset[str]:
    """`/api/jobs`, `/api/runs`, …: below these every path is ours, also one without a route."""
    depth = deck.settings.api_prefix.count("/") + 2
    rules = (rule.rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith(f"{api.NAME}."))
    return frozenset("/".join(rule.split("/")[:depth]) for rule in rules)


def _answer_unrouted(deck: Deck, api_roots: frozenset[str]) -> Response | None:
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
    if any(path == root or path.startswith(f"{root}/") for root in api_roots):
        return security.apply(errors.as_json(error))
    return None


def _health(deck: Deck) -> Response:
    try:
        deck.check_schema()
    except JobdeckError as error:
        logger.warning("not healthy: %s", error)
        message = "The database cannot be reached." if type(error) is StoreError else str(error)
        return json_response({"status": 503, "message": message}, 503)
    return json_response({"status": 200, "message": "ok"})
