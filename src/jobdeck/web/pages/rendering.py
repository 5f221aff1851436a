"""What every page needs: rendering, redirects after a change, and looking things up by what stands in the address."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

from flask import Response, current_app, make_response, redirect, render_template, request, url_for

from ...core.filters import Page
from ...core.ids import is_id
from ...deck import Deck
from ...errors import InvalidInput, NotFound
from ..auth import csrf_token, current_session
from .display import SYMBOLS, now

NOTICES = {
    "saved": "The job is saved.",
    "deleted": "It is deleted.",
    "signed-out": "You are signed out.",
}


def deck() -> Deck:
    """The deck at hand."""
    return cast(Deck, current_app.extensions["jobdeck"])


def context() -> dict[str, Any]:
    """What every template may use; also those of errors, which can stand outside of our routes."""
    return {
        "csrf_token": csrf_token,
        "current_session": current_session,
        "settings": deck().settings,
        "symbols": SYMBOLS,
        "now": now,
        "notice": NOTICES.get(request.args.get("notice", "")),
    }


def page(template: str, code: int = 200, **values: Any) -> Response:
    """A page made from a template."""
    return make_response(render_template(f"jobdeck/{template}", **values), code)


def go(endpoint: str, notice: str | None = None, **values: Any) -> Response:
    """Lead the browser on after a change, so that a reload repeats nothing."""
    address = url_for(f"jobdeck_pages.{endpoint}", **values)
    if notice:
        address += f"?{urlencode({'notice': notice})}"
    return cast(Response, redirect(address, 303))


def identifier(value: str, what: str) -> str:
    """A UUID from the address; NotFound for anything else."""
    if not is_id(value):
        raise NotFound(f"There is no {what} with this address.")
    return value


def asked(name: str) -> str | None:
    """A query parameter, None when it is missing or blank."""
    return request.args.get(name, "").strip() or None


def page_asked() -> Page:
    """Which part of a list is asked for; nonsense means the first."""
    try:
        return Page(number=int(request.args.get("page", "1")), before=None)
    except (ValueError, InvalidInput):
        return Page()


def other_page(number: int) -> str:
    """The address of another page of the list at hand."""
    kept = [(name, value) for name, value in request.args.items(multi=True) if name not in ("page", "notice")]
    return f"{request.path}?{urlencode([*kept, ('page', number)])}"
