"""Saved jobs: the landing page, one job, its form, and starting it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, request

from ...core.filters import SIZE_LIMIT, JobFilter, Page, RunFilter
from ...core.job import Job
from ...core.run import Trigger
from ...definitions.job_type import JobType
from ...errors import FieldError, InvalidInput
from ..auth import current_desk
from . import arguments, typed
from .rendering import asked, deck, find_type, go, identifier, page, page_asked, type_titles
from .schedule_words import descriptions_of

_RUN_FIELDS = ("title", "priority", "start_at", "start_in", "expires_in")
_MORE = ("priority", "max_attempts", "limit", "limit_policy", "after_job")
_TYPED = ("timeout", "after_need", *_MORE)


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/jobs", "list_jobs", list_jobs, methods=["GET"])
    routes.add_url_rule("/jobs/new", "new_job", new_job, methods=["GET", "POST"])
    routes.add_url_rule("/jobs/<job_id>", "show_job", show_job, methods=["GET"])
    routes.add_url_rule("/jobs/<job_id>/edit", "edit_job", edit_job, methods=["GET", "POST"])
    routes.add_url_rule("/jobs/<job_id>/delete", "delete_job", delete_job, methods=["GET", "POST"])
    routes.add_url_rule("/jobs/<job_id>/run", "run_job", run_job, methods=["GET", "POST"])


def list_jobs() -> Response:
    """Saved jobs and, below them, the job types."""
    desk = current_desk()
    shown = desk.jobs.list(JobFilter(text=asked("q")), page_asked())
    return page(
        "jobs.html",
        shown=shown,
        types=desk.types.list(),
        titles=type_titles(),
        q=asked("q"),
        alive=desk.workers.list() or all(one.is_immediate for one in desk.queues.carriers().values()),
        alerts=desk.queues.alerts(),
        overdue=desk.overdue.list(),
        waiting=desk.runs.waiting(),
    )


def show_job(job_id: str) -> Response:
    """One job with its history."""
    desk = current_desk()
    job = desk.jobs.get(identifier(job_id, "job"))
    job_type = find_type(job.type)
    defaults, problem = desk.jobs.default_arguments(job)
    runs = desk.runs.list(RunFilter(job_id=job.id), page_asked())
    schedules = desk.schedules.of_job(job_id)
    return page(
        "job.html",
        job=job,
        schedules=schedules,
        descriptions=descriptions_of(schedules),
        job_type=job_type,
        defaults=None if defaults is None else arguments.without_secrets(job_type, defaults),
        problem=problem,
        runs=runs,
        reasons=desk.runs.waiting_reasons(runs.items),
        after_title=desk.jobs.titles([job.after_job_id]).get(job.after_job_id) if job.after_job_id else None,
    )


def new_job() -> Response:
    """The form of a new job of a type."""
    desk = current_desk()
    type_id = asked("type")
    if type_id is None:
        return page("choose_type.html", types=desk.types.list())
    job_type = desk.types.get(type_id)
    if request.method == "GET":
        return _form(None, job_type)
    given = arguments.read(job_type)
    try:
        _raise(given.problems)
        job = desk.jobs.create(type=type_id, arguments=given.arguments, custom_arguments=given.custom, **_plain())
    except InvalidInput as error:
        return _form(None, job_type, arguments.refused(error, given))
    return go("show_job", "saved", job_id=job.id)


def edit_job(job_id: str) -> Response:
    """The form of a job that is there already."""
    desk = current_desk()
    job = desk.jobs.get(identifier(job_id, "job"))
    job_type = find_type(job.type)
    if request.method == "GET":
        return _form(job, job_type)
    given = arguments.read(job_type, job.arguments) if job_type else arguments.Given()
    changes: dict[str, Any] = _plain()
    if job_type is not None:
        changes |= {"arguments": given.arguments, "custom_arguments": given.custom}
    try:
        _raise(given.problems)
        desk.jobs.update(job_id, **changes)
    except InvalidInput as error:
        return _form(job, job_type, arguments.refused(error, given))
    return go("show_job", "saved", job_id=job_id)


def delete_job(job_id: str) -> Response:
    """Ask whether a job should really go; then delete it."""
    jobs = current_desk().jobs
    job = jobs.get(identifier(job_id, "job"))
    if request.method == "GET":
        return page("delete_job.html", job=job)
    jobs.delete(job_id)
    return go("list_jobs", "job-deleted")


def run_job(job_id: str) -> Response:
    """Start a job, with its saved arguments or changed ones."""
    desk = current_desk()
    job = desk.jobs.get(identifier(job_id, "job"))
    job_type = desk.types.get(job.type)
    return start(job_id, job_type, job)


def start(target: str, job_type: type[JobType], job: Job | None) -> Response:
    """The run form of a job, or of a type without one; a POST starts the run."""
    errors: Sequence[FieldError] = ()
    if request.method == "POST":
        given = arguments.read(job_type, job.arguments if job else None)
        try:
            _raise(given.problems)
            run = current_desk().runs.start(
                target,
                {} if given.arguments is None else given.arguments,
                custom_arguments=given.custom,
                title=typed.text("title"),
                queue=typed.text("queue"),
                priority=typed.number("priority"),
                start_at=typed.instant("start_at"),
                start_in=typed.text("start_in"),
                expires_in=typed.text("expires_in"),
                trigger=Trigger.MANUAL,
            )
            return go("show_run", run_id=run.id)
        except InvalidInput as error:
            errors = arguments.refused(error, given)
    shown = arguments.shown(job_type, job.arguments if job else None, job.custom_arguments if job else None, errors)
    typed_now = {name: request.form.get(name, "") for name in _RUN_FIELDS}
    return page(
        "run_form.html",
        400 if errors else 200,
        job=job,
        job_type=job_type,
        typed=typed_now,
        is_more=_is_more(typed_now, (*_RUN_FIELDS, "queue"), shown["wrong"]),
        queue=request.form.get("queue") or (job.queue if job else job_type.queue) or deck().settings.default_queue,
        **shown,
    )


def _form(job: Job | None, job_type: type[JobType] | None, errors: Sequence[FieldError] = ()) -> Response:
    if request.method == "POST":
        plain = {**_plain(), **{name: request.form.get(name, "") for name in _TYPED}}
    elif job is not None:
        plain = {"title": job.title, "description": job.description, "queue": job.queue, "active": job.active}
        plain["timeout"] = "" if job.timeout_s is None else f"{job.timeout_s:g}"
        plain |= {"priority": job.priority, "max_attempts": job.max_attempts, "limit": job.run_limit}
        plain |= {"limit_policy": job.limit_policy, "after_job": job.after_job_id, "after_need": job.after_need}
    else:
        assert job_type is not None
        plain = {"title": str(job_type.title), "description": job_type.description, "active": True, "timeout": ""}
        plain["queue"] = job_type.queue or deck().settings.default_queue
    shown: dict[str, Any] = {"fields": (), "custom_text": "", "summary": [], "wrong": {}}
    if job_type is not None:
        shown = arguments.shown(job_type, job.arguments if job else None, job.custom_arguments if job else None, errors)
    return page(
        "job_form.html",
        400 if errors else 200,
        job=job,
        job_type=job_type,
        plain=plain,
        others=_others(job, plain.get("after_job")),
        is_more=_is_more(plain, _MORE, shown["wrong"]),
        **shown,
    )


def _is_more(given: Mapping[str, Any], names: Sequence[str], wrong: Mapping[str, str]) -> bool:
    """Whether the part of a form that is usually closed has something to show."""
    return any(given.get(name) not in (None, "") or name in wrong for name in names)


def _others(job: Job | None, chosen: str | None) -> list[tuple[str, str]]:
    """(id, title) of the jobs that this one can come after, and of the chosen one."""
    jobs = current_desk().jobs
    listed = {
        str(one.id): one.title for one in jobs.list(None, Page(size=SIZE_LIMIT)).items if not job or one.id != job.id
    }
    if chosen and chosen not in listed:
        listed |= jobs.titles([chosen]) or {chosen: "a deleted job"}
    return list(listed.items())


def _plain() -> dict[str, Any]:
    after = typed.text("after_job")
    return {
        "title": request.form.get("title", ""),
        "description": typed.text("description"),
        "queue": typed.text("queue"),
        "active": "active" in request.form,
        "timeout": typed.text("timeout"),
        "priority": typed.number("priority"),
        "max_attempts": typed.number("max_attempts"),
        "limit": typed.number("limit"),
        "limit_policy": typed.text("limit_policy"),
        "after_job": after,
        "after_need": typed.text("after_need") if after else None,
    }


def _raise(problems: Sequence[FieldError]) -> None:
    """What cannot be read at all is told before the service is asked."""
    if problems:
        raise InvalidInput(problems)
