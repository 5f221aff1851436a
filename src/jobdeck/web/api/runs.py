"""`/runs`, and the same of one job under `/jobs/<job_id>/runs`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, send_file

from ...core.filters import RunFilter
from ..auth import current_desk
from ..bodies import json_response, read_object
from ..representations import attempt as attempt_shape
from ..representations import file as file_shape
from ..representations import log_page
from ..security import SANDBOX_POLICY
from . import answers, arguments, queries

_ALLOWED = ("title", "queue", "timeout", "args", "custom_args")
_SERVER_OWNED = (
    "id", "job_id", "type", "function", "status", "reason", "message", "trigger", "result",
    "progress", "attempt", "max_attempts", "waiting_reasons", "created", "updated", "started_at",
    "finished_at", "started_by_id", "started_by", "stop_requested_at", "stop_requested_by",
    "stop_reason", "task_id", "parent_run_id", "subtasks", "total_subtasks", "completed_subtasks",
    "failed_subtasks", "errored_entries", "inserted_entries", "updated_entries", "total_entries",
    "files", "links", "positional",
)  # fmt: skip
_ONE_OF_ALL = "/runs/<run_id>"
_ONE_OF_JOB = "/jobs/<job_id>/runs/<run_id>"


def add_to(routes: Blueprint) -> None:
    """Register the routes; those of one run stand below `/runs` and below its job."""
    routes.add_url_rule("/runs", "list_runs", list_runs, methods=["GET"])
    routes.add_url_rule("/jobs/<job_id>/runs", "list_job_runs", list_runs, methods=["GET"])
    routes.add_url_rule("/jobs/<job_id>/runs", "start_job", start_job, methods=["POST"])
    for one, of in ((_ONE_OF_ALL, "run"), (_ONE_OF_JOB, "job_run")):
        routes.add_url_rule(one, f"show_{of}", show_run, methods=["GET"])
        routes.add_url_rule(one, f"delete_{of}", delete_run, methods=["DELETE"])
        routes.add_url_rule(f"{one}/logs", f"show_{of}_log", show_log, methods=["GET"])
        routes.add_url_rule(f"{one}/attempts", f"list_{of}_attempts", list_attempts, methods=["GET"])
        routes.add_url_rule(f"{one}/files", f"list_{of}_files", list_files, methods=["GET"])
        routes.add_url_rule(f"{one}/files/<path:name>", f"download_{of}_file", download_file, methods=["GET"])
        routes.add_url_rule(f"{one}/actions/stop", f"stop_{of}", stop_run, methods=["POST"])


def list_runs(job_id: str | None = None) -> Response:
    """Runs from newest to oldest; `job_id`, `type`, `queue`, `status` and `q` narrow the list."""
    wanted = RunFilter(
        job_id=queries.optional_identifier("job_id") if job_id is None else queries.identifier(job_id, "job_id"),
        type=queries.text("type"),
        queue=queries.text("queue"),
        statuses=queries.statuses(),
        text=queries.text("q"),
    )
    shown = current_desk().runs.list(wanted, queries.page())
    return answers.runs(shown, queries.kept("job_id", "type", "queue", "status", "q"))


def start_job(job_id: str) -> Response:
    """Start a saved job."""
    return start(queries.identifier(job_id, "job_id"))


def start(target: str) -> Response:
    """Start a job (by its id) or a type (by its id) with what the body says."""
    body = read_object(_ALLOWED, _SERVER_OWNED)
    plain: dict[str, Any] = {name: body.get(name) for name in ("title", "queue", "timeout")}
    return answers.run(current_desk().runs.start(target, **arguments.of_run(body), **plain), 201)


def show_run(run_id: str, job_id: str | None = None) -> Response:
    """One run."""
    return answers.run(current_desk().runs.get(*_ids(run_id, job_id)))


def delete_run(run_id: str, job_id: str | None = None) -> Response:
    """Delete a run that has ended, with its log and files."""
    current_desk().runs.delete(*_ids(run_id, job_id))
    return Response(status=204)


def stop_run(run_id: str, job_id: str | None = None) -> Response:
    """Ask a run to stop; the body may say why: `{"reason": "…"}`."""
    found, of_job = _ids(run_id, job_id)
    body = read_object(("reason",))
    return answers.run(current_desk().runs.stop(found, body.get("reason"), of_job), 202)


def show_log(run_id: str, job_id: str | None = None) -> Response:
    """Log entries after the cursor `after`, at most `limit`, of at least `level`."""
    desk = current_desk()
    run = desk.runs.get(*_ids(run_id, job_id))
    page = desk.logs.of_run(
        run.id,
        after=queries.integer("after", 0),
        limit=queries.integer("limit", 500),
        level=queries.text("level"),
    )
    return json_response(log_page(page.entries, page.total, page.next, run, answers.links()))


def list_attempts(run_id: str, job_id: str | None = None) -> Response:
    """Every try at a run."""
    runs = current_desk().runs
    run = runs.get(*_ids(run_id, job_id))
    return answers.whole([attempt_shape(one) for one in runs.attempts(run.id)], "attempt")


def list_files(run_id: str, job_id: str | None = None) -> Response:
    """What a run made."""
    run = current_desk().runs.get(*_ids(run_id, job_id))
    return answers.whole([file_shape(one, answers.links()) for one in run.files], "name")


def download_file(run_id: str, name: str, job_id: str | None = None) -> Response:
    """The bytes of one file, always as a download that cannot run anything in a browser."""
    runs = current_desk().runs
    run = runs.get(*_ids(run_id, job_id))
    file, path = runs.file(run.id, name)
    response = send_file(
        path,
        mimetype=file.media_type,
        as_attachment=True,
        download_name=file.name,
        conditional=False,
        etag=False,
    )
    response.headers["Content-Security-Policy"] = SANDBOX_POLICY
    return response


def _ids(run_id: str, job_id: str | None) -> tuple[str, str | None]:
    of_job = None if job_id is None else queries.identifier(job_id, "job_id")
    return queries.identifier(run_id, "run_id"), of_job
