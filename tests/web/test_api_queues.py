"""Queues and job types over the JSON interface: seeing, pausing, resuming, limiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobdeck import Deck, job_type

Wrong = Callable[[Any], dict[str, str]]


def test_queues_are_seen_paused_limited_and_resumed(api: Any, deck: Deck) -> None:
    deck.runs.start("count_days", queue="slow")
    body = api.get("/api/queues").json
    assert (body["hits"]["total"], body["sortBy"]) == (2, ["name"])
    default, slow = body["hits"]["hits"]
    assert default["name"] == "default" and slow["title"] == "Slow"
    assert {name: slow[name] for name in ("queued", "running", "workers", "processes", "limit", "paused")} == {
        "queued": 1, "running": 0, "workers": 0, "processes": 0, "limit": None, "paused": None,
    }  # fmt: skip
    assert {**api.get("/api/queues/slow").json, "oldest_waiting_age": 0} == {**slow, "oldest_waiting_age": 0}

    paused = api.post("/api/queues/slow/actions/pause", json={"reason": "Disk is full"})
    assert paused.status_code == 200
    assert (paused.json["paused"]["by"], paused.json["paused"]["reason"]) == ("Ada", "Disk is full")
    assert api.post("/api/queues/slow/actions/pause", json={"reason": "Other"}).json["paused"] == paused.json["paused"]
    assert api.post("/api/queues/slow/actions/resume").json["paused"] is None

    limited = api.patch("/api/queues/slow", json={"limit": 3}).json
    assert limited["limit"] == 3
    assert api.put("/api/queues/slow", json={**limited, "limit": None}).json["limit"] is None


def test_what_a_queue_cannot_have_is_named(api: Any, wrong_fields: Wrong) -> None:
    missing = api.get("/api/queues/nope")
    assert missing.status_code == 404 and "default, slow" in missing.json["message"]
    for path in ("/api/queues/nope/actions/pause", "/api/queues/nope/actions/resume"):
        assert api.post(path).status_code == 404
    assert api.patch("/api/queues/nope", json={"limit": 1}).status_code == 404
    for limit in (0, "many", 1.5, True, [1]):
        assert "limit" in wrong_fields(api.patch("/api/queues/slow", json={"limit": limit})), limit
    assert "limit" in wrong_fields(api.put("/api/queues/slow", json={}))
    assert "reason" in wrong_fields(api.post("/api/queues/slow/actions/pause", json={"reason": 5}))
    assert "why" in wrong_fields(api.post("/api/queues/slow/actions/pause", json={"why": "x"}))


def test_types_say_how_they_are_run_and_are_paused(api: Any, deck: Deck, wrong_fields: Wrong) -> None:
    @job_type(retry=3, limit=2, limit_policy="skip", priority=7, timeout="1m", restartable=True)
    def careful() -> None: ...

    deck.register(careful)
    task = api.get("/api/tasks/careful").json
    told = ("retry", "limit", "limit_policy", "priority", "timeout", "restartable", "fresh_process", "paused")
    assert {name: task[name] for name in told} == {
        "retry": 3, "limit": 2, "limit_policy": "skip", "priority": 7, "timeout": 60, "restartable": True, "fresh_process": False, "paused": None,
    }  # fmt: skip
    plain = api.get("/api/tasks/greet").json
    assert (plain["retry"], plain["limit"], plain["limit_policy"], plain["restartable"]) == (None, None, None, False)

    paused = api.post("/api/tasks/careful/actions/pause", json={"reason": "It loses data"}).json
    assert (paused["paused"]["by"], paused["paused"]["reason"]) == ("Ada", "It loses data")
    assert api.get("/api/tasks?q=careful").json["hits"]["hits"][0]["paused"] == paused["paused"]
    run = api.post("/api/tasks/careful/runs").json
    assert run["waiting_reasons"][0]["message"] == "The job type careful is paused by Ada: It loses data."
    assert (run["limit"], run["limit_policy"], run["max_attempts"], run["priority"]) == (2, "skip", 3, 7)
    assert api.post("/api/tasks/careful/actions/resume").json["paused"] is None
    assert api.post("/api/tasks/nope/actions/pause").status_code == 404
    assert api.post("/api/tasks/nope/actions/resume").status_code == 404
    assert "reason" in wrong_fields(api.post("/api/tasks/careful/actions/pause", json={"reason": ["x"]}))


@pytest.mark.parametrize("path", ["/api/queues/slow/actions/pause", "/api/tasks/greet/actions/pause"])
def test_pausing_is_audited(api: Any, deck: Deck, path: str) -> None:
    api.post(path, json={"reason": "Why not"})
    entry = deck.audit.list().items[0]
    assert entry.action in ("queues.update", "types.update")
    assert entry.after == {"paused": True, "reason": "Why not"}
