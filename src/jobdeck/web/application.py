"""Our own small Flask application, for whoever has none."""

from __future__ import annotations

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from ..deck import Deck
from . import errors, security
from .bodies import BODY_LIMIT
from .mounting import as_page


def create_app(deck: Deck) -> Flask:
    """A Flask application with `deck` mounted and nothing else on it."""
    app = Flask("jobdeck", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    deck.init_app(app)

    @app.errorhandler(HTTPException)
    def answer(error: HTTPException) -> Response:
        below_api = request.path.startswith(f"{deck.settings.api_prefix}/")
        return security.apply(errors.as_json(error) if below_api else as_page(error))

    return app
