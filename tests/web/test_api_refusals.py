"""What the JSON interface refuses, and how it says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from jobdeck import Deck

AN_ID = "01890000-0000-7000-8000-000000000000"


WRITES = [
    ("POST", "/api/jobs"),
    ("PUT", f"/api/jobs/{AN_ID}"),
    ("PATCH", f"/api/jobs/{AN_ID}"),
    ("POST", f"/api/jobs/{AN_ID}/runs"),
    ("POST", "/api/tasks/greet/runs"),
    ("POST", f"/api/runs/{AN_ID}/actions/stop"),
    ("POST", f"/api/jobs/{AN_ID}/runs/{AN_ID}/actions/stop"),
]


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize(
    "name", ["tenant", "owner", "principal", "principal_id", "state", "fence", "__class__", "é", ""]
)
def test_no_write_takes_an_unknown_field(
    api: Any, method: str, path: str, name: str, wrong_fields: Callable[[Any], dict[str, str]]
) -> None:
    assert wrong_fields(api.open(path, method=method, json={name: "x"})) == {name: "Unknown field."}


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
def test_a_body_that_is_no_proper_json_is_refused(api: Any, raw: bytes, content_type: str, status: int) -> None:
    response = api.post("/api/jobs", data=raw, content_type=content_type)
    assert response.status_code == status
    assert response.json["status"] == status and response.json["message"]


def test_types_of_bodies_and_answers(api: Any) -> None:
    body = json.dumps({"title": "A", "task": "greet"})
    for content_type in ("application/json; charset=utf-8", "application/vnd.inveniordm.v1+json", None):
        assert api.post("/api/jobs", data=body, content_type=content_type).status_code == 201
    for accept, answered in (
        ("*/*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/vnd.inveniordm.v1+json", "application/vnd.inveniordm.v1+json"),
    ):
        assert api.get("/api/jobs", headers={"Accept": accept}).content_type == answered
    refused = api.get("/api/jobs", headers={"Accept": "text/html"})
    assert refused.status_code == 406 and refused.json["message"].startswith("Invalid 'Accept' header.")


def test_unknown_and_malformed_ids(
    api: Any, new_job: Callable[..., dict[str, Any]], wrong_fields: Callable[[Any], dict[str, str]]
) -> None:
    job = new_job()
    assert wrong_fields(api.get("/api/jobs/nonsense")) == {"job_id": "Not a valid UUID."}
    assert wrong_fields(api.get(f"/api/jobs/{AN_ID}/runs/x")) == {"run_id": "Not a valid UUID."}
    assert api.get(f"/api/jobs/{AN_ID}").json == {
        "status": 404,
        "message": f"Job with ID {AN_ID} does not exist.",
    }
    other = api.get(f"/api/jobs/{job['id']}/runs/{AN_ID}").json
    assert other == {"status": 404, "message": f"Run with ID {AN_ID} for job {job['id']} does not exist."}


def test_what_another_tenant_has_is_unknown(
    api: Any,
    give_away: Callable[[str], None],
    add_file: Callable[..., None],
    deck: Deck,
    new_job: Callable[..., dict[str, Any]],
) -> None:
    job = new_job()
    run = api.post(f"/api/jobs/{job['id']}/runs").json
    add_file(deck.runs.get(run["id"]), "a.txt", "text/plain", b"secret")
    give_away("elsewhere")
    paths = [
        f"/api/jobs/{job['id']}",
        f"/api/runs/{run['id']}",
        f"/api/runs/{run['id']}/logs",
        f"/api/runs/{run['id']}/files",
        f"/api/runs/{run['id']}/files/a.txt",
        f"/api/runs/{run['id']}/attempts",
    ]
    for path in paths:
        assert api.get(path).status_code == 404, path
    assert api.put(f"/api/jobs/{job['id']}", json={"title": "Mine"}).status_code == 404
    assert api.delete(f"/api/jobs/{job['id']}").status_code == 404
    assert api.post(f"/api/jobs/{job['id']}/runs", json={}).status_code == 404
    assert api.post(f"/api/runs/{run['id']}/actions/stop").status_code == 404
    assert api.delete(f"/api/runs/{run['id']}").status_code == 404
    for path in ("/api/jobs", "/api/runs", f"/api/logs/jobs?q={run['id']}"):
        assert api.get(path).json["hits"]["hits"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=x", "page"),
        ("page=99999999999999999999", "page"),
        ("size=0", "size"),
        ("size=1000", "size"),
        ("size=-1", "size"),
        ("page=1&page=2", "page"),
        ("status=Nope", "status"),
        ("before=x", "before"),
        ("job_id=x", "job_id"),
    ],
)
def test_a_wrong_query_parameter_is_named(
    api: Any, query: str, field: str, wrong_fields: Callable[[Any], dict[str, str]]
) -> None:
    assert field in wrong_fields(api.get(f"/api/runs?{query}"))


def test_methods_and_unknown_paths_are_answered_in_json(api: Any) -> None:
    wrong = api.delete("/api/jobs")
    assert wrong.json == {"message": "The method is not allowed for the requested URL.", "status": 405}
    assert "POST" in wrong.headers["Allow"]
    for path in ("/api/nothing", "/api/jobs/a/b/c/d", "/api"):
        response = api.get(path)
        assert response.status_code == 404
    assert api.get("/api/nothing").json["status"] == 404
    head = api.head("/api/jobs")
    assert (head.status_code, head.data) == (200, b"")


def test_a_fault_of_ours_tells_nothing_but_a_reference(api: Any, deck: Deck, caplog: pytest.LogCaptureFixture) -> None:
    with deck.database.write() as connection:
        connection.exec_driver_sql("DROP TABLE jobdeck_job")
    response = api.get("/api/jobs")
    assert response.status_code in (500, 503)
    text = response.get_data(as_text=True)
    for internal in ("Traceback", "SELECT", "jobdeck_job", "sqlite", "/home", ".py"):
        assert internal not in text
    reference = response.json["message"].rpartition("Reference: ")[2].rstrip(".")
    assert reference and reference in caplog.text
