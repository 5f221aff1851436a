"""Schedules: the list of all, one with what became of its planned times, pausing, resuming and deleting it.

Neighbour: `schedule_editing` makes and changes them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, request, url_for

from ...core.filters import Listing, Page, ScheduleFilter
from ...core.preview import Preview
from ...core.schedule import Schedule
from ...core.tick import Tick
from ...core.times import to_us
from ...deck import Desk
from ...errors import InvalidInput
from ...services.descriptions import describe
from ..auth import current_desk
from . import arguments, schedule_form, typed
from .display import now
from .rendering import asked, find_type, go, identifier, page, page_asked
from .schedule_words import descriptions_of, state_of

TICKS_SHOWN = 10
_COUNTED = timedelta(days=30)


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/schedules", "list_schedules", list_schedules, methods=["GET"])
    routes.add_url_rule("/schedules/<schedule_id>", "show_schedule", show_schedule, methods=["GET"])
    routes.add_url_rule("/schedules/<schedule_id>/pause", "pause_schedule", pause_schedule, methods=["POST"])
    routes.add_url_rule("/schedules/<schedule_id>/resume", "resume_schedule", resume_schedule, methods=["POST"])
    routes.add_url_rule("/schedules/<schedule_id>/delete", "delete_schedule", delete_schedule, methods=["GET", "POST"])


def list_schedules() -> Response:
    """Every schedule, those that fire next on top, and what needs attention."""
    desk = current_desk()
    shown = desk.schedules.list(ScheduleFilter(text=asked("q")), page_asked())
    jobs = desk.jobs.of_ids({one.job_id for one in shown.items})
    return page(
        "schedules.html",
        shown=shown,
        q=asked("q"),
        jobs=jobs,
        descriptions=descriptions_of(shown.items),
        last_ticks=desk.schedules.last_ticks([one.id for one in shown.items]),
        overdue=desk.overdue.list(),
        alive=desk.workers.schedulers(),
    )


def show_schedule(schedule_id: str) -> Response:
    """One schedule: what became of its planned times, what comes next."""
    desk = current_desk()
    schedule = desk.schedules.get(identifier(schedule_id, "schedule"))
    job = desk.jobs.get(schedule.job_id)
    job_type = find_type(job.type)
    before_us = _before_asked()
    ticks = desk.schedules.ticks(schedule.id, Page(size=TICKS_SHOWN), before_us)
    counts = desk.schedules.counts([schedule.id], now() - _COUNTED)
    own, custom = (
        None if values is None else arguments.without_secrets(job_type, values)
        for values in (schedule.arguments, schedule.custom_arguments)
    )
    return page(
        "schedule.html",
        schedule=schedule,
        description=describe(schedule.recurrence, schedule.time_zone),
        job=job,
        job_type=job_type,
        state=state_of(schedule, job.active),
        own_arguments=own,
        custom_arguments=custom,
        overdue=[one for one in desk.overdue.list() if one.schedule_id == schedule.id],
        ticks=ticks,
        runs=desk.runs.of_ids(tick.run_id for tick in ticks.items if tick.run_id is not None),
        counts=counts[schedule.id],
        newest=None if before_us is None else url_for(".show_schedule", schedule_id=schedule.id),
        older=_older(schedule, ticks),
        **_ahead(desk, schedule),
    )


def pause_schedule(schedule_id: str) -> Response:
    """Let it make no run."""
    current_desk().schedules.pause(identifier(schedule_id, "schedule"), typed.text("reason"))
    return go("show_schedule", "schedule-paused", schedule_id=schedule_id)


def resume_schedule(schedule_id: str) -> Response:
    """Let it make runs again."""
    current_desk().schedules.resume(identifier(schedule_id, "schedule"))
    return go("show_schedule", "schedule-resumed", schedule_id=schedule_id)


def delete_schedule(schedule_id: str) -> Response:
    """Ask whether it should really go; then delete it."""
    desk = current_desk()
    schedule = desk.schedules.get(identifier(schedule_id, "schedule"))
    if request.method == "GET":
        return page(
            "delete_schedule.html",
            schedule=schedule,
            description=describe(schedule.recurrence, schedule.time_zone),
            job_title=desk.jobs.titles([schedule.job_id]).get(schedule.job_id),
        )
    desk.schedules.delete(schedule_id)
    return go("show_job", "schedule-deleted", job_id=schedule.job_id)


def _ahead(desk: Desk, schedule: Schedule) -> dict[str, Any]:
    """The next planned times, from the day on that is asked for.

    Whoever only refreshes the page says which time it shows as the next one, and gets no other until that has passed.
    """
    shown_next = "" if schedule.next_fire_at is None else str(to_us(schedule.next_fire_at))
    told = {"from_day": asked("from"), "shown_next": shown_next, "from_problem": None}
    if asked("next") == shown_next:
        return {**told, "preview": None}
    after = schedule_form.preview_from({"preview_from": asked("from") or ""}, schedule.time_zone)
    try:
        preview: Preview | None = desk.previews.preview(
            schedule.recurrence.as_data(),
            time_zone=schedule.time_zone,
            starts_at=schedule.starts_at,
            ends_at=schedule.ends_at,
            max_count=schedule.max_count,
            after=after,
            schedule_id=schedule.id,
        )
    except InvalidInput as error:
        # It has ended, or is broken, which stands on the page; or there is no looking from that day.
        preview = None
        told["from_problem"] = " ".join(m for one in error.errors if one.field == "after" for m in one.messages)
    return {**told, "preview": preview}


def _before_asked() -> int | None:
    """The planned time (microseconds since 1970) whose predecessors are asked for."""
    text = request.args.get("before", "")
    return int(text) if text.isdecimal() and len(text) <= 16 else None


def _older(schedule: Schedule, ticks: Listing[Tick]) -> str | None:
    if not ticks.has_more:
        return None
    return url_for(".show_schedule", schedule_id=schedule.id, before=to_us(ticks.items[-1].fire_at))
