"""Looking ahead and back: previews of schedules, all planned times between two instants, what is overdue."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Response

from ...errors import InvalidInput
from .. import planned
from ..auth import current_desk
from ..bodies import json_response, read_object
from . import answers, queries

_FIELDS = ("recurrence", "time_zone", "starts_at", "ends_at", "max_count", "jitter", "after", "count", "schedule_id")
# What else a schedule has: it plays no part in when it fires.
_IGNORED = (
    "id", "job_id", "job_title", "description", "misfire", "misfire_window", "overlap", "args", "custom_args",
    "next_fire_at", "next_fire_at_local", "last_fire_at", "paused", "problem", "principal", "tzdata", "created",
    "updated", "links",
)  # fmt: skip
_LIMIT = 1000


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/schedules/preview", "preview_schedule", preview_schedule, methods=["POST"])
    routes.add_url_rule("/schedules/simulate", "simulate_schedules", simulate_schedules, methods=["GET"])
    routes.add_url_rule("/overdue", "list_overdue", list_overdue, methods=["GET"])


def preview_schedule() -> Response:
    """The next times of a schedule that need not be saved: its fields, and `after` (else now) and `count` (1 to 100)."""
    body = read_object(_FIELDS, _IGNORED)
    if "recurrence" not in body:
        raise InvalidInput.of("recurrence", "Missing data for required field.")
    if body.get("schedule_id") is not None:
        body["schedule_id"] = queries.identifier(str(body["schedule_id"]), "schedule_id")
    given = {name: value for name, value in body.items() if value is not None or name == "recurrence"}
    return json_response(planned.preview(current_desk().previews.preview(**given), answers.links()))


def simulate_schedules() -> Response:
    """Every active schedule's times from `from` up to before `to`, at most 366 days apart, in order.

    `limit` (1000; up to 10,000) of them, only those of `job_id` with one.
    """
    limit, job_id = queries.integer("limit", _LIMIT), queries.optional_identifier("job_id")
    found = current_desk().previews.simulate(_instant("from"), _instant("to"), limit=limit, job_id=job_id)
    asked = urlencode(queries.kept("from", "to", "limit", "job_id"), doseq=True)
    address = f"{answers.links().api}/schedules/simulate?{asked}"
    return json_response(planned.simulation(found, answers.links(), address))


def list_overdue() -> Response:
    """What should have happened by now, the longest overdue first: each says since when, why and what to do."""
    return answers.whole([planned.overdue(one, answers.links()) for one in current_desk().overdue.list()], "since")


def _instant(name: str) -> str | None:
    """An ISO text; a `+` that was sent as it is arrives as a space."""
    given = queries.text(name)
    return given.replace(" ", "+") if given is not None and "T" in given else given
