"""Finding the deck: from `--app MODULE:NAME`, or from the settings alone.

Above `deck` and below the doors: the command line, the web server and a worker's template start here.
"""

from __future__ import annotations

import importlib
from typing import Any

from .deck import Deck
from .errors import ConfigurationError


def load_deck(reference: str | None = None) -> Deck:
    """The deck of `module:name`, where name is a Flask app, an app factory or a Deck; without one, a deck of its own
    settings with a small Flask application. ConfigurationError says what could not be found.
    """
    if not reference:
        deck = Deck()
        importlib.import_module("jobdeck.web.application").create_app(deck)
        return deck
    found = _import(reference)
    if callable(found) and not isinstance(found, Deck) and not _is_flask(found):
        found = _call(reference, found)
    if isinstance(found, Deck):
        if found.app is None:
            importlib.import_module("jobdeck.web.application").create_app(found)
        return found
    mounted = getattr(found, "extensions", {}).get("jobdeck")
    if not isinstance(mounted, Deck):
        raise ConfigurationError(
            f"{reference} is no Deck and no Flask application with one; call deck.init_app(app) in it."
        )
    return mounted


def _import(reference: str) -> Any:
    module_name, _, name = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise ConfigurationError(
            f"--app {reference}: {module_name} cannot be imported ({type(error).__name__}: {error})."
        ) from error
    for candidate in [name] if name else ["deck", "app", "create_app"]:
        if hasattr(module, candidate):
            return getattr(module, candidate)
    raise ConfigurationError(f"--app {reference}: {module_name} has no {name or 'deck, app or create_app'}.")


def _call(reference: str, factory: Any) -> Any:
    try:
        return factory()
    except Exception as error:
        raise ConfigurationError(f"--app {reference}: the factory failed ({type(error).__name__}: {error}).") from error


def _is_flask(candidate: object) -> bool:
    return any(kind.__module__.partition(".")[0] == "flask" for kind in type(candidate).__mro__)
