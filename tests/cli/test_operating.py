"""`jobdeck check`, `db upgrade`, `tokens create`, `workers list` and `web`."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobdeck import Deck
from jobdeck.core.worker import WorkerInfo
from jobdeck.services.workers import Presence

Spawn = Callable[..., Any]


def test_check_shows_every_setting_with_its_source(ready: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBDECK_PROCESSES", "3")
    answer = ready("check")
    assert (answer.code, answer.err) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in answer.out.splitlines() if line.startswith("JOBDECK_")}
    assert rows["JOBDECK_PROCESSES"] == ["3", "environment"]
    assert rows["JOBDECK_LEASE"][1] == "default"
    assert rows["JOBDECK_HOME"] == [str(home), "environment"]
    assert answer.out.endswith("No problems.\n")
    told = ready("check", "--json").json
    assert (told["ok"], told["problems"], told["job_types"]) == (True, [], ["greet", "wake"])
    assert told["database"]["version"] == told["database"]["expected_version"]
    assert told["database"]["durability"].startswith("normal")
    assert {one["name"] for one in told["settings"]} >= set(rows)


def test_check_lists_problems_and_fails(cli: Any, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    (home.parent / "home").write_text("a file")
    monkeypatch.delenv("JOBDECK_JOB_TYPES")
    monkeypatch.setenv("JOBDECK_DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:1/nowhere")
    answer = cli("check")
    assert (answer.code, answer.err) == (1, "")
    problems = [line for line in answer.out.splitlines() if line.startswith("- ")]
    assert len(problems) == 3
    assert "home folder" in problems[0] and "database" in problems[1].lower() and "No job type" in problems[2]
    assert "secret" not in answer.out
    assert cli("check", "--json").code == 1


def test_check_before_the_first_start_makes_nothing(cli: Any, home: Path) -> None:
    answer = cli("check")
    assert answer.code == 1
    assert "- The database has no jobdeck tables; run `jobdeck db upgrade`.\n" in answer.out
    assert not home.exists()


def test_check_tells_a_job_type_that_cannot_be_loaded(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBDECK_JOB_TYPES", "cli_sample_jobs:nothing")
    answer = ready("check")
    assert answer.code == 1
    assert "nothing" in answer.out.splitlines()[-1]


def test_upgrading_says_what_it_did(cli: Any, home: Path) -> None:
    assert cli("db", "upgrade").out == "The tables are made; they have version 0004.\n"
    assert cli("db", "upgrade").out == "The tables have version 0004 already; there was nothing to do.\n"
    assert cli("db", "upgrade", "--json").json == {"before": "0004", "after": "0004", "changed": False}
    with sqlite3.connect(home / "jobdeck.db") as connection:
        connection.execute("UPDATE jobdeck_alembic_version SET version_num = '9999'")
    connection.close()
    refused = cli("jobs", "list")
    assert refused.code == 1
    assert "9999" in refused.complaint


def test_a_token_is_printed_alone_and_opens_the_door(ready: Any, deck: Deck) -> None:
    answer = ready("tokens", "create", "--name", " Ada ", "--days", "30")
    assert (answer.code, answer.err, answer.out.count("\n")) == (0, "", 1)
    principal = deck.accounts.principal_of_token(answer.out.strip())
    assert principal is not None and principal.name == "Ada"
    told = ready("tokens", "create", "--name", "Bob", "--json").json
    assert (told["name"], told["days"]) == ("Bob", 365)
    assert deck.accounts.principal_of_token(told["token"]) is not None
    assert ready("tokens", "create", "--name", " ").complaint.startswith("name: ")


def test_workers(ready: Any, deck: Deck) -> None:
    assert "`jobdeck worker` starts one" in ready("workers", "list").out
    now = datetime.now(UTC)
    here = WorkerInfo(id="w-1", host="here", pid=os.getpid(), pid_started=1, boot_id="b", types=(), queues=("default", "slow"),
                      processes=2, started_at=now, seen_at=now)  # fmt: skip
    Presence(deck.database, here).begin(time.time_ns() // 1000)
    row = ready("workers", "list").out.splitlines()[1]
    assert row.split()[:9] == ["w-1", "database", "here", str(os.getpid()), "default,", "slow", "0", "of", "2"]
    assert ready("workers", "list", "--json").json["hits"]["hits"][0]["queues"] == ["default", "slow"]


def test_the_web_server(ready: Any, spawn: Spawn) -> None:
    process = spawn("web", "--port", "0")
    address = process.stdout.readline().split()[-1]
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(f"{address}healthz", timeout=20) as response:
        assert response.status == 200
    process.terminate()
    assert process.wait(30) == 0


def test_a_taken_port_is_said_in_one_line(ready: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = ready("web", "--port", str(port))
    assert answer.code == 1
    assert answer.complaint.startswith(f"Cannot listen on 127.0.0.1:{port} (Address already in use)")
    assert ready("web", "--host", "no.such.host.invalid").complaint.startswith("--host no.such.host.invalid: ")


def test_a_worker_until_nothing_is_left(ready: Any, spawn: Spawn) -> None:
    assert ready("worker", "nowhere").complaint == "There is no queue 'nowhere'; the queues are default."
    run_id = ready("types", "run", "greet", "--arg", "name=Ada", "--arg", "times=2", "--json").json["id"]
    process = spawn("worker", "default", "--processes", "1", "--burst")
    assert process.wait(60) == 0
    shown = ready("runs", "show", run_id, "--json").json
    assert (shown["status"], shown["result"]) == ("SUCCESS", "AdaAda")
