"""Making and changing a schedule: its form, with a preview of what it would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, request

from ...core import zones
from ...core.ids import is_id
from ...core.job import Job
from ...core.preview import Preview
from ...core.schedule import Schedule
from ...deck import Desk
from ...definitions.job_type import JobType
from ...errors import FieldError, InvalidInput
from ..auth import current_desk
from . import arguments, schedule_form, schedule_words
from .rendering import asked, deck, find_type, go, identifier, page

_MORE = (*schedule_form.MORE, "misfire", "overlap", arguments.CUSTOM)
_PREVIEWED = ("starts_at", "ends_at", "max_count", "jitter")
_TITLES = {"every_number": "Every", "weekdays": "On", "month_day": "On day", "at_time": "At", "once_at": "Date and time",
           "kind": "How it recurs", "starts_at": "Start", "ends_at": "End",
           "max_count": "At most so many runs", "misfire_window": "Not older than", "preview_from": "Look ahead from"}  # fmt: skip


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/jobs/<job_id>/schedules/new", "new_schedule", new_schedule, methods=["GET", "POST"])
    routes.add_url_rule("/schedules/<schedule_id>/edit", "edit_schedule", edit_schedule, methods=["GET", "POST"])
    routes.add_url_rule("/schedules/preview", "preview_schedule", preview_schedule, methods=["POST"])


def new_schedule(job_id: str) -> Response:
    """The form of a new schedule of a job."""
    desk = current_desk()
    return _edit(desk, desk.jobs.get(identifier(job_id, "job")), None)


def edit_schedule(schedule_id: str) -> Response:
    """The form of a schedule that is there already."""
    desk = current_desk()
    schedule = desk.schedules.get(identifier(schedule_id, "schedule"))
    return _edit(desk, desk.jobs.get(schedule.job_id), schedule)


def preview_schedule() -> Response:
    """What the form as it stands would do; asked for while somebody types."""
    schedule_id = asked("schedule")
    given = _read()
    ahead = _ahead(current_desk(), given, schedule_id if is_id(schedule_id or "") else None)
    return page("schedule_preview.html", oob=True, **ahead)


def _edit(desk: Desk, job: Job, schedule: Schedule | None) -> Response:
    job_type = find_type(job.type)
    if request.method == "GET":
        return _form(desk, job, job_type, schedule)
    given = _read()
    own = arguments.Given()
    if job_type is not None and _wants_own():
        own = arguments.read(job_type, _own(job, schedule)[0])
    if request.form.get("do") == "preview":
        return _form(desk, job, job_type, schedule)
    problems = [*given.problems, *own.problems]
    try:
        if problems:
            raise InvalidInput(problems)
        values = {"recurrence": given.recurrence, **given.values}
        if job_type is not None:
            values |= {"arguments": own.arguments, "custom_arguments": own.custom}
        saved = _save(desk, job, schedule, values)
    except InvalidInput as error:
        errors = problems or schedule_form.placed(error.errors, given.kind)
        return _form(desk, job, job_type, schedule, errors)
    return go("show_schedule", "schedule-saved", schedule_id=saved.id)


def _save(desk: Desk, job: Job, schedule: Schedule | None, values: dict[str, Any]) -> Schedule:
    if schedule is None:
        return desk.schedules.create(str(job.id), **values)
    return desk.schedules.update(schedule.id, **values)


def _form(
    desk: Desk, job: Job, job_type: type[JobType] | None, schedule: Schedule | None, errors: Sequence[FieldError] = ()
) -> Response:
    setting = deck().settings.time_zone
    if request.method == "POST":
        plain = schedule_form.typed_again(request.form, _weekdays())
    else:
        plain = schedule_form.blank(setting) if schedule is None else schedule_form.filled(schedule, setting)
    is_own = _wants_own() if request.method == "POST" else _has_own(schedule)
    shown = arguments.shown(job_type, *_own(job, schedule), errors)
    shown["summary"] = [(name, _TITLES.get(name, title), message) for name, title, message in shown["summary"]]
    kinds: tuple[tuple[str, str], ...] = schedule_words.KINDS
    if plain.get("kind") == "crontab" or (schedule is not None and schedule.recurrence.kind == "crontab"):
        kinds = (*kinds, schedule_words.CRONTAB)
    return page(
        "schedule_form.html",
        400 if errors else 200,
        job=job,
        job_type=job_type,
        schedule=schedule,
        plain=plain,
        own_arguments=is_own,
        is_more=is_own or _is_more(plain, shown["wrong"]),
        kinds=kinds,
        units=_units(plain),
        weekdays=schedule_words.WEEKDAYS,
        misfires=schedule_words.MISFIRES,
        overlaps=schedule_words.OVERLAPS,
        zones=zones.names(),
        **shown,
        **_first_preview(desk, schedule, plain),
    )


def _first_preview(desk: Desk, schedule: Schedule | None, plain: dict[str, Any]) -> dict[str, Any]:
    """What the form shows before anything is typed, and without scripts."""
    if request.method == "POST":
        given = _read()
    else:
        told = {name: str(value) for name, value in plain.items() if value is not None}
        given = schedule_form.read(told, plain["weekdays"], deck().settings.time_zone)
    return _ahead(desk, given, None if schedule is None else schedule.id)


def _ahead(desk: Desk, given: schedule_form.Given, schedule_id: str | None) -> dict[str, Any]:
    """The preview, or what is in its way: (id of the field, its title, message)."""
    preview: Preview | None = None
    problems: Sequence[FieldError] = given.problems
    if not problems:
        try:
            preview = desk.previews.preview(
                given.recurrence,
                time_zone=given.values["time_zone"],
                after=schedule_form.preview_from(request.form, given.values["time_zone"]),
                schedule_id=schedule_id,
                **{name: given.values[name] for name in _PREVIEWED},
            )
        except InvalidInput as error:
            problems = schedule_form.placed(error.errors, given.kind)
    told = [(one.field, _title(one.field), message) for one in problems for message in one.messages]
    return {"preview": preview, "preview_problems": told}


def _title(name: str) -> str:
    return _TITLES.get(name) or name.replace("_", " ").capitalize()


def _read() -> schedule_form.Given:
    return schedule_form.read(request.form, _weekdays(), deck().settings.time_zone)


def _weekdays() -> list[str]:
    return request.form.getlist("weekdays")


def _wants_own() -> bool:
    return "own_arguments" in request.form


def _has_own(schedule: Schedule | None) -> bool:
    return schedule is not None and (schedule.arguments is not None or schedule.custom_arguments is not None)


def _own(job: Job, schedule: Schedule | None) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The arguments and custom arguments of the schedule; where it has none of its own, those of the job to begin with."""
    if schedule is not None and _has_own(schedule):
        return schedule.arguments, schedule.custom_arguments
    return job.arguments, job.custom_arguments


def _is_more(plain: dict[str, Any], wrong: dict[str, str]) -> bool:
    """Whether the part of the form that is usually closed has something to show."""
    is_given = any(plain.get(name) not in (None, "") for name in schedule_form.MORE)
    is_other = plain["misfire"] != "once" or plain["overlap"] != "skip"
    return is_given or is_other or any(name in _MORE or name.startswith("args") for name in wrong)


def _units(plain: dict[str, Any]) -> tuple[str, ...]:
    chosen = plain.get("every_unit")
    known = schedule_words.UNITS
    return (*known, chosen) if chosen in ("milliseconds", "microseconds") else known
