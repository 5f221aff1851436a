"""`/schedules`: when jobs recur, and what became of each planned time. Neighbour: `previews` looks ahead."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response

from ...core.filters import DEFAULT_SIZE, Page, ScheduleFilter
from ...core.schedule import Schedule
from ...core.times import to_us
from ...errors import InvalidInput
from .. import schedule_shapes
from ..auth import current_desk
from ..bodies import json_response, read_object
from . import answers, arguments, queries

_PLAIN = (
    "recurrence", "time_zone", "starts_at", "ends_at", "max_count", "jitter", "misfire", "misfire_window", "overlap",
)  # fmt: skip
_ALLOWED = (*_PLAIN, "args", "custom_args")
_SERVER_OWNED = (
    "id", "job_id", "job_title", "description", "count", "next_fire_at", "next_fire_at_local", "last_fire_at", "paused",
    "problem", "principal", "tzdata", "created", "updated", "links",
)  # fmt: skip
_ONE = "/schedules/<schedule_id>"


def add_to(routes: Blueprint) -> None:
    """Register the routes; new ones are made below their job."""
    routes.add_url_rule("/jobs/<job_id>/schedules", "list_job_schedules", list_job_schedules, methods=["GET"])
    routes.add_url_rule("/jobs/<job_id>/schedules", "create_schedule", create_schedule, methods=["POST"])
    routes.add_url_rule("/schedules", "list_schedules", list_schedules, methods=["GET"])
    routes.add_url_rule(_ONE, "show_schedule", show_schedule, methods=["GET"])
    routes.add_url_rule(_ONE, "change_schedule", change_schedule, methods=["PUT", "PATCH"])
    routes.add_url_rule(_ONE, "delete_schedule", delete_schedule, methods=["DELETE"])
    routes.add_url_rule(f"{_ONE}/ticks", "list_schedule_ticks", list_ticks, methods=["GET"])
    routes.add_url_rule(f"{_ONE}/actions/pause", "pause_schedule", pause_schedule, methods=["POST"])
    routes.add_url_rule(f"{_ONE}/actions/resume", "resume_schedule", resume_schedule, methods=["POST"])


def list_job_schedules(job_id: str) -> Response:
    """The schedules of a job, oldest first."""
    desk = current_desk()
    found = desk.schedules.of_job(queries.identifier(job_id, "job_id"))
    titles = desk.jobs.titles({one.job_id for one in found})
    return answers.whole([_shape(one, titles) for one in found], "created")


def create_schedule(job_id: str) -> Response:
    """Have a job recur, in the caller's name."""
    found = queries.identifier(job_id, "job_id")
    given = _given()
    if given.get("recurrence") is None:
        raise InvalidInput.of("recurrence", "Missing data for required field.")
    return _answer(current_desk().schedules.create(found, **given), 201)


def list_schedules() -> Response:
    """Schedules by their next time, ended ones last; `q` (in the job's title), `job_id` and `paused` narrow the list."""
    desk = current_desk()
    wanted = ScheduleFilter(
        job_id=queries.optional_identifier("job_id"), paused=queries.boolean("paused"), text=queries.text("q")
    )
    shown = desk.schedules.list(wanted, queries.page())
    titles = desk.jobs.titles({one.job_id for one in shown.items})
    items = [_shape(one, titles) for one in shown.items]
    return answers.page(shown, items, queries.kept("job_id", "paused", "q"), "next_fire_at")


def show_schedule(schedule_id: str) -> Response:
    """One schedule."""
    return _answer(current_desk().schedules.get(_id(schedule_id)))


def change_schedule(schedule_id: str) -> Response:
    """Change the fields that the body names; it runs in the caller's name from then on."""
    found = _id(schedule_id)
    return _answer(current_desk().schedules.update(found, **_given()))


def delete_schedule(schedule_id: str) -> Response:
    """Delete a schedule; the runs that it made stay."""
    current_desk().schedules.delete(_id(schedule_id))
    return Response(status=204)


def list_ticks(schedule_id: str) -> Response:
    """What became of each planned time, latest first; `before` is a time from which on they are left out."""
    schedules, links = current_desk().schedules, answers.links()
    schedule = schedules.get(_id(schedule_id))
    page = Page(number=queries.integer("page", 1), size=queries.integer("size", DEFAULT_SIZE))
    shown = schedules.ticks(schedule.id, page, _before())
    items = [schedule_shapes.tick(one, schedule.time_zone, links) for one in shown.items]
    return answers.page(shown, items, queries.kept("before"), "fire_at", cursor="fire_at")


def pause_schedule(schedule_id: str) -> Response:
    """Skip planned times until it is resumed; the body may say why: `{"reason": "…"}`."""
    found = _id(schedule_id)
    return _answer(current_desk().schedules.pause(found, read_object(("reason",)).get("reason")))


def resume_schedule(schedule_id: str) -> Response:
    """Go on with the next planned time, in the caller's name."""
    found = _id(schedule_id)
    read_object(())
    return _answer(current_desk().schedules.resume(found))


def _given() -> dict[str, Any]:
    body = read_object(_ALLOWED, _SERVER_OWNED)
    return {name: body[name] for name in _PLAIN if name in body} | arguments.of_schedule(body)


def _id(value: str) -> str:
    return queries.identifier(value, "schedule_id")


def _before() -> int | None:
    given = queries.text("before")
    try:
        # A plus sign that a caller did not encode arrives as a space.
        return None if given is None else to_us(datetime.fromisoformat(given.replace(" ", "+")))
    except (ValueError, OverflowError):
        raise InvalidInput.of("before", "Must be a time with its offset, such as 2027-01-31T02:00:00+00:00.") from None


def _answer(value: Schedule, status: int = 200) -> Response:
    return json_response(_shape(value, current_desk().jobs.titles([value.job_id])), status)


def _shape(value: Schedule, titles: dict[str, str]) -> dict[str, Any]:
    return schedule_shapes.schedule(value, answers.links(), titles.get(value.job_id))
