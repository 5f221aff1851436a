"""Runs, their logs and their files over the JSON interface, as a script uses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobdeck import Deck, Run

AN_ID = "01890000-0000-7000-8000-000000000000"
RUN_KEYS = {
    "id", "job_id", "created", "updated", "started_by_id", "started_by", "started_at",
    "finished_at", "status", "message", "task_id", "parent_run_id", "subtasks", "total_subtasks",
    "completed_subtasks", "failed_subtasks", "errored_entries", "total_entries", "title", "args",
    "queue", "links", "type", "reason", "trigger", "attempt", "max_attempts", "progress", "result",
    "waiting_reasons", "stop_requested_at", "stop_requested_by", "stop_reason", "inserted_entries",
    "updated_entries", "files", "function", "timeout", "positional", "subtasks_closed", "priority",
    "open_dependencies", "start_at", "expires_at", "limit", "limit_policy", "unique_key", "retry_of", "rescues",
    "schedule_id", "fire_at", "engine", "isolation", "fenced_deliveries",
}  # fmt: skip


def test_a_run_has_one_shape_everywhere(api: Any, new_job: Callable[..., dict[str, Any]]) -> None:
    job = new_job()
    run = api.post(f"/api/jobs/{job['id']}/runs", json={"title": "Once", "queue": "slow"}).json
    assert set(run) == RUN_KEYS
    assert (run["status"], run["title"], run["queue"], run["trigger"]) == ("QUEUED", "Once", "slow", "api")
    assert run["args"] == {"name": "Ada", "times": 1, "tone": "kind"}
    assert [reason["code"] for reason in run["waiting_reasons"]] == ["no_worker"]
    assert (run["start_at"], run["priority"], run["limit"], run["subtasks_closed"]) == (None, 0, None, False)
    assert run["started_by"]["username"] == "Ada" and run["started_by_id"] == run["started_by"]["id"]
    for path in (f"/api/runs/{run['id']}", f"/api/jobs/{job['id']}/runs/{run['id']}"):
        assert api.get(path).json == run
    for path in ("/api/runs", f"/api/jobs/{job['id']}/runs"):
        assert api.get(path).json["hits"]["hits"] == [run]
    shown = api.get(f"/api/jobs/{job['id']}").json
    assert shown["last_run"] == run and shown["last_runs"]["queued"] == run and shown["last_runs"]["success"] == {}


def test_a_type_runs_once_without_a_job(api: Any, wrong_fields: Callable[[Any], dict[str, str]]) -> None:
    run = api.post("/api/tasks/greet/runs", json={"args": {"name": "Ada"}}).json
    assert (run["job_id"], run["type"], run["args"]["times"]) == (None, "greet", 1)
    assert "args.name" in wrong_fields(api.post("/api/tasks/greet/runs", json={}))
    assert "args.foo" in wrong_fields(api.post("/api/tasks/greet/runs", json={"args": {"name": "Ada", "foo": 1}}))
    missing = api.post("/api/tasks/gret/runs", json={})
    assert missing.status_code == 404 and "greet" in missing.json["message"]


def test_stopping(api: Any, new_job: Callable[..., dict[str, Any]]) -> None:
    job = new_job()
    run = api.post(f"/api/jobs/{job['id']}/runs").json
    stop = f"/api/jobs/{job['id']}/runs/{run['id']}/actions/stop"
    stopped = api.post(stop, json={"reason": "Not today"})
    assert stopped.status_code == 202
    assert (stopped.json["status"], stopped.json["reason"]) == ("CANCELLED", "stopped")
    again = api.post(stop)
    assert again.status_code == 400 and "CANCELLED" in again.json["message"] and "Enum" not in again.json["message"]


def test_deleting(api: Any, new_job: Callable[..., dict[str, Any]]) -> None:
    job = new_job()
    run = api.post(f"/api/jobs/{job['id']}/runs").json
    assert api.delete(f"/api/runs/{run['id']}").status_code == 400
    api.post(f"/api/runs/{run['id']}/actions/stop")
    response = api.delete(f"/api/jobs/{job['id']}")
    assert (response.status_code, response.data) == (204, b"")
    assert api.get(f"/api/jobs/{job['id']}/runs").json["hits"]["total"] == 1
    assert api.get(f"/api/runs/{run['id']}").status_code == 200
    assert api.delete(f"/api/runs/{run['id']}").status_code == 204
    assert api.get(f"/api/runs/{run['id']}").status_code == 404


def test_pages_are_linked(api: Any, deck: Deck) -> None:
    deck.runs.start_many("greet", [{"name": str(number)} for number in range(5)])
    seen, address, pages = [], "/api/runs?size=2&type=greet", 0
    while address:
        body = api.get(address).json
        seen += [run["args"]["name"] for run in body["hits"]["hits"]]
        pages += 1
        assert (body["hits"]["total"], body["page"], body["sortBy"]) == (5, pages, ["created"])
        assert ("prev" in body["links"]) == (pages > 1)
        address = body["links"].get("next", "").removeprefix("http://localhost")
    assert (seen, pages) == (["4", "3", "2", "1", "0"], 3)
    last = api.get("/api/runs?size=2").json["hits"]["hits"][-1]["id"]
    assert [run["args"]["name"] for run in api.get(f"/api/runs?size=2&before={last}").json["hits"]["hits"]] == [
        "2",
        "1",
    ]
    assert api.get("/api/runs?page=50").json["hits"]["hits"] == []


def test_the_log_is_read_by_cursor(
    api: Any, deck: Deck, add_log: Callable[..., None], wrong_fields: Callable[[Any], dict[str, str]]
) -> None:
    run = deck.runs.start("greet", {"name": "Ada"})
    add_log(run, (10, "one"), (20, "two"), (40, "three"))
    body = api.get(f"/api/runs/{run.id}/logs?limit=2").json
    assert [entry["message"] for entry in body["hits"]["hits"]] == ["one", "two"]
    assert (body["next"], body["hits"]["total"]) == (2, 3)
    rest = api.get(f"/api/runs/{run.id}/logs?after=2").json
    entry = rest["hits"]["hits"][0]
    assert (entry["message"], entry["level"], entry["seq"], entry["module"]) == (
        "three",
        "ERROR",
        3,
        "conftest",
    )
    assert entry["fields"] == {"colour": "blue"}
    assert entry["context"] == {"run_id": run.id, "task_id": run.id, "job_id": None, "identity_id": "system"}
    assert [e["message"] for e in api.get(f"/api/runs/{run.id}/logs?level=error").json["hits"]["hits"]] == ["three"]
    for query, field in (("level=LOUD", "level"), ("limit=0", "limit"), ("after=-1", "after")):
        assert field in wrong_fields(api.get(f"/api/runs/{run.id}/logs?{query}"))


def test_logs_are_searched_by_run(
    api: Any, deck: Deck, add_log: Callable[..., None], wrong_fields: Callable[[Any], dict[str, str]]
) -> None:
    run, other = deck.runs.start("greet", {"name": "A"}), deck.runs.start("greet", {"name": "B"})
    add_log(run, (20, "red apple"), (20, "green apple"), (20, "pear"))
    add_log(other, (20, "red herring"))
    body = api.get(f"/api/logs/jobs?q={run.id}").json
    assert (len(body["hits"]["hits"]), body["hits"]["total"]) == (3, 3)
    assert [e["message"] for e in api.get(f"/api/logs/jobs?q={run.id} apple").json["hits"]["hits"]] == [
        "red apple",
        "green apple",
    ]
    first = api.get(f"/api/logs/jobs?q={run.id}&size=2").json
    assert first["warnings"][0]["type"] == "truncated_results" and first["warnings"][0]["total_available"] == 3
    run_id, seq = first["hits"]["sort"]
    rest = api.get(f"/api/logs/jobs?q={run.id}&size=2&search_after={run_id}&search_after={seq}").json
    assert [e["message"] for e in rest["hits"]["hits"]] == ["pear"] and "warnings" not in rest
    assert api.get(f"/api/logs/jobs?q={AN_ID}").json == {"hits": {"hits": [], "total": 0}}
    assert "q" in wrong_fields(api.get("/api/logs/jobs?q=apple"))
    assert "search_after" in wrong_fields(api.get(f"/api/logs/jobs?q={run.id}&search_after=x"))


def test_workers_and_attempts_are_lists(api: Any, deck: Deck) -> None:
    run = deck.runs.start("greet", {"name": "Ada"})
    assert api.get("/api/workers").json["hits"] == {"hits": [], "total": 0}
    assert api.get(f"/api/runs/{run.id}/attempts").json["hits"] == {"hits": [], "total": 0}


@pytest.mark.parametrize("name", ["records.tgz", "Übersicht für 2026.csv", 'a"b;c.html', "..%2f", "evil.svg"])
def test_files_only_ever_download(
    api: Any, deck: Deck, add_file: Callable[[Run, str, str, bytes], None], name: str
) -> None:
    run = deck.runs.start("greet", {"name": "Ada"})
    add_file(run, name, "text/html", b"<script>alert(1)</script>")
    listed = api.get(f"/api/runs/{run.id}").json["files"][0]
    assert (listed["name"], listed["size"], listed["media_type"]) == (name, 25, "text/html")
    response = api.get(listed["links"]["content"], headers={"Accept": "image/png"})
    assert (response.status_code, response.data) == (200, b"<script>alert(1)</script>")
    assert response.headers["Content-Disposition"].startswith("attachment;")
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    response.close()


@pytest.mark.parametrize(
    "name", ["../jobdeck.db", "..%2f..%2fjobdeck.db", "/etc/passwd", "%2fetc%2fpasswd", "..", "a\x00b"]
)
def test_no_name_reaches_another_file(api: Any, deck: Deck, name: str) -> None:
    run = deck.runs.start("greet", {"name": "Ada"})
    response = api.get(f"/api/runs/{run.id}/files/{name}")
    assert response.status_code in (404, 308)
    assert b"root:" not in response.data and b"SQLite" not in response.data
