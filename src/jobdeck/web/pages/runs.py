"""Runs: the history, one run live, its log to read and to take along, stopping and deleting it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from flask import Blueprint, Response, request, stream_with_context

from ...core.filters import RunFilter
from ...core.log_entry import LEVELS, LogEntry
from ...core.run import SHOWN_STATUSES, Run
from ...core.times import iso
from ...deck import Desk
from ...errors import Conflict, NotFound
from ..auth import current_desk
from .display import now
from .rendering import asked, deck, go, identifier, other_page, page, page_asked

LINES_SHOWN = 500
_AT_ONCE = 2000


def add_to(routes: Blueprint) -> None:
    """Register the routes."""
    routes.add_url_rule("/runs", "list_runs", list_runs, methods=["GET"])
    routes.add_url_rule("/runs/<run_id>", "show_run", show_run, methods=["GET"])
    routes.add_url_rule("/runs/<run_id>/live", "live_run", live_run, methods=["GET"])
    routes.add_url_rule("/runs/<run_id>/log", "show_log", show_log, methods=["GET"])
    routes.add_url_rule("/runs/<run_id>/log.txt", "download_log_text", download_text, methods=["GET"])
    routes.add_url_rule("/runs/<run_id>/log.jsonl", "download_log_lines", download_lines, methods=["GET"])
    routes.add_url_rule("/runs/<run_id>/stop", "stop_run", stop_run, methods=["POST"])
    routes.add_url_rule("/runs/<run_id>/delete", "delete_run", delete_run, methods=["GET", "POST"])


def list_runs() -> Response:
    """The history, newest first."""
    desk = current_desk()
    status = asked("status")
    wanted = RunFilter(
        type=asked("type"),
        queue=asked("queue"),
        statuses=(status,) if status in SHOWN_STATUSES else (),
        text=asked("q"),
    )
    return page(
        "runs.html",
        runs=desk.runs.list(wanted, page_asked()),
        wanted=wanted,
        statuses=SHOWN_STATUSES,
        types=desk.types.list(),
        titles=_titles(),
        other_page=other_page,
    )


def show_run(run_id: str) -> Response:
    """Everything about one run."""
    desk = current_desk()
    run = desk.runs.get(identifier(run_id, "run"))
    level = _level()
    log = desk.runs.logs(run.id, newest=True, limit=LINES_SHOWN, level=level)
    return page(
        "run.html",
        **_about(desk, run),
        entries=log.entries,
        level=level,
        levels=list(LEVELS),
        after=log.next,
        total=log.total,
        lines_shown=LINES_SHOWN,
        live=not run.is_final,
    )


def live_run(run_id: str) -> Response:
    """What is new since the page was made or asked last: log entries after the cursor, and the state if it changed."""
    desk = current_desk()
    run = desk.runs.get(identifier(run_id, "run"))
    level = _level()
    # The run is read first: what it logged before its end is then sure to be in the log.
    log = desk.runs.logs(run.id, after=_after(), limit=LINES_SHOWN, level=level)
    caught_up = log.next >= log.total
    about = _about(desk, run)
    return page(
        "live.html",
        **about,
        entries=log.entries,
        level=level,
        after=log.next,
        total=log.total,
        live=not run.is_final or not caught_up,
        changed=about["state"] != request.args.get("state"),
    )


def show_log(run_id: str) -> Response:
    """The log from any line on, a page at a time."""
    desk = current_desk()
    run = desk.runs.get(identifier(run_id, "run"))
    level, after = _level(), _after()
    log = desk.runs.logs(run.id, after=after, limit=LINES_SHOWN, level=level)
    return page(
        "log.html",
        run=run,
        title=_title(run),
        entries=log.entries,
        level=level,
        levels=list(LEVELS),
        after=after,
        next_after=log.next if log.next < log.total else None,
        earlier=max(0, after - LINES_SHOWN) if after else None,
        total=log.total,
    )


def download_text(run_id: str) -> Response:
    """The whole log as text."""
    return _download(run_id, "txt", "text/plain; charset=utf-8", _text_line)


def download_lines(run_id: str) -> Response:
    """The whole log as JSON lines."""
    return _download(run_id, "jsonl", "application/jsonl", _json_line)


def stop_run(run_id: str) -> Response:
    """Ask a run to stop."""
    runs = current_desk().runs
    # When it ended while the person was deciding, its page says how.
    with contextlib.suppress(Conflict):
        runs.stop(identifier(run_id, "run"), request.form.get("reason", "").strip() or None)
    return go("show_run", run_id=run_id)


def delete_run(run_id: str) -> Response:
    """Ask whether a run should really go; then delete it with its log and files."""
    runs = current_desk().runs
    run = runs.get(identifier(run_id, "run"))
    if request.method == "GET":
        return page("delete_run.html", run=run, title=_title(run))
    runs.delete(run_id)
    return go("list_runs", "deleted")


def _about(desk: Desk, run: Run) -> dict[str, Any]:
    status = run.shown_status(now())
    waits = desk.workers.list() if run.status == "QUEUED" else None
    seen = (status, run.progress, run.message, run.stop_requested_at, len(run.files), run.attempt, waits == [])
    return {
        "run": run,
        "title": _title(run),
        "status": status,
        "state": sha256(repr(seen).encode("utf-8", "backslashreplace")).hexdigest()[:16],
        "job_title": _job_title(desk, run),
        "type_title": _titles().get(run.type or ""),
        "attempts": desk.runs.attempts(run.id),
        "nobody_works": waits == [],
        "files_url": f"{deck().settings.api_prefix}/runs/{run.id}/files",
    }


def _title(run: Run) -> str:
    return run.title or _titles().get(run.type or "") or run.type or run.function or "Run"


def _job_title(desk: Desk, run: Run) -> str | None:
    """The title of the run's job; None when it has none, or when the job is deleted."""
    try:
        return None if run.job_id is None else desk.jobs.get(run.job_id).title
    except NotFound:
        return None


def _titles() -> dict[str, str]:
    return {job_type.id: str(job_type.title) for job_type in deck().registry}


def _level() -> str | None:
    level = (asked("level") or "").upper()
    return level if level in LEVELS and level != "DEBUG" else None


def _after() -> int:
    text = request.args.get("after", "")
    return int(text) if text.isdecimal() and len(text) <= 12 else 0


def _download(run_id: str, ending: str, media_type: str, line: Any) -> Response:
    desk = current_desk()
    run = desk.runs.get(identifier(run_id, "run"))

    def lines() -> Iterator[str]:
        after, total = 0, 1
        while after < total:
            log = desk.runs.logs(run.id, after=after, limit=_AT_ONCE)
            yield "".join(line(entry) for entry in log.entries)
            after, total = log.next, log.total

    response = Response(stream_with_context(lines()), content_type=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="run-{run.id}.{ending}"'
    return response


def _text_line(entry: LogEntry) -> str:
    text = f"{iso(entry.at)} {entry.level:8} {entry.logger}: {entry.message}\n"
    traceback = entry.fields.get("traceback")
    return f"{text}{traceback}\n" if isinstance(traceback, str) else text


def _json_line(entry: LogEntry) -> str:
    told = {
        "seq": entry.seq,
        "timestamp": iso(entry.at),
        "level": entry.level,
        "logger": entry.logger,
        "message": entry.message,
        "fields": dict(entry.fields),
    }
    return json.dumps(told, ensure_ascii=False) + "\n"
