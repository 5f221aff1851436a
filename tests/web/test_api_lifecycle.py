"""What else can be said about a start, why a run waits, and running again: over the JSON interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from jobdeck import Deck

AN_ID = "01890000-0000-7000-8000-000000000000"
Wrong = Callable[[Any], dict[str, str]]


def test_everything_that_can_be_said_about_a_start(api: Any) -> None:
    before = api.post("/api/tasks/count_days/runs").json
    body = {"priority": 5, "retry": 4, "start_in": "1h", "expires_in": "2h", "unique_key": "one", "after": [before["id"]],
            "after_need": "end", "timeout": "15m", "queue": "slow", "title": "Later"}  # fmt: skip
    response = api.post("/api/tasks/count_days/runs", json=body)
    assert response.status_code == 201, response.json
    run = response.json
    told = {
        name: run[name] for name in ("status", "priority", "max_attempts", "unique_key", "timeout", "queue", "title")
    }
    assert told == {"status": "WAITING", "priority": 5, "max_attempts": 4, "unique_key": "one", "timeout": 900,
                    "queue": "slow", "title": "Later"}  # fmt: skip
    assert run["start_at"] > run["created"] and run["expires_at"] > run["start_at"] and run["open_dependencies"] == 1
    codes = [reason["code"] for reason in run["waiting_reasons"]]
    assert codes == ["dependency", "start_time", "no_worker"]
    assert before["id"] in run["waiting_reasons"][0]["message"]
    taken = api.post("/api/tasks/count_days/runs", json={"unique_key": "one"})
    assert taken.status_code == 409 and run["id"] in taken.json["message"]
    same = api.post("/api/tasks/count_days/runs", json={"unique_key": "one", "unique_policy": "existing"})
    assert (same.status_code, same.json["id"]) == (201, run["id"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"priority": 101}, "priority"),
        ({"priority": "high"}, "priority"),
        ({"retry": 0}, "retry"),
        ({"retry": {"max_attempts": 3}}, "retry"),
        ({"start_at": "tomorrow"}, "start_at"),
        ({"start_at": 5}, "start_at"),
        ({"start_at": "2027-01-31T02:00:00"}, "start_at"),
        ({"start_in": {}}, "start_in"),
        ({"start_in": "1h", "start_at": "2027-01-31T02:00:00+00:00"}, "start_in"),
        ({"expires_in": "soon"}, "expires_in"),
        ({"expires_at": "2020-01-31T02:00:00+00:00"}, "expires_at"),
        ({"timeout": []}, "timeout"),
        ({"unique_key": ""}, "unique_key"),
        ({"unique_key": "a", "unique_policy": "maybe"}, "unique_policy"),
        ({"after": "x"}, "after"),
        ({"after": 7}, "after"),
        ({"after": ["x"]}, "after"),
        ({"after": [AN_ID]}, "after"),
        ({"after_need": "luck"}, "after_need"),
        ({"max_tries": 3}, "max_tries"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_stored(
    api: Any, wrong_fields: Wrong, body: dict[str, Any], field: str
) -> None:
    assert field in wrong_fields(api.post("/api/tasks/count_days/runs", json=body))
    assert api.get("/api/runs").json["hits"]["total"] == 0


def test_why_a_run_waits(api: Any, new_job: Callable[..., dict[str, Any]]) -> None:
    job = new_job()
    run = api.post(f"/api/jobs/{job['id']}/runs").json
    api.post("/api/queues/default/actions/pause", json={"reason": "Disk is full"})
    why = api.get(f"/api/runs/{run['id']}/why").json
    assert set(why) == {"status", "summary", "reasons", "position", "starts_at", "processes"}
    assert [reason["code"] for reason in why["reasons"]] == ["queue_paused", "no_worker"]
    assert why["reasons"][0]["message"] == "The queue default is paused by Ada: Disk is full."
    assert why["reasons"][0]["since"] is not None and why["position"] is None
    assert api.get(f"/api/jobs/{job['id']}/runs/{run['id']}/why").json == why
    assert api.get(f"/api/runs/{run['id']}").json["waiting_reasons"] == why["reasons"]
    assert api.get(f"/api/jobs/{AN_ID}/runs/{run['id']}/why").status_code == 404
    assert api.get("/api/runs/x/why").status_code == 400
    api.post(f"/api/runs/{run['id']}/actions/stop")
    ended = api.get(f"/api/runs/{run['id']}/why").json
    assert (ended["reasons"], ended["summary"]) == ([], "It is CANCELLED, so nothing keeps it.")


def test_reasons_of_a_list_are_asked_for_once(api: Any, deck: Deck) -> None:
    def statements(count: int) -> int:
        said: list[str] = []
        engine = deck.database.engine
        event.listen(engine, "before_cursor_execute", lambda *told: said.append(told[2]))
        assert len(api.get(f"/api/runs?size={count}").json["hits"]["hits"]) == count
        return len(said)

    deck.runs.start_many("count_days", [{}] * 40)
    deck.queues.pause("default")
    deck.types.pause("count_days")
    assert statements(40) - statements(2) < 5


def test_a_finished_run_is_run_again(api: Any, new_job: Callable[..., dict[str, Any]], wrong_fields: Wrong) -> None:
    job = new_job()
    run = api.post(f"/api/jobs/{job['id']}/runs").json
    again = f"/api/runs/{run['id']}/actions/again"
    early = api.post(again)
    assert early.status_code == 400 and "when it has ended" in early.json["message"]
    api.post(f"/api/runs/{run['id']}/actions/stop")
    response = api.post(again)
    assert response.status_code == 201
    second = response.json
    assert (second["retry_of"], second["args"], second["job_id"]) == (run["id"], run["args"], job["id"])
    assert second["trigger"] == "rerun" and second["id"] != run["id"]
    other = api.post(f"/api/jobs/{job['id']}/runs/{run['id']}/actions/again", json={"args": {"name": "Bob"}})
    assert (other.status_code, other.json["args"]["name"]) == (201, "Bob")
    assert "args.times" in wrong_fields(api.post(again, json={"args": {"name": "A", "times": "many"}}))
    assert "args" in wrong_fields(api.post(again, json={"args": [1]}))
    assert "reason" in wrong_fields(api.post(again, json={"reason": "x"}))
    assert api.post(f"/api/jobs/{AN_ID}/runs/{run['id']}/actions/again").status_code == 404
    assert api.post(f"/api/runs/{AN_ID}/actions/again").status_code == 404


def test_all_that_fit_are_run_again(api: Any, deck: Deck, wrong_fields: Wrong) -> None:
    stopped = list(deck.runs.start_many("greet", [{"name": name} for name in "abc"]))
    for run_id in stopped:
        deck.runs.stop(run_id)
    deck.runs.start("count_days")
    response = api.post("/api/runs/actions/again", json={"type": "greet", "status": ["CANCELLED"], "queue": "default"})
    assert (response.status_code, response.json["total"]) == (201, 3)
    made = [deck.runs.get(run_id) for run_id in response.json["ids"]]
    assert [(run.arguments["name"], run.retry_of) for run in made] == list(zip("abc", stopped, strict=True))
    assert api.post("/api/runs/actions/again", json={"q": "nothing"}).json == {"ids": [], "total": 0}
    for body, field in (
        ({}, "_schema"),
        ({"status": []}, "_schema"),
        ({"status": "FAILED"}, "status"),
        ({"status": ["GONE"]}, "status"),
        ({"status": [{}]}, "status"),
        ({"type": 5}, "type"),
        ({"job_id": "x"}, "job_id"),
        ({"page": 1}, "page"),
    ):
        assert field in wrong_fields(api.post("/api/runs/actions/again", json=body)), body


def test_sub_runs_are_listed_by_their_parent(api: Any, deck: Deck, begin: Callable[[str], None]) -> None:
    parent = deck.runs.start("greet", {"name": "Ada"})
    begin(parent.id)
    child = deck.runs.create_subtask(parent.id, {"name": "Bob"})
    shown = api.get(f"/api/runs/{parent.id}").json
    assert (shown["status"], shown["total_subtasks"]) == ("RUNNING", 1)
    listed = api.get(shown["links"]["subtasks"].removeprefix("http://localhost")).json
    assert [(one["id"], one["parent_run_id"]) for one in listed["hits"]["hits"]] == [(child.id, parent.id)]
    assert "parent_id=" in listed["links"]["self"]
    attempts = api.get(f"/api/runs/{parent.id}/attempts").json["hits"]["hits"]
    assert [(one["attempt"], one["outcome"], one["message"]) for one in attempts] == [(1, None, None)]
