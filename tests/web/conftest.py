"""A deck with a few job types on a database of its own, and clients that are signed in to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, update

from jobdeck import Deck, LastSuccess, Run, job_type
from jobdeck.core.outcome import Outcome, OutcomeKind
from jobdeck.core.principal import SYSTEM
from jobdeck.core.times import to_us
from jobdeck.services.accounts import Session
from jobdeck.services.claims import Claims, Report
from jobdeck.services.holder import Holder
from jobdeck.store import tables
from jobdeck.web.application import create_app


@job_type(title="Greet people")
def greet(name: str, times: int = 1, tone: Literal["kind", "gruff"] = "kind") -> str:
    """Say hello."""
    return name * times


@job_type
def count_days(until: date | None = None, since: LastSuccess = None) -> int:
    """Count."""
    return 0


@pytest.fixture
def deck(tmp_path: Path, with_tables: Callable[[Path], Path]) -> Iterator[Deck]:
    with_tables(tmp_path / "home")
    made = Deck(job_types=[greet, count_days], home=tmp_path / "home", queues={"default": "Default", "slow": "Slow"})
    create_app(made)
    yield made
    made.close()


@pytest.fixture
def app(deck: Deck) -> Flask:
    assert deck.app is not None
    return deck.app


@pytest.fixture
def token(deck: Deck) -> str:
    return deck.accounts.create_token(name="Ada", by=SYSTEM)


@pytest.fixture
def anonymous(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def api(app: Flask, token: str) -> FlaskClient:
    """Speaks to the API with a token."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


@pytest.fixture
def session(deck: Deck, token: str) -> Session:
    """A signed-in browser's session."""
    opened = deck.accounts.sign_in(token)
    assert opened is not None
    return opened


@pytest.fixture
def browser(app: Flask, session: Session) -> FlaskClient:
    """Has a session cookie, as after signing in; says nothing about where its requests come from."""
    client = app.test_client()
    client.set_cookie("jobdeck", session.id)
    return client


@pytest.fixture
def new_job(api: Any) -> Callable[..., dict[str, Any]]:
    """Saves a job that greets Ada, with changed fields."""

    def save(**changes: Any) -> dict[str, Any]:
        body = {"title": "Greet Ada", "task": "greet", "args": {"name": "Ada"}, **changes}
        response = api.post("/api/jobs", json=body)
        assert response.status_code == 201, response.json
        return dict(response.json)

    return save


@pytest.fixture
def wrong_fields() -> Callable[[Any], dict[str, str]]:
    """Tells the field errors of a 400 answer."""

    def read(response: Any) -> dict[str, str]:
        assert (response.status_code, response.json["status"]) == (400, 400)
        return {error["field"]: " ".join(error["messages"]) for error in response.json.get("errors", [])}

    return read


@pytest.fixture
def add_log(deck: Deck) -> Callable[..., None]:
    """Writes (level number, message) lines into a run's log, as a worker does."""

    def add(run: Run, *lines: tuple[int, str]) -> None:
        rows = [
            {
                "run_id": run.id,
                "seq": seq,
                "tenant": run.tenant,
                "attempt": 1,
                "at": to_us(run.created_at) + seq,
                "level": level,
                "logger": "tests",
                "message": message,
                "fields": json.dumps({"module": "conftest", "line": 7, "colour": "blue"}),
            }
            for seq, (level, message) in enumerate(lines, 1)
        ]
        with deck.database.write() as connection:
            connection.execute(insert(tables.log_entries), rows)
            connection.execute(update(tables.runs).where(tables.runs.c.id == run.id).values(log_seq=len(rows)))

    return add


@pytest.fixture
def add_file(deck: Deck) -> Callable[[Run, str, str, bytes], None]:
    """Keeps a file with a run, as a worker does."""

    def add(run: Run, name: str, media_type: str, content: bytes) -> None:
        place = f"{run.id}/{sha256(name.encode()).hexdigest()}"
        path = deck.settings.files_folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        row = {
            "run_id": run.id,
            "direction": "output",
            "name": name,
            "tenant": run.tenant,
            "media_type": media_type,
            "size": len(content),
            "sha256": sha256(content).hexdigest(),
            "path": place,
            "created_at": to_us(run.created_at),
        }
        with deck.database.write() as connection:
            connection.execute(insert(tables.files), row)

    return add


@pytest.fixture
def begin(deck: Deck) -> Callable[..., None]:
    """Has a worker begin the oldest queued run, which must be the named one; and fail it, with a message for that."""
    holder = Holder(id="stand-in", host="here", boot_id="boot")
    claims = Claims(deck.database, holder, list(deck.settings.queues), [one.id for one in deck.registry])

    def start(run_id: str, failed: str | None = None) -> None:
        now_us = deck.office.clock.now_us()
        (claim,) = claims.exchange(Report(), 1, now_us).won
        assert claim.id == run_id
        claims.exchange(Report(begun=[(claim, now_us, 4711)]), 0, now_us)
        if failed is not None:
            outcome = Outcome(kind=OutcomeKind.ERROR, started_us=now_us, ended_us=now_us, message=failed)
            claims.exchange(Report(ended=[(claim, outcome)]), 0, now_us)

    return start


@pytest.fixture
def give_away(deck: Deck) -> Callable[[str], None]:
    """Moves everything there is to another tenant."""

    def give(tenant: str) -> None:
        with deck.database.write() as connection:
            for table in (tables.jobs, tables.runs, tables.files, tables.log_entries, tables.schedules, tables.ticks):
                connection.execute(update(table).values(tenant=tenant))

    return give
