"""`/runs`, and the same of one job under `/jobs/<job_id>/runs`. Neighbour: `starts` makes new ones."""

from __future__ import annotations

from flask import Blueprint, Response, send_file

from ...core.filters import RunFilter
from .. import representations
from ..auth import current_desk
from ..bodies import json_response, read_object
from ..security import SANDBOX_POLICY
from . import answers, queries

_ONE_OF_ALL = "/runs/<run_id>"
_ONE_OF_JOB = "/jobs/<job_id>/runs/<run_id>"


def add_to(routes: Blueprint) -> None:
    """Register the routes; those of one run stand below `/runs` and below its job."""
    routes.add_url_rule("/runs", "list_runs", list_runs, methods=["GET"])
    routes.add_url_rule("/jobs/<job_id>/runs", "list_job_runs", list_runs, methods=["GET"])
    for one, of in ((_ONE_OF_ALL, "run"), (_ONE_OF_JOB, "job_run")):
        routes.add_url_rule(one, f"show_{of}", show_run, methods=["GET"])
        routes.add_url_rule(one, f"delete_{of}", delete_run, methods=["DELETE"])
        routes.add_url_rule(f"{one}/why", f"explain_{of}", explain_run, methods=["GET"])
        routes.add_url_rule(f"{one}/logs", f"show_{of}_log", show_log, methods=["GET"])
        routes.add_url_rule(f"{one}/attempts", f"list_{of}_attempts", list_attempts, methods=["GET"])
        routes.add_url_rule(f"{one}/files", f"list_{of}_files", list_files, methods=["GET"])
        routes.add_url_rule(f"{one}/files/<path:name>", f"download_{of}_file", download_file, methods=["GET"])
        routes.add_url_rule(f"{one}/actions/stop", f"stop_{of}", stop_run, methods=["POST"])


def list_runs(job_id: str | None = None) -> Response:
    """Runs from newest to oldest; `job_id`, `parent_id`, `type`, `queue`, `status` and `q` narrow the list."""
    wanted = RunFilter(
        job_id=queries.optional_identifier("job_id") if job_id is None else queries.identifier(job_id, "job_id"),
        parent_id=queries.optional_identifier("parent_id"),
        type=queries.text("type"),
        queue=queries.text("queue"),
        statuses=queries.statuses(),
        text=queries.text("q"),
    )
    shown = current_desk().runs.list(wanted, queries.page())
    return answers.runs(shown, queries.kept("job_id", "parent_id", "type", "queue", "status", "q"))


def show_run(run_id: str, job_id: str | None = None) -> Response:
    """One run."""
    return answers.run(current_desk().runs.get(*queries.run_ids(run_id, job_id)))


def delete_run(run_id: str, job_id: str | None = None) -> Response:
    """Delete a run that has ended, with its log and files."""
    current_desk().runs.delete(*queries.run_ids(run_id, job_id))
    return Response(status=204)


def stop_run(run_id: str, job_id: str | None = None) -> Response:
    """Ask a run to stop; the body may say why: `{"reason": "…"}`."""
    found, of_job = queries.run_ids(run_id, job_id)
    body = read_object(("reason",))
    return answers.run(current_desk().runs.stop(found, body.get("reason"), of_job), 202)


def explain_run(run_id: str, job_id: str | None = None) -> Response:
    """Why a run is not running: all reasons, its place in line, when it may begin."""
    return json_response(representations.why(current_desk().runs.why(*queries.run_ids(run_id, job_id))))


def show_log(run_id: str, job_id: str | None = None) -> Response:
    """Log entries after the cursor `after`, at most `limit`, of at least `level`."""
    desk = current_desk()
    run = desk.runs.get(*queries.run_ids(run_id, job_id))
    page = desk.logs.of_run(
        run.id,
        after=queries.integer("after", 0),
        limit=queries.integer("limit", 500),
        level=queries.text("level"),
    )
    return json_response(representations.log_page(page.entries, page.total, page.next, run, answers.links()))


def list_attempts(run_id: str, job_id: str | None = None) -> Response:
    """Every try at a run."""
    runs = current_desk().runs
    run = runs.get(*queries.run_ids(run_id, job_id))
    return answers.whole([representations.attempt(one) for one in runs.attempts(run.id)], "attempt")


def list_files(run_id: str, job_id: str | None = None) -> Response:
    """What a run made."""
    run = current_desk().runs.get(*queries.run_ids(run_id, job_id))
    return answers.whole([representations.file(one, answers.links()) for one in run.files], "name")


def download_file(run_id: str, name: str, job_id: str | None = None) -> Response:
    """The bytes of one file, always as a download that cannot run anything in a browser."""
    runs = current_desk().runs
    run = runs.get(*queries.run_ids(run_id, job_id))
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
