"""Runs: the history, one run live, stopping and deleting it. Its log as such is in `logs`."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any

from flask import Blueprint, Response, request

from ...core.filters import Page, RunFilter
from ...core.log_entry import LEVELS
from ...core.queue import Carrier
from ...core.run import SHOWN_STATUSES, Run, Status
from ...deck import Desk
from ...errors import Conflict, NotFound
from ...services.descriptions import describe
from ...services.logs import LogPage
from ..auth import current_desk
from . import arguments, wanted
from .display import now
from .logs import LINES_SHOWN, after_asked, level_asked
from .rendering import asked, deck, find_type, go, identifier, page, page_asked
from .titles import title_of, titles_of

# Whoever is further behind than this is shown the newest lines, with a word about the gap.
_FAR_BEHIND = 2 * LINES_SHOWN
_JOBS_OFFERED = Page(size=100)


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/runs", "list_runs", list_runs, methods=["GET"])
    routes.add_url_rule("/runs/<run_id>", "show_run", show_run, methods=["GET"])
    routes.add_url_rule("/runs/<run_id>/live", "live_run", live_run, methods=["GET"])
    routes.add_url_rule("/runs/<run_id>/stop", "stop_run", stop_run, methods=["POST"])
    routes.add_url_rule("/runs/<run_id>/delete", "delete_run", delete_run, methods=["GET", "POST"])


def list_runs() -> Response:
    """The history, newest first."""
    desk = current_desk()
    meant = wanted.of(request.args)
    shown = desk.runs.list(meant, page_asked())
    jobs = {str(job.id): job.title for job in desk.jobs.list(None, _JOBS_OFFERED).items}
    if meant.job_id and meant.job_id not in jobs:
        jobs |= desk.jobs.titles([meant.job_id]) or {meant.job_id: "a deleted job"}
    return page(
        "runs.html",
        runs=shown,
        titles=titles_of(desk, shown.items),
        reasons=desk.runs.waiting_reasons(shown.items),
        wanted=meant,
        fields=wanted.fields(meant),
        may_be_repeated=wanted.may_be_repeated(meant),
        statuses=SHOWN_STATUSES,
        types=desk.types.list(),
        jobs=jobs,
        alerts=desk.queues.alerts(),
    )


def show_run(run_id: str) -> Response:
    """Everything about one run."""
    desk = current_desk()
    run = desk.runs.get(identifier(run_id, "run"))
    level = level_asked()
    log = desk.runs.logs(run.id, newest=True, limit=LINES_SHOWN, level=level)
    return page(
        "run.html",
        **_about(desk, run),
        **_newest(log),
        log=log,
        level=level,
        levels=list(LEVELS),
        live=not run.is_final,
        **_below(desk, run),
    )


def live_run(run_id: str) -> Response:
    """What is new since the page was made or asked last: log entries after the cursor, and the state if it changed."""
    desk = current_desk()
    # The run is read first: what it logged before its end is then sure to be in the log.
    run = desk.runs.get(identifier(run_id, "run"))
    level = level_asked()
    log = desk.runs.logs(run.id, after=after_asked(), limit=LINES_SHOWN, level=level)
    is_gap = log.total - log.next > _FAR_BEHIND
    if is_gap:
        log = desk.runs.logs(run.id, newest=True, limit=LINES_SHOWN, level=level)
    about = _about(desk, run)
    return page(
        "live.html",
        **about,
        **_newest(log),
        log=log,
        level=level,
        live=not run.is_final or log.next < log.total,
        is_gap=is_gap,
        is_changed=about["state"] != asked("state"),
        is_other_why=about["why_state"] != asked("why"),
        has_other_actions=about["actions"] != asked("actions"),
        has_other_status=about["status"] != asked("status"),
    )


def stop_run(run_id: str) -> Response:
    """Ask a run to stop."""
    try:
        current_desk().runs.stop(identifier(run_id, "run"), request.form.get("reason", "").strip() or None)
    except Conflict:
        return go("show_run", "over", run_id=run_id)
    return go("show_run", run_id=run_id)


def delete_run(run_id: str) -> Response:
    """Ask whether a run should really go; then delete it with its log and files."""
    desk = current_desk()
    run = desk.runs.get(identifier(run_id, "run"))
    if request.method == "GET":
        return page("delete_run.html", run=run, title=title_of(desk, run))
    desk.runs.delete(run_id)
    return go("list_runs", "run-deleted")


def _about(desk: Desk, run: Run) -> dict[str, Any]:
    job_type, lease = find_type(run.type), timedelta(seconds=deck().settings.lease_s)
    status = run.shown_status(now())
    is_held = run.status is Status.RUNNING and run.body_kind is None
    is_silent = is_held and run.heartbeat_at is not None and now() - run.heartbeat_at > lease
    carrier = desk.queues.carriers().get(run.queue, Carrier())
    waits = run.status is Status.QUEUED or run.body_kind is not None
    why = desk.runs.why(run.id) if waits and not run.is_final else None
    attempts = desk.runs.attempts(run.id)
    seen = (status, run.progress, run.message, run.stop_requested_at, len(run.files), run.counters, attempts, is_silent)
    return {
        "run": run,
        "title": title_of(desk, run),
        "status": status,
        "state": _print_of(seen),
        "why": why,
        "why_state": _print_of(why and (why.reasons, why.position, why.starts_at and f"{why.starts_at:%H%M}")),
        "actions": _actions(run, is_cooperative=carrier.is_cooperative),
        "carrier": carrier,
        "is_cooperative": carrier.is_cooperative,
        "job_title": desk.jobs.titles([run.job_id]).get(run.job_id) if run.job_id else None,
        "job_type": job_type,
        "shown_arguments": arguments.without_secrets(job_type, run.arguments),
        "attempts": attempts,
        "may_run_again": run.type is None or job_type is not None,
        "is_silent": is_silent,
        **_planned_by(desk, run),
    }


def _actions(run: Run, *, is_cooperative: bool) -> str:
    """What can be done to a run."""
    if run.is_final:
        return "final"
    if run.stop_requested_at:
        return "stopping"
    return "asking" if is_cooperative and run.status is Status.RUNNING else "live"


def _planned_by(desk: Desk, run: Run) -> dict[str, Any]:
    """When the schedule of a run recurs, and the zone of its clock; None and UTC when it is gone."""
    told: dict[str, Any] = {"planned_by": None, "planned_zone": "UTC"}
    if run.schedule_id is None:
        return told
    try:
        schedule = desk.schedules.get(run.schedule_id)
    except NotFound:
        return told
    return {"planned_by": describe(schedule.recurrence, schedule.time_zone), "planned_zone": schedule.time_zone}


def _below(desk: Desk, run: Run) -> dict[str, Any]:
    """The newest sub-runs of a run that has any; the page asks for them by itself from then on."""
    if not run.counters.total_subtasks:
        return {"runs": None}
    runs = desk.runs.list(RunFilter(parent_id=run.id))
    return {"runs": runs, "titles": titles_of(desk, runs.items), "reasons": desk.runs.waiting_reasons(runs.items)}


def _print_of(seen: object) -> str:
    """A short text that is another one when something has changed."""
    return sha256(repr(seen).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _newest(log: LogPage) -> dict[str, Any]:
    """Where the lines before those shown begin, when there are any."""
    first = log.entries[0].seq if log.entries else 1
    return {"earlier": max(0, first - 1 - LINES_SHOWN) if first > 1 else None}
