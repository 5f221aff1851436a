"""What every page needs: rendering, redirects after a change, and looking things up by what stands in the address."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

from flask import Response, current_app, make_response, redirect, render_template, request, url_for

from ...core.filters import COUNT_LIMIT, Listing, Page
from ...core.ids import is_id
from ...core.principal import Principal
from ...deck import Deck
from ...definitions.job_type import JobType
from ...errors import InvalidInput, NotFound, NotSignedIn
from ..auth import csrf_token, current_desk, current_session
from .display import now

NOTICES = {
    "saved": "The job is saved.",
    "job-deleted": "The job is deleted. Its runs can still be read.",
    "run-deleted": "The run is deleted, with its log and files.",
    "again": "It is queued again; this is the new run.",
    "again-all": "They are queued again; the new runs stand on top.",
    "paused": "It is paused: none of its runs begins until it is resumed. What runs goes on.",
    "resumed": "It is resumed: its runs begin again.",
    "schedule-saved": "The schedule is saved.",
    "schedule-paused": "The schedule is paused: it makes no run until it is resumed.",
    "schedule-resumed": "The schedule is resumed: it makes runs again, from the next planned time on.",
    "schedule-deleted": "The schedule is deleted. The runs it made stay.",
    "limited": "The limit is saved.",
    "over": "The run had ended before it could be stopped.",
    "signed-out": "You are signed out.",
}
_POSITION = ("page", "before", "notice")


def deck() -> Deck:
    """The deck at hand."""
    return cast(Deck, current_app.extensions["jobdeck"])


def context() -> dict[str, Any]:
    """What every template may use; also those of errors, which can stand outside of our routes."""
    return {
        "csrf_token": csrf_token,
        "current_session": current_session,
        "principal": _principal(),
        "settings": deck().settings,
        "cooperative_queues": cooperative_queues,
        "now": now,
        "notice": NOTICES.get(request.args.get("notice", "")),
        "this_page": this_page,
        "previous_page": previous_page,
        "next_page": next_page,
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
    before, number = asked("before"), request.args.get("page", "1")
    if before is not None and is_id(before):
        return Page(before=before)
    try:
        return Page(number=int(number) if number.isdecimal() and len(number) <= 6 else 1)
    except InvalidInput:
        return Page()


def this_page() -> str:
    """The address of the page at hand, without a notice that was shown already."""
    return _address([(name, value) for name, value in request.args.items(multi=True) if name != "notice"])


def previous_page(shown: Listing[Any]) -> str | None:
    """The address of the part before the one at hand; deep inside of a history, of its newest part."""
    if shown.page.before is not None:
        return _address(_kept())
    return _address([*_kept(), ("page", str(shown.page.number - 1))]) if shown.page.number > 1 else None


def next_page(shown: Listing[Any]) -> str | None:
    """The address of the part after the one at hand; beyond what page numbers reach, by the last id."""
    if not shown.has_more:
        return None
    by_number = shown.page.before is None and (shown.page.number + 1) * shown.page.size <= COUNT_LIMIT
    position = ("page", str(shown.page.number + 1)) if by_number else ("before", str(shown.items[-1].id))
    return _address([*_kept(), position])


def cooperative_queues() -> list[str]:
    """The titles of queues whose runs cannot be interrupted where they execute."""
    found = current_desk().queues.carriers()
    return [deck().settings.queues[name] for name, carrier in found.items() if carrier.is_cooperative]


def find_type(type_id: str | None) -> type[JobType] | None:
    """A job type, None when there is none of that id (any more)."""
    return None if type_id is None else deck().registry.find(type_id)


def type_titles() -> dict[str, str]:
    """The title of every job type by its id."""
    return {job_type.id: str(job_type.title) for job_type in deck().registry}


def _kept() -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.args.items(multi=True) if name not in _POSITION]


def _address(parameters: list[tuple[str, str]]) -> str:
    path = request.script_root + request.path
    return f"{path}?{urlencode(parameters)}" if parameters else path


def _principal() -> Principal | None:
    try:
        return current_desk().principal
    except NotSignedIn:
        return None
