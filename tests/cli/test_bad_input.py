"""What is set up wrongly is told in plain lines with exit code 1, soon, without passwords, and before anything is started."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobdeck.core.times import from_us
from jobdeck.core.worker import DispatcherInfo
from jobdeck.store import database, dispatchers

Spawn = Callable[..., Any]
SECRET = "horse"


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of a server that lets everybody in and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def problems(answer: Any) -> list[str]:
    assert (answer.code, answer.err) == (1, "")
    assert SECRET not in answer.out and "Traceback" not in answer.out
    return [line[2:] for line in answer.out.splitlines() if line.startswith("- ")]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"postgresql://u:{SECRET}@127.0.0.1:1/x", "The database cannot serve: connection failed"),
        (f"postgresql://u:{SECRET}@no.such.host.invalid/x", "The database cannot serve: failed to resolve host"),
        (f"postgresql://u:{SECRET}@127.0.0.1:port/x", "JOBDECK_DATABASE_URL cannot be read; write postgresql://"),
        (f"postgresql://u:{SECRET}@{SECRET}@127.0.0.1:1/x", "JOBDECK_DATABASE_URL cannot be read; write postgresql://"),
        (f"postgresql://u:{SECRET}/{SECRET}@127.0.0.1:1/x", "The database cannot serve: "),
        (f"postgresql://u@127.0.0.1:1/x?password={SECRET}", "The database cannot serve: connection failed"),
    ],
)
def test_a_database_that_cannot_be_reached(ready: Any, monkeypatch: pytest.MonkeyPatch, url: str, said: str) -> None:
    monkeypatch.setenv("JOBDECK_DATABASE_URL", url)
    (problem,) = problems(ready("check"))
    assert problem.startswith(said)
    refused = ready("jobs", "list")
    assert refused.code == 1 and refused.complaint.startswith(said) and SECRET not in refused.complaint


def test_a_database_that_never_answers(ready: Any, monkeypatch: pytest.MonkeyPatch, deaf: int) -> None:
    monkeypatch.setenv("JOBDECK_DATABASE_URL", f"postgresql://u:{SECRET}@127.0.0.1:{deaf}/x")
    assert database.CONNECT_S == 10
    monkeypatch.setattr(database, "CONNECT_S", 2)
    began = time.monotonic()
    (problem,) = problems(ready("check"))
    assert "timeout" in problem
    assert time.monotonic() - began < 30


def test_an_old_server(ready: Any, monkeypatch: pytest.MonkeyPatch, postgresql: str) -> None:
    monkeypatch.setenv("JOBDECK_DATABASE_URL", f"{postgresql}/postgres")
    monkeypatch.setattr(database, "_server_version", lambda driver: 120_017)
    assert problems(ready("check")) == ["PostgreSQL 12 is too old: jobdeck needs PostgreSQL 13 or newer."]
    assert ready("jobs", "list").complaint == "PostgreSQL 12 is too old: jobdeck needs PostgreSQL 13 or newer."
    monkeypatch.setattr(database, "_server_version", lambda driver: 130_000)
    assert problems(ready("check")) == ["The database has no jobdeck tables; run `jobdeck db upgrade`."]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"ENGINES": "kafka"},
            "JOBDECK_ENGINES: there is no engine 'kafka'; the engines are database, celery, inline, ",
        ),
        ({"ENGINES": "celery"}, "celery: JOBDECK_CELERY is not set: name the site's Celery application"),
        ({"ENGINES": "celery", "CELERY": "nowhere:app"}, "celery: JOBDECK_CELERY=nowhere:app cannot be imported"),
        ({"ENGINES": "celery", "CELERY": "json:loads"}, "celery: JOBDECK_CELERY=json:loads is no Celery application"),
        (
            {"ENGINES": "rq", "REDIS_URL": f"redis://:{SECRET}@127.0.0.1:1/0"},
            "rq: Redis at 127.0.0.1:1/0 cannot be rung",
        ),
    ],
)
def test_an_engine_that_cannot_work(
    ready: Any, monkeypatch: pytest.MonkeyPatch, spawn: Spawn, settings: dict[str, str], said: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"JOBDECK_{name}", value)
    (problem,) = problems(ready("check"))
    assert problem.startswith(said)
    told = ready("check", "--json")
    assert told.code == 1 and SECRET not in told.out
    # Nothing is left running, and nothing was announced.
    up = spawn("up", "--port", "0")
    out, err = up.communicate(timeout=60)
    assert (up.returncode, out, err.count("\n")) == (1, "", 1), err
    bare = said.removeprefix("celery: ").removeprefix("rq: ")
    assert err.startswith(f"jobdeck: {bare}")
    assert SECRET not in err


def test_a_queue_that_is_not_there_cannot_be_on_an_engine(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBDECK_ENGINES", "nope=rq")
    answer = ready("check")
    assert (answer.code, answer.complaint) == (1, "JOBDECK_ENGINES: there is no queue 'nope'; the queues are default.")


def test_a_fresh_process_where_there_is_none(ready: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = ["from jobdeck import job_type", "@job_type(fresh_process=True)", "def alone() -> None: ..."]
    (tmp_path / "cli_fresh_jobs.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("JOBDECK_JOB_TYPES", "cli_fresh_jobs")
    assert ready("check").code == 0
    monkeypatch.setenv("JOBDECK_ENGINES", "inline")
    (problem,) = problems(ready("check"))
    assert problem.startswith("The job type 'alone' asks for a fresh process, and the queue 'default' is on inline")


def test_a_broker_that_never_answers(ready: Any, monkeypatch: pytest.MonkeyPatch, deaf: int) -> None:
    monkeypatch.setenv("JOBDECK_ENGINES", "rq")
    monkeypatch.setenv("JOBDECK_REDIS_URL", f"redis://:{SECRET}@127.0.0.1:{deaf}/0")
    began = time.monotonic()
    (problem,) = problems(ready("check"))
    assert problem.startswith("rq: ")
    assert time.monotonic() - began < 30


def test_an_engine_without_end_is_given_up(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBDECK_ENGINES", "inline")
    monkeypatch.setattr("jobdeck.cli.check.ENGINE_S", 0.2)
    monkeypatch.setattr("jobdeck.engines.inline.InlineEngine.problems", lambda engine: time.sleep(60))
    assert problems(ready("check")) == [
        "inline: it has not answered within 0.2 seconds; look whether its broker can be reached."
    ]


def test_engines_that_work_are_listed(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBDECK_ENGINES", "inline")
    answer = ready("check")
    assert (answer.code, answer.err) == (0, "")
    assert "\nEngines     inline (reachable)\n" in answer.out
    assert ready("check", "--json").json["engines"] == [{"name": "inline", "reachable": True, "problems": []}]


def test_queues_that_nobody_serves_are_a_problem(
    ready: Any, deck: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = ready("types", "run", "wake", "--json").json["id"]
    monkeypatch.setattr("jobdeck.services.unserved.Gap.counts", lambda gap, since, now: True)
    (problem,) = problems(ready("check"))
    assert problem.startswith("Runs of the queue default wait in vain") and "`jobdeck worker`" in problem
    listed = ready("queues", "list").out
    assert f"\nNeeds attention\n- {problem}\n" in listed
    assert ready("runs", "why", run_id).out.splitlines()[1] == "- No worker is alive; start one with `jobdeck worker`."


def test_dispatchers_and_what_keeps_them(ready: Any, deck: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "`jobdeck dispatcher` starts one" in ready("workers", "dispatchers").out
    now_us = deck.office.clock.now_us()
    info = DispatcherInfo(id="d-1", host="hub", pid=8, engines=("rq",), problems={}, depths={}, started_at=from_us(now_us),
                          seen_at=from_us(now_us))  # fmt: skip
    with deck.database.write() as connection:
        dispatchers.add(connection, "default", info, now_us)
        dispatchers.seen(connection, "d-1", now_us, {"rq": "Redis is away."}, {"default": 12})
    row = ready("workers", "dispatchers").out.splitlines()[1]
    assert row.split()[:4] == ["d-1", "hub", "8", "rq"] and row.endswith("rq: Redis is away.")
    told = ready("workers", "dispatchers", "--json").json["hits"]["hits"][0]
    assert (told["problems"], told["depths"]) == ({"rq": "Redis is away."}, {"default": 12})
    monkeypatch.setenv("JOBDECK_ENGINES", "default=rq:theirs")
    listed = ready("queues", "list").out
    assert "rq:theirs (12 there)" in listed and "- rq cannot serve: Redis is away.\n" in listed
