"""The JSON interface, as a script uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from jobdeck import Deck, Run
from jobdeck.store import tables

AN_ID = "01890000-0000-7000-8000-000000000000"
RUN_KEYS = {
    "id", "job_id", "created", "updated", "started_by_id", "started_by", "started_at", "finished_at", "status", "message",
    "task_id", "parent_run_id", "subtasks", "total_subtasks", "completed_subtasks", "failed_subtasks", "errored_entries",
    "total_entries", "title", "args", "queue", "links", "type", "reason", "trigger", "attempt", "max_attempts", "progress",
    "result", "waiting_reasons", "stop_requested_at", "stop_requested_by", "stop_reason", "inserted_entries",
    "updated_entries", "files", "function", "timeout",
}  # fmt: skip
JOB_KEYS = {
    "id", "created", "updated", "title", "description", "active", "task", "default_queue", "default_args", "run_args",
    "args", "schedule", "notification_emails", "notification_statuses", "links", "last_run", "last_runs", "type_known",
    "timeout", "problem", "next_run",
}  # fmt: skip


def new_job(api: FlaskClient, **changes: Any) -> dict[str, Any]:
    response = api.post("/api/jobs", json={"title": "Greet Ada", "task": "greet", "args": {"name": "Ada"}, **changes})
    assert response.status_code == 201, response.json
    return dict(response.json)


def fields(response: Any) -> dict[str, str]:
    assert response.status_code == 400
    assert response.json["status"] == 400
    return {error["field"]: " ".join(error["messages"]) for error in response.json.get("errors", [])}


def test_a_job_has_the_shape_of_the_contract(api: FlaskClient) -> None:
    job = new_job(api)
    assert set(job) == JOB_KEYS
    assert (job["title"], job["task"], job["description"], job["active"]) == ("Greet Ada", "greet", None, True)
    assert job["default_queue"] == "default"
    assert job["args"] == job["run_args"] and job["args"]["name"] == "Ada"
    assert json.loads(job["default_args"]) == {"name": "Ada", "times": 1, "tone": "kind"}
    assert list(json.loads(job["default_args"])) == ["name", "tone", "times"]
    assert job["links"]["self"] == f"http://localhost/api/jobs/{job['id']}"
    assert job["links"]["self_admin_html"] == f"http://localhost/administration/jobs/{job['id']}"
    assert job["last_run"] is None
    assert set(job["last_runs"]) >= {"queued", "success", "cancelled"}
    assert datetime.fromisoformat(job["created"]).utcoffset() is not None and job["created"].endswith("+00:00")
    assert api.get(f"/api/jobs/{job['id']}").json == job
    assert api.get("/api/jobs").json["hits"]["hits"] == [job]


def test_a_job_without_what_it_needs_can_still_be_read(api: FlaskClient) -> None:
    body = {"title": "A", "task": "greet", "run_args": None}
    job = api.post("/api/jobs", json=body).json
    assert job["default_args"] is None
    assert "name" in job["problem"]


def test_what_a_put_leaves_out_stays(api: FlaskClient) -> None:
    job = new_job(api, description="Every day", default_queue="slow", timeout="15m", active=False)
    for method in (api.put, api.patch):
        changed = method(f"/api/jobs/{job['id']}", json={"title": "Renamed"}).json
        assert changed == {**job, "title": "Renamed", "updated": changed["updated"]}
    assert job["timeout"] == 900
    assert api.put(f"/api/jobs/{job['id']}", json={"description": None}).json["description"] is None


def test_a_job_can_be_sent_back_as_it_was_read(api: FlaskClient) -> None:
    for body in ({"title": "A", "task": "greet"}, {"title": "B", "task": "greet", "args": {"name": "x"}},
                 {"title": "C", "task": "greet", "custom_args": '{"name": "y"}'}):  # fmt: skip
        job = api.post("/api/jobs", json=body).json
        again = api.put(f"/api/jobs/{job['id']}", json=job)
        assert again.status_code == 200, again.json
        assert {**again.json, "updated": ""} == {**job, "updated": ""}


def test_custom_arguments_are_handed_on_as_they_are_and_can_be_cleared(api: FlaskClient) -> None:
    job = new_job(api, custom_args='{"name": "Bob", "odd": 1}')
    assert job["run_args"]["custom_args"] == {"name": "Bob", "odd": 1}
    run = api.post(f"/api/jobs/{job['id']}/runs").json
    assert run["args"] == {"name": "Bob", "odd": 1}
    cleared = api.patch(f"/api/jobs/{job['id']}", json={"custom_args": None}).json
    assert "custom_args" not in cleared["run_args"] and cleared["run_args"]["name"] == "Ada"
    assert api.post(f"/api/jobs/{job['id']}/runs").json["args"]["name"] == "Ada"


@pytest.mark.parametrize("bad", ["{nonsense", "[1]", "3", '{"a": NaN}'])
def test_bad_custom_arguments_are_named(api: FlaskClient, bad: str) -> None:
    job = new_job(api)
    assert "custom_args" in fields(api.patch(f"/api/jobs/{job['id']}", json={"custom_args": bad}))
    assert "custom_args" in fields(api.post(f"/api/jobs/{job['id']}/runs", json={"custom_args": bad}))
    assert api.get("/api/runs").json["hits"]["total"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"task": "greet"}, "title"),
        ({"title": "", "task": "greet"}, "title"),
        ({"title": "x" * 251, "task": "greet"}, "title"),
        ({"title": 3, "task": "greet"}, "title"),
        ({"title": "A"}, "task"),
        ({"title": "A", "task": "nope"}, "task"),
        ({"title": "A", "task": ["greet"]}, "task"),
        ({"title": "A", "task": "greet", "default_queue": "nope"}, "default_queue"),
        ({"title": "A", "task": "greet", "active": "yes"}, "active"),
        ({"title": "A", "task": "greet", "timeout": "soon"}, "timeout"),
        ({"title": "A", "task": "greet", "args": {"name": "A", "times": "many"}}, "args.times"),
        ({"title": "A", "task": "greet", "args": {"name": "A", "foo": 1}}, "args.foo"),
        ({"title": "A", "task": "greet", "args": None}, "args"),
        ({"title": "A", "task": "greet", "args": [1]}, "args"),
        ({"title": "A", "task": "greet", "schedule": {"type": "interval", "minutes": 5}}, "schedule"),
        ({"title": "A", "task": "greet", "notification_emails": ["a@b.example"]}, "notification_emails"),
        ({"title": "A", "task": "greet", "tenant": "other"}, "tenant"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_and_nothing_is_stored(api: FlaskClient, body: dict[str, Any], field: str) -> None:
    assert field in fields(api.post("/api/jobs", json=body))
    assert api.get("/api/jobs").json["hits"]["total"] == 0


WRITES = [
    ("POST", "/api/jobs"), ("PUT", f"/api/jobs/{AN_ID}"), ("PATCH", f"/api/jobs/{AN_ID}"),
    ("POST", f"/api/jobs/{AN_ID}/runs"), ("POST", "/api/tasks/greet/runs"),
    ("POST", f"/api/runs/{AN_ID}/actions/stop"), ("POST", f"/api/jobs/{AN_ID}/runs/{AN_ID}/actions/stop"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize("name", ["tenant", "owner", "principal", "principal_id", "state", "fence", "__class__", "é", ""])
def test_no_write_takes_an_unknown_field(api: FlaskClient, method: str, path: str, name: str) -> None:
    assert fields(api.open(path, method=method, json={name: "x"})) == {name: "Unknown field."}


@pytest.mark.parametrize(
    ("raw", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"title": "A", "title": "B", "task": "greet"}', "application/json", 400),
        (b'{"timeout": NaN, "title": "A", "task": "greet"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"args": ' + b'{"a":' * 40 + b"1" + b"}" * 41, "application/json", 400),
        (b'{"args": {"n": 9007199254740993}}', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b"{}", "application/json; charset=latin-1", 415),
        (b'{"title": "' + b"x" * 1024 * 1024 + b'"}', "application/json", 413),
    ],
    ids=lambda value: str(value[:30]) if isinstance(value, bytes) else None,
)
def test_a_body_that_is_no_proper_json_is_refused(api: FlaskClient, raw: bytes, content_type: str, status: int) -> None:
    response = api.post("/api/jobs", data=raw, content_type=content_type)
    assert response.status_code == status
    assert response.json["status"] == status and response.json["message"]


def test_types_of_bodies_and_answers(api: FlaskClient) -> None:
    body = json.dumps({"title": "A", "task": "greet"})
    for content_type in ("application/json; charset=utf-8", "application/vnd.inveniordm.v1+json", None):
        assert api.post("/api/jobs", data=body, content_type=content_type).status_code == 201
    for accept, answered in (("*/*", "application/json"), ("text/html, */*;q=0.1", "application/json"),
                             ("application/vnd.inveniordm.v1+json", "application/vnd.inveniordm.v1+json")):  # fmt: skip
        assert api.get("/api/jobs", headers={"Accept": accept}).content_type == answered
    refused = api.get("/api/jobs", headers={"Accept": "text/html"})
    assert refused.status_code == 406 and refused.json["message"].startswith("Invalid 'Accept' header.")


def test_a_run_has_one_shape_everywhere(api: FlaskClient) -> None:
    job = new_job(api)
    run = api.post(f"/api/jobs/{job['id']}/runs", json={"title": "Once", "queue": "slow"}).json
    assert set(run) == RUN_KEYS
    assert (run["status"], run["title"], run["queue"], run["trigger"]) == ("QUEUED", "Once", "slow", "api")
    assert run["args"] == {"name": "Ada", "times": 1, "tone": "kind"}
    assert run["started_by"]["username"] == "Ada" and run["started_by_id"] == run["started_by"]["id"]
    for path in (f"/api/runs/{run['id']}", f"/api/jobs/{job['id']}/runs/{run['id']}"):
        assert api.get(path).json == run
    for path in ("/api/runs", f"/api/jobs/{job['id']}/runs"):
        assert api.get(path).json["hits"]["hits"] == [run]
    shown = api.get(f"/api/jobs/{job['id']}").json
    assert shown["last_run"] == run and shown["last_runs"]["queued"] == run and shown["last_runs"]["success"] == {}


def test_a_type_runs_once_without_a_job(api: FlaskClient) -> None:
    run = api.post("/api/tasks/greet/runs", json={"args": {"name": "Ada"}}).json
    assert (run["job_id"], run["type"], run["args"]["times"]) == (None, "greet", 1)
    assert "args.name" in fields(api.post("/api/tasks/greet/runs", json={}))
    assert "args.foo" in fields(api.post("/api/tasks/greet/runs", json={"args": {"name": "Ada", "foo": 1}}))
    missing = api.post("/api/tasks/gret/runs", json={})
    assert missing.status_code == 404 and "greet" in missing.json["message"]


def test_stopping(api: FlaskClient) -> None:
    job = new_job(api)
    run = api.post(f"/api/jobs/{job['id']}/runs").json
    stop = f"/api/jobs/{job['id']}/runs/{run['id']}/actions/stop"
    stopped = api.post(stop, json={"reason": "Not today"})
    assert stopped.status_code == 202
    assert (stopped.json["status"], stopped.json["reason"]) == ("CANCELLED", "stopped")
    again = api.post(stop)
    assert again.status_code == 400 and "CANCELLED" in again.json["message"] and "Enum" not in again.json["message"]


def test_deleting(api: FlaskClient) -> None:
    job = new_job(api)
    run = api.post(f"/api/jobs/{job['id']}/runs").json
    assert api.delete(f"/api/runs/{run['id']}").status_code == 400
    api.post(f"/api/runs/{run['id']}/actions/stop")
    response = api.delete(f"/api/jobs/{job['id']}")
    assert (response.status_code, response.data) == (204, b"")
    assert api.get(f"/api/jobs/{job['id']}/runs").json["hits"]["total"] == 1
    assert api.get(f"/api/runs/{run['id']}").status_code == 200
    assert api.delete(f"/api/runs/{run['id']}").status_code == 204
    assert api.get(f"/api/runs/{run['id']}").status_code == 404


def test_unknown_and_malformed_ids(api: FlaskClient) -> None:
    job = new_job(api)
    assert fields(api.get("/api/jobs/nonsense")) == {"job_id": "Not a valid UUID."}
    assert fields(api.get(f"/api/jobs/{AN_ID}/runs/x")) == {"run_id": "Not a valid UUID."}
    assert api.get(f"/api/jobs/{AN_ID}").json == {"status": 404, "message": f"Job with ID {AN_ID} does not exist."}
    other = api.get(f"/api/jobs/{job['id']}/runs/{AN_ID}").json
    assert other == {"status": 404, "message": f"Run with ID {AN_ID} for job {job['id']} does not exist."}


def test_what_another_tenant_has_is_unknown(
    api: FlaskClient, give_away: Callable[[str], None], add_file: Callable[..., None], deck: Deck
) -> None:
    job = new_job(api)
    run = api.post(f"/api/jobs/{job['id']}/runs").json
    add_file(deck.runs.get(run["id"]), "a.txt", "text/plain", b"secret")
    give_away("elsewhere")
    paths = [f"/api/jobs/{job['id']}", f"/api/runs/{run['id']}", f"/api/runs/{run['id']}/logs",
             f"/api/runs/{run['id']}/files", f"/api/runs/{run['id']}/files/a.txt", f"/api/runs/{run['id']}/attempts"]  # fmt: skip
    for path in paths:
        assert api.get(path).status_code == 404, path
    assert api.put(f"/api/jobs/{job['id']}", json={"title": "Mine"}).status_code == 404
    assert api.delete(f"/api/jobs/{job['id']}").status_code == 404
    assert api.post(f"/api/jobs/{job['id']}/runs", json={}).status_code == 404
    assert api.post(f"/api/runs/{run['id']}/actions/stop").status_code == 404
    assert api.delete(f"/api/runs/{run['id']}").status_code == 404
    for path in ("/api/jobs", "/api/runs", f"/api/logs/jobs?q={run['id']}"):
        assert api.get(path).json["hits"]["hits"] == []


def test_lists_are_searched_and_filtered(api: FlaskClient) -> None:
    first = new_job(api, title="Alpha", description="weekly REPORT")
    second = new_job(api, title="beta", active=False)
    titles = [job["title"] for job in api.get("/api/jobs").json["hits"]["hits"]]
    assert titles == ["Alpha", "beta"]
    for query, expected in (("q=report", [first]), ("q=BET", [second]), ("active=false", [second]), ("q=%25", [])):
        hits = api.get(f"/api/jobs?{query}").json["hits"]["hits"]
        assert [job["id"] for job in hits] == [job["id"] for job in expected], query
    run = api.post(f"/api/jobs/{first['id']}/runs").json
    api.post(f"/api/jobs/{second['id']}/runs", json={"queue": "slow"})
    for query, total in (("status=queued", 2), ("status=SUCCESS,FAILED", 0), ("status=SUCCESS&status=QUEUED", 2),
                         ("queue=slow", 1), ("type=greet", 2), (f"job_id={first['id']}", 1), ("unknown=1", 2)):  # fmt: skip
        assert api.get(f"/api/runs?{query}").json["hits"]["total"] == total, query
    assert api.get(f"/api/jobs/{first['id']}/runs").json["hits"]["hits"][0]["id"] == run["id"]


@pytest.mark.parametrize(
    ("query", "field"),
    [("page=0", "page"), ("page=x", "page"), ("page=99999999999999999999", "page"), ("size=0", "size"),
     ("size=1000", "size"), ("size=-1", "size"), ("page=1&page=2", "page"), ("status=Nope", "status"),
     ("before=x", "before"), ("job_id=x", "job_id")],
)  # fmt: skip
def test_a_wrong_query_parameter_is_named(api: FlaskClient, query: str, field: str) -> None:
    assert field in fields(api.get(f"/api/runs?{query}"))


def test_pages_are_linked(api: FlaskClient, deck: Deck) -> None:
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
    assert [run["args"]["name"] for run in api.get(f"/api/runs?size=2&before={last}").json["hits"]["hits"]] == ["2", "1"]
    assert api.get("/api/runs?page=50").json["hits"]["hits"] == []


def test_the_log_is_read_by_cursor(api: FlaskClient, deck: Deck, add_log: Callable[..., None]) -> None:
    run = deck.runs.start("greet", {"name": "Ada"})
    add_log(run, (10, "one"), (20, "two"), (40, "three"))
    body = api.get(f"/api/runs/{run.id}/logs?limit=2").json
    assert [entry["message"] for entry in body["hits"]["hits"]] == ["one", "two"]
    assert (body["next"], body["hits"]["total"]) == (2, 3)
    rest = api.get(f"/api/runs/{run.id}/logs?after=2").json
    entry = rest["hits"]["hits"][0]
    assert (entry["message"], entry["level"], entry["seq"], entry["module"]) == ("three", "ERROR", 3, "conftest")
    assert entry["fields"] == {"colour": "blue"}
    assert entry["context"] == {"run_id": run.id, "task_id": run.id, "job_id": None, "identity_id": "system"}
    assert [e["message"] for e in api.get(f"/api/runs/{run.id}/logs?level=error").json["hits"]["hits"]] == ["three"]
    for query, field in (("level=LOUD", "level"), ("limit=0", "limit"), ("after=-1", "after")):
        assert field in fields(api.get(f"/api/runs/{run.id}/logs?{query}"))


def test_logs_are_searched_by_run(api: FlaskClient, deck: Deck, add_log: Callable[..., None]) -> None:
    run, other = deck.runs.start("greet", {"name": "A"}), deck.runs.start("greet", {"name": "B"})
    add_log(run, (20, "red apple"), (20, "green apple"), (20, "pear"))
    add_log(other, (20, "red herring"))
    body = api.get(f"/api/logs/jobs?q={run.id}").json
    assert (len(body["hits"]["hits"]), body["hits"]["total"]) == (3, 3)
    assert [e["message"] for e in api.get(f"/api/logs/jobs?q={run.id} apple").json["hits"]["hits"]] == ["red apple", "green apple"]
    first = api.get(f"/api/logs/jobs?q={run.id}&size=2").json
    assert first["warnings"][0]["type"] == "truncated_results" and first["warnings"][0]["total_available"] == 3
    run_id, seq = first["hits"]["sort"]
    rest = api.get(f"/api/logs/jobs?q={run.id}&size=2&search_after={run_id}&search_after={seq}").json
    assert [e["message"] for e in rest["hits"]["hits"]] == ["pear"] and "warnings" not in rest
    assert api.get(f"/api/logs/jobs?q={AN_ID}").json == {"hits": {"hits": [], "total": 0}}
    assert "q" in fields(api.get("/api/logs/jobs?q=apple"))
    assert "search_after" in fields(api.get(f"/api/logs/jobs?q={run.id}&search_after=x"))


def test_types_and_their_fields(api: FlaskClient) -> None:
    body = api.get("/api/tasks").json
    assert {task["id"] for task in body["hits"]["hits"]} >= {"greet", "count_days"}
    task = api.get("/api/tasks/greet").json
    assert (task["title"], task["description"]) == ("Greet people", "Say hello.")
    assert task["schema"]["properties"]["name"]["type"] == "string"
    shown = api.get("/api/tasks/greet/args").json
    assert set(shown) == {"name", "times", "tone"}
    assert shown["name"]["required"] is True
    assert api.get("/api/tasks/nope/args").status_code == 404


def test_workers_and_attempts_are_lists(api: FlaskClient, deck: Deck) -> None:
    run = deck.runs.start("greet", {"name": "Ada"})
    assert api.get("/api/workers").json["hits"] == {"hits": [], "total": 0}
    assert api.get(f"/api/runs/{run.id}/attempts").json["hits"] == {"hits": [], "total": 0}


@pytest.mark.parametrize("name", ["records.tgz", "Übersicht für 2026.csv", 'a"b;c.html', "..%2f", "evil.svg"])
def test_files_only_ever_download(
    api: FlaskClient, deck: Deck, add_file: Callable[[Run, str, str, bytes], None], name: str
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


@pytest.mark.parametrize("name", ["../jobdeck.db", "..%2f..%2fjobdeck.db", "/etc/passwd", "%2fetc%2fpasswd", "..", "a\x00b"])
def test_no_name_reaches_another_file(api: FlaskClient, deck: Deck, name: str) -> None:
    run = deck.runs.start("greet", {"name": "Ada"})
    response = api.get(f"/api/runs/{run.id}/files/{name}")
    assert response.status_code in (404, 308)
    assert b"root:" not in response.data and b"SQLite" not in response.data


def test_methods_and_unknown_paths_are_answered_in_json(api: FlaskClient) -> None:
    wrong = api.delete("/api/jobs")
    assert wrong.json == {"message": "The method is not allowed for the requested URL.", "status": 405}
    assert "POST" in wrong.headers["Allow"]
    for path in ("/api/nothing", "/api/jobs/a/b/c/d", "/api"):
        response = api.get(path)
        assert response.status_code == 404
    assert api.get("/api/nothing").json["status"] == 404
    head = api.head("/api/jobs")
    assert (head.status_code, head.data) == (200, b"")


def test_a_type_that_is_gone_leaves_its_jobs_readable(api: FlaskClient, deck: Deck) -> None:
    job, other = new_job(api), new_job(api, title="Other")
    with deck.database.write() as connection:
        connection.execute(update(tables.jobs).where(tables.jobs.c.id == job["id"]).values(type="gone"))
    shown = api.get(f"/api/jobs/{job['id']}").json
    assert (shown["type_known"], shown["default_args"]) == (False, None) and "gone" in shown["problem"]
    assert {item["id"] for item in api.get("/api/jobs").json["hits"]["hits"]} == {job["id"], other["id"]}
    assert api.post(f"/api/jobs/{job['id']}/runs").status_code == 400
    assert api.patch(f"/api/jobs/{job['id']}", json={"title": "Kept"}).json["title"] == "Kept"


def test_a_fault_of_ours_tells_nothing_but_a_reference(
    api: FlaskClient, deck: Deck, caplog: pytest.LogCaptureFixture
) -> None:
    with deck.database.write() as connection:
        connection.exec_driver_sql("DROP TABLE jobdeck_job")
    response = api.get("/api/jobs")
    assert response.status_code in (500, 503)
    text = response.get_data(as_text=True)
    for internal in ("Traceback", "SELECT", "jobdeck_job", "sqlite", "/home", ".py"):
        assert internal not in text
    reference = response.json["message"].rpartition("Reference: ")[2].rstrip(".")
    assert reference and reference in caplog.text
