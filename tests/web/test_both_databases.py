"""The door's main road on each database: sign in, save a job, start it, stop it, read about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobdeck import Deck, job_type
from jobdeck.core.principal import SYSTEM
from jobdeck.web.application import create_app


@job_type
def greet(name: str) -> str:
    """Say hello."""
    return name


@pytest.fixture
def deck(database_url: str, tmp_path: Path) -> Iterator[Deck]:
    made = Deck(job_types=[greet], home=tmp_path / "home", database_url=database_url)
    create_app(made)
    yield made
    made.close()


def test_the_main_road(api: Any, deck: Deck, add_log: Callable[..., None]) -> None:
    assert api.get("/healthz").status_code == 200
    job = api.post("/api/jobs", json={"title": "Grüße", "task": "greet", "args": {"name": "Ada\x00\ud800"}}).json
    run = api.post(f"/api/jobs/{job['id']}/runs", json={"title": "Once"}).json
    assert run["args"] == {"name": "Ada\\x00\\ud800"}
    add_log(deck.runs.get(run["id"]), (20, "one"), (40, "two"))
    assert [entry["message"] for entry in api.get(f"/api/runs/{run['id']}/logs").json["hits"]["hits"]] == [
        "one",
        "two",
    ]
    assert api.get(f"/api/logs/jobs?q={job['id']} TWO").json["hits"]["total"] == 1
    assert api.post(f"/api/runs/{run['id']}/actions/stop", json={"reason": "Enough"}).json["status"] == "CANCELLED"
    listed = api.get("/api/runs?status=CANCELLED&type=greet&q=ONC").json
    assert [item["stop_reason"] for item in listed["hits"]["hits"]] == ["Enough"]
    assert api.get("/api/jobs?q=GR").json["hits"]["hits"][0]["last_runs"]["cancelled"]["id"] == run["id"]
    assert api.delete(f"/api/jobs/{job['id']}").status_code == 204
    assert api.delete(f"/api/runs/{run['id']}").status_code == 204
    assert api.get("/api/runs").json["hits"]["total"] == 0


def test_sessions(deck: Deck) -> None:
    secret = deck.accounts.create_token(name="Ada", by=SYSTEM)
    first = deck.accounts.sign_in(secret)
    assert first is not None
    second = deck.accounts.sign_in(secret, previous_session=first.id)
    assert second is not None
    assert deck.accounts.session(first.id) is None
    found = deck.accounts.session(second.id)
    assert found == second and found.principal.name == "Ada"
    deck.accounts.sign_out(second.id)
    assert deck.accounts.session(second.id) is None
