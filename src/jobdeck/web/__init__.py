"""The web door: pages and JSON API over the services."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from ..contracts import Authenticator
    from ..deck import Deck

__all__ = ["mount"]


def mount(app: Flask, deck: Deck, authenticator: Authenticator | None = None) -> None:
    """Put pages and API on a Flask application; `authenticator` is the host's way to say who asks."""
    # Late, because the command line uses `web.representations` without needing Flask.
    from . import mounting

    mounting.mount(app, deck, authenticator)
