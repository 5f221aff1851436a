"""PostgreSQL asks for a password; it is stopped at once in the middle of running work, with two workers, and started again: soon, or too late."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jobdeck import Run
from jobdeck.core.filters import Page, RunFilter

from .postgresql_server import PASSWORD, PostgreSQL

Place = Any
IsAlive = Callable[[int], bool]
MANY = 400
SHORT_S = 1.5
LEASE_S = 6
"""A worker is silent for five seconds at most, then it ends its work by itself."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL() as running:
        yield running


@pytest.fixture
def place(server: PostgreSQL, places: Callable[..., Place], numbers: Iterator[int] = count()) -> Place:  # noqa: B008  # shared by all tests, as meant
    """Two workers of two processes each."""
    made = places(database_url=server.database(f"outage_{next(numbers)}"), lease=f"{LEASE_S}s", processes=2)
    made.worker()
    made.worker()
    return made


def held(place: Place, gate: Path, path: Path) -> list[Run]:
    """Three runs at work, which wait for the gate."""
    runs = [place.start("wait_at", gate=str(gate), path=str(path)) for _ in range(3)]
    return [place.begun(run) for run in runs]


def begun_by(path: Path) -> list[int]:
    return [int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith("begin")]


def test_an_outage_shorter_than_the_lease_leaves_running_work_alone(
    place: Place, server: PostgreSQL, tmp_path: Path
) -> None:
    gate, path, numbers = tmp_path / "gate", tmp_path / "said", tmp_path / "numbers"
    at_work = held(place, gate, path)
    place.deck.runs.start_many("note", [{"number": n, "path": str(numbers)} for n in range(MANY)])
    place.until(numbers.exists, 60)
    server.stop()
    time.sleep(SHORT_S)
    server.start()
    gate.touch()
    for run in at_work:
        found = place.ended(run, 60)
        assert (found.status, found.result, found.rescues) == ("SUCCESS", 1, 0)
    assert len(begun_by(path)) == 3
    place.until(lambda: place.deck.runs.waiting() == 0, 60)
    place.until(lambda: not place.deck.runs.list(RunFilter(statuses=("RUNNING",))).total, 60)
    assert sorted(map(int, numbers.read_text().split())) == list(range(MANY))
    ended = place.deck.runs.list(RunFilter(type="note", statuses=("SUCCESS",)), Page(size=1))
    assert ended.total == MANY
    for number in range(2):
        said = place.said(number)
        assert said.count("nothing is lost meanwhile.") == said.count("the database serves again, after") >= 1


def test_a_longer_one_ends_the_work_and_it_is_tried_again(
    place: Place, server: PostgreSQL, tmp_path: Path, is_alive: IsAlive
) -> None:
    gate, path = tmp_path / "gate", tmp_path / "said"
    at_work = held(place, gate, path)
    lost = place.begun(place.start("sleep", seconds=300))
    pids = [*begun_by(path), place.deck.runs.attempts(lost.id)[0].pid]
    assert all(map(is_alive, pids))
    server.stop()
    # Nobody else can have taken them meanwhile: they end by themselves, before their lease is over for anybody.
    place.until(lambda: not any(map(is_alive, pids)), 60)
    server.start()
    place.until(lambda: len(begun_by(path)) >= 6, 60)
    gate.touch()
    for run in at_work:
        found = place.ended(run, 60)
        assert (found.status, found.result) == ("SUCCESS", 2)
        assert [one.outcome for one in place.deck.runs.attempts(run.id)] == ["lost", "success"]
    assert len(begun_by(path)) == 6
    found = place.ended(lost, 60)
    assert (found.status, found.reason, found.attempt) == ("FAILED", "lost", 1)
    assert len(place.deck.workers.list()) == 2


def test_work_ends_in_time_also_while_the_database_hangs(
    place: Place, server: PostgreSQL, tmp_path: Path, is_alive: IsAlive, children_of: Callable[[int], dict[int, str]]
) -> None:
    gate, path = tmp_path / "gate", tmp_path / "said"
    at_work = held(place, gate, path)
    everything = [server.pid, *children_of(server.pid)]
    pids = begun_by(path)
    for pid in everything:
        os.kill(pid, signal.SIGSTOP)
    try:
        place.until(lambda: not any(map(is_alive, pids)), 60)
    finally:
        for pid in everything:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    gate.touch()
    for run in at_work:
        assert place.ended(run, 60).status == "SUCCESS"
        assert [one.outcome for one in place.deck.runs.attempts(run.id)] == ["lost", "success"]


def test_a_wrong_password_is_told_in_one_line_without_it(server: PostgreSQL, tmp_path: Path) -> None:
    server.database("guarded")
    right, wrong = server.guarded("guarded", PASSWORD), server.guarded("guarded", "battery-staple")

    def ask(url: str, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "JOBDECK_HOME": str(tmp_path / "home"), "JOBDECK_DATABASE_URL": url}
        command = [sys.executable, "-m", "jobdeck", *words]
        return subprocess.run(command, check=False, env=environment, text=True, capture_output=True, timeout=60)

    assert "without tables" in ask(right, "check").stdout
    for words in (("up", "--port", "0"), ("worker",), ("web", "--port", "0"), ("scheduler",)):
        refused = ask(wrong, *words)
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1), refused.stderr
        assert "password authentication failed" in refused.stderr and "battery-staple" not in refused.stderr
    checked = ask(wrong, "check")
    assert checked.returncode == 1 and checked.stderr == ""
    assert "password authentication failed" in checked.stdout and "battery-staple" not in checked.stdout


def test_a_server_that_takes_no_writes_is_waited_for(server: PostgreSQL, places: Callable[..., Place]) -> None:
    url = server.database("standby")
    place = places(database_url=url, lease="2s", processes=1)
    worker = place.worker()
    place.begun(place.start("sleep", seconds=300))
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("ALTER DATABASE standby SET default_transaction_read_only = on")
        admin.execute("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = 'standby' AND pid <> pg_backend_pid()""")
        # By then it was refused several times.
        place.until(lambda: "could not renew its claims in time" in place.said())
        admin.execute("ALTER DATABASE standby RESET default_transaction_read_only")
    assert place.run("add", a=2).status == "SUCCESS"
    assert worker.poll() is None
    assert "Traceback" not in place.said()
