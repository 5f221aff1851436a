"""What a person sees when something cannot be done."""

from __future__ import annotations

from flask import render_template

from ...errors import InvalidInput, RequestError
from .rendering import context

_TITLES = {
    400: "That does not fit",
    401: "Sign in first",
    403: "Not allowed",
    404: "There is nothing here",
    405: "That cannot be done here",
    413: "Too large",
    429: "Too many attempts",
    503: "The database cannot serve",
}


def render(error: RequestError, status: int) -> str:
    """The page for an error that the caller may be told of."""
    details = (
        [f"{one.field}: {' '.join(one.messages)}" for one in error.errors] if isinstance(error, InvalidInput) else []
    )
    title = _TITLES.get(status, "Something went wrong")
    return render_template(
        "jobdeck/error.html", title=title, status=status, message=error.message, details=details, **context()
    )
