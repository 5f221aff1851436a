"""Jobs and job types over the JSON interface, as a script uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import update

from jobdeck import Deck
from jobdeck.store import tables

JOB_KEYS = {
    "id", "created", "updated", "title", "description", "active", "task", "default_queue",
    "default_args", "run_args", "args", "schedule", "notification_emails", "notification_statuses",
    "links", "last_run", "last_runs", "type_known", "timeout", "problem", "next_run",
    "priority", "max_attempts", "limit", "limit_policy", "after_job", "after_need",
}  # fmt: skip


def test_a_job_has_the_shape_of_the_contract(api: Any, new_job: Callable[..., dict[str, Any]]) -> None:
    job = new_job()
    assert set(job) == JOB_KEYS
    assert (job["title"], job["task"], job["description"], job["active"]) == (
        "Greet Ada",
        "greet",
        None,
        True,
    )
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


def test_a_job_without_what_it_needs_can_still_be_read(api: Any) -> None:
    body = {"title": "A", "task": "greet", "run_args": None}
    job = api.post("/api/jobs", json=body).json
    assert job["default_args"] is None
    assert "name" in job["problem"]


def test_what_a_put_leaves_out_stays(api: Any, new_job: Callable[..., dict[str, Any]]) -> None:
    job = new_job(description="Every day", default_queue="slow", timeout="15m", active=False)
    for method in (api.put, api.patch):
        changed = method(f"/api/jobs/{job['id']}", json={"title": "Renamed"}).json
        assert changed == {**job, "title": "Renamed", "updated": changed["updated"]}
    assert job["timeout"] == 900
    assert api.put(f"/api/jobs/{job['id']}", json={"description": None}).json["description"] is None


def test_a_job_can_be_sent_back_as_it_was_read(api: Any) -> None:
    for body in (
        {"title": "A", "task": "greet"},
        {"title": "B", "task": "greet", "args": {"name": "x"}},
        {"title": "C", "task": "greet", "custom_args": '{"name": "y"}'},
        {"title": "D", "task": "greet", "priority": -5, "max_attempts": 3, "limit": 2, "limit_policy": "skip"},
    ):
        job = api.post("/api/jobs", json=body).json
        again = api.put(f"/api/jobs/{job['id']}", json=job)
        assert again.status_code == 200, again.json
        assert {**again.json, "updated": ""} == {**job, "updated": ""}


def test_custom_arguments_are_handed_on_as_they_are_and_can_be_cleared(
    api: Any, new_job: Callable[..., dict[str, Any]]
) -> None:
    job = new_job(custom_args='{"name": "Bob", "odd": 1}')
    assert job["run_args"]["custom_args"] == {"name": "Bob", "odd": 1}
    run = api.post(f"/api/jobs/{job['id']}/runs").json
    assert run["args"] == {"name": "Bob", "odd": 1}
    cleared = api.patch(f"/api/jobs/{job['id']}", json={"custom_args": None}).json
    assert "custom_args" not in cleared["run_args"] and cleared["run_args"]["name"] == "Ada"
    assert api.post(f"/api/jobs/{job['id']}/runs").json["args"]["name"] == "Ada"


@pytest.mark.parametrize("bad", ["{nonsense", "[1]", "3", '{"a": NaN}'])
def test_bad_custom_arguments_are_named(
    api: Any,
    bad: str,
    new_job: Callable[..., dict[str, Any]],
    wrong_fields: Callable[[Any], dict[str, str]],
) -> None:
    job = new_job()
    assert "custom_args" in wrong_fields(api.patch(f"/api/jobs/{job['id']}", json={"custom_args": bad}))
    assert "custom_args" in wrong_fields(api.post(f"/api/jobs/{job['id']}/runs", json={"custom_args": bad}))
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
        ({"title": "A", "task": "greet", "schedule": {"type": "interval", "minutes": 0}}, "schedule._schema"),
        ({"title": "A", "task": "greet", "schedule": {"type": "crontab", "minute": "61"}}, "schedule.minute"),
        ({"title": "A", "task": "greet", "schedule": {"type": "crontab", "minute": 5}}, "schedule.minute"),
        ({"title": "A", "task": "greet", "schedule": {"type": "interval", "fortnights": 1}}, "schedule.fortnights"),
        ({"title": "A", "task": "greet", "schedule": {"type": "sometimes"}}, "schedule.type"),
        ({"title": "A", "task": "greet", "schedule": {}}, "schedule.type"),
        ({"title": "A", "task": "greet", "schedule": "daily"}, "schedule._schema"),
        ({"title": "A", "task": "greet", "schedule": {"type": "interval", "minutes": 5}}, "args.name"),
        ({"title": "A", "task": "greet", "notification_emails": ["a@b.example"]}, "notification_emails"),
        ({"title": "A", "task": "greet", "tenant": "other"}, "tenant"),
        ({"title": "A", "task": "greet", "priority": 101}, "priority"),
        ({"title": "A", "task": "greet", "max_attempts": 0}, "max_attempts"),
        ({"title": "A", "task": "greet", "limit": "many"}, "limit"),
        ({"title": "A", "task": "greet", "limit_policy": "maybe"}, "limit_policy"),
        ({"title": "A", "task": "greet", "after_job": "Nightly"}, "after_job"),
        ({"title": "A", "task": "greet", "after_need": "luck"}, "after_need"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    api: Any, body: dict[str, Any], field: str, wrong_fields: Callable[[Any], dict[str, str]]
) -> None:
    assert field in wrong_fields(api.post("/api/jobs", json=body))
    assert api.get("/api/jobs").json["hits"]["total"] == 0


def test_lists_are_searched_and_filtered(api: Any, new_job: Callable[..., dict[str, Any]]) -> None:
    first = new_job(title="Alpha", description="weekly REPORT")
    second = new_job(title="beta", active=False)
    titles = [job["title"] for job in api.get("/api/jobs").json["hits"]["hits"]]
    assert titles == ["Alpha", "beta"]
    for query, expected in (
        ("q=report", [first]),
        ("q=BET", [second]),
        ("active=false", [second]),
        ("q=%25", []),
    ):
        hits = api.get(f"/api/jobs?{query}").json["hits"]["hits"]
        assert [job["id"] for job in hits] == [job["id"] for job in expected], query
    run = api.post(f"/api/jobs/{first['id']}/runs").json
    api.post(f"/api/jobs/{second['id']}/runs", json={"queue": "slow"})
    for query, total in (
        ("status=queued", 2),
        ("status=SUCCESS,FAILED", 0),
        ("status=SUCCESS&status=QUEUED", 2),
        ("queue=slow", 1),
        ("type=greet", 2),
        (f"job_id={first['id']}", 1),
        ("unknown=1", 2),
    ):
        assert api.get(f"/api/runs?{query}").json["hits"]["total"] == total, query
    assert api.get(f"/api/jobs/{first['id']}/runs").json["hits"]["hits"][0]["id"] == run["id"]


def test_types_and_their_fields(api: Any) -> None:
    body = api.get("/api/tasks").json
    assert {task["id"] for task in body["hits"]["hits"]} >= {"greet", "count_days"}
    task = api.get("/api/tasks/greet").json
    assert (task["title"], task["description"]) == ("Greet people", "Say hello.")
    assert task["schema"]["properties"]["name"]["type"] == "string"
    shown = api.get("/api/tasks/greet/args").json
    assert set(shown) == {"name", "times", "tone"}
    assert shown["name"]["required"] is True
    assert api.get("/api/tasks/nope/args").status_code == 404


def test_a_type_that_is_gone_leaves_its_jobs_readable(
    api: Any, deck: Deck, new_job: Callable[..., dict[str, Any]]
) -> None:
    job, other = new_job(), new_job(title="Other")
    with deck.database.write() as connection:
        connection.execute(update(tables.jobs).where(tables.jobs.c.id == job["id"]).values(type="gone"))
    shown = api.get(f"/api/jobs/{job['id']}").json
    assert (shown["type_known"], shown["default_args"]) == (False, None) and "gone" in shown["problem"]
    assert {item["id"] for item in api.get("/api/jobs").json["hits"]["hits"]} == {job["id"], other["id"]}
    assert api.post(f"/api/jobs/{job['id']}/runs").status_code == 400
    assert api.patch(f"/api/jobs/{job['id']}", json={"title": "Kept"}).json["title"] == "Kept"


def test_a_job_runs_after_another_one(
    api: Any, new_job: Callable[..., dict[str, Any]], wrong_fields: Callable[[Any], dict[str, str]]
) -> None:
    first = new_job(title="First")
    second = new_job(title="Second", after_job=first["id"], after_need="end")
    assert (second["after_job"], second["after_need"]) == (first["id"], "end")
    circle = api.patch(f"/api/jobs/{first['id']}", json={"after_job": second["id"]})
    assert "for ever" in wrong_fields(circle)["after_job"]
    again = api.put(f"/api/jobs/{second['id']}", json=second).json
    assert {**again, "updated": ""} == {**second, "updated": ""}
    free = api.patch(f"/api/jobs/{second['id']}", json={"after_job": None}).json
    assert (free["after_job"], free["after_need"]) == (None, None)
