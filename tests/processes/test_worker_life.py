"""A worker's own life: how it begins, drains, dies, and what becomes of what it held."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

Place = Any
Places = Callable[..., Place]
IsAlive = Callable[[int], bool]
ChildrenOf = Callable[[int], dict[int, str]]
MANY = 1500


def test_a_killed_worker_takes_everything_with_it_and_the_next_one_says_so(
    places: Places, tmp_path: Path, children_of: ChildrenOf, is_alive: IsAlive
) -> None:
    place = places()
    worker = place.worker()
    runs = [place.begun(place.start("sleep", seconds=60)), place.begun(place.start("spin"))]
    below = list(children_of(worker.pid))
    assert len(below) == 3  # the template and two children
    worker.kill()
    worker.wait()
    place.until(lambda: not any(is_alive(pid) for pid in below), 2.0)
    assert {place.deck.runs.get(run.id).status for run in runs} == {"RUNNING"}
    queued = place.start("add", a=1)
    place.worker()
    for run in runs:
        found = place.ended(run, 5.0)
        assert (found.status, found.reason) == ("FAILED", "lost")
        assert found.message == "The worker that ran this was ended before the run finished."
        assert place.deck.runs.attempts(run.id)[0].outcome == "lost"
    assert place.ended(queued).result == 1
    assert [one.pid for one in place.deck.workers.list()] == [place.workers[1].pid]
    assert len(list(place.home.glob("*-wake/*"))) == 1


def test_a_stopped_worker_lets_running_work_end_and_gives_back_the_rest(places: Places) -> None:
    place = places(processes=1, stop_grace="10")
    worker = place.worker()
    running = place.begun(place.start("sleep", seconds=1))
    waiting = [place.start("add", a=number) for number in range(3)]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    assert place.deck.runs.get(running.id).result == "slept"
    assert [(run.status, run.attempt) for run in map(place.deck.runs.get, [one.id for one in waiting])] == [
        ("QUEUED", 0)
    ] * 3
    assert not place.deck.workers.list()


def test_what_was_claimed_and_not_begun_goes_back_unburnt(places: Places, tmp_path: Path) -> None:
    place, path = places(processes=1, stop_grace="10"), tmp_path / "numbers"
    worker = place.worker()
    place.deck.runs.start_many("note", [{"number": n, "path": str(path)} for n in range(MANY)])
    place.until(path.exists)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    done = len(path.read_text().splitlines())
    assert done > 0
    assert place.deck.runs.waiting() == MANY - done
    assert place.worker("--burst", wait=False).wait(30) == 0
    assert sorted(map(int, path.read_text().split())) == list(range(MANY))


def test_what_does_not_end_in_time_is_lost_with_a_plain_message(places: Places, tmp_path: Path) -> None:
    place = places(stop_grace="1")
    worker = place.worker()
    polite = place.begun(place.start("clean_up", path=str(tmp_path / "trace")))
    deaf = place.begun(place.start("spin"))
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    assert 0.8 < time.monotonic() - began < 3.0
    for run in (polite, deaf):
        found = place.deck.runs.get(run.id)
        assert (found.status, found.reason) == ("FAILED", "lost")
        assert found.message == "The worker that ran this was ended before the run finished."
    assert (tmp_path / "trace").read_text() == "cleaned up"


def test_a_second_signal_is_quicker(places: Places) -> None:
    place = places(stop_grace="60")
    worker = place.worker()
    run = place.begun(place.start("sleep", seconds=60))
    worker.send_signal(signal.SIGINT)
    place.until(lambda: "is ending" in place.said())
    began = time.monotonic()
    worker.send_signal(signal.SIGINT)
    assert worker.wait(10) == 0
    assert time.monotonic() - began < 3.0
    assert place.deck.runs.get(run.id).reason == "lost"
    assert "Traceback" not in place.said()


def test_a_stop_while_draining_is_a_stop(places: Places) -> None:
    place = places(stop_grace="20")
    worker = place.worker()
    run = place.begun(place.start("steps", count=1000, seconds=0.02))
    worker.send_signal(signal.SIGTERM)
    place.until(lambda: "is ending" in place.said())
    place.deck.runs.stop(run.id)
    assert worker.wait(10) == 0
    assert place.deck.runs.get(run.id).status == "CANCELLED"


def test_burst_ends_when_nothing_is_queued(places: Places) -> None:
    place = places()
    assert place.worker("--burst", wait=False).wait(60) == 0
    runs = [place.start("steps", count=2, seconds=0.1) for _ in range(5)]
    assert place.worker("--burst", wait=False).wait(60) == 0
    assert {place.deck.runs.get(run.id).status for run in runs} == {"SUCCESS"}


def test_a_worker_serves_the_queues_it_is_given(places: Places) -> None:
    place = places(queues="default,other")
    run, other = place.start("add", a=1), place.start("elsewhere")
    assert other.queue == "other"
    assert place.worker("other", "--burst", wait=False).wait(20) == 0
    assert [place.deck.runs.get(one.id).status for one in (run, other)] == ["QUEUED", "SUCCESS"]
    assert place.worker("--burst", wait=False).wait(20) == 0
    assert place.deck.runs.get(run.id).status == "SUCCESS"


@pytest.mark.parametrize(
    ("words", "settings", "message"),
    [
        (["nowhere"], {}, "There is no queue 'nowhere'; the queues are default."),
        ([], {"job_types": "not_there"}, "not_there"),
        ([], {"processes": "none"}, "JOBDECK_PROCESSES"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    places: Places, words: list[str], settings: dict[str, str], message: str
) -> None:
    place = places()
    place.environment.update({f"JOBDECK_{name.upper()}": value for name, value in settings.items()})
    assert place.worker(*words, wait=False).wait(20) == 1
    said = place.said().strip().splitlines()
    assert len(said) == 1 and message in said[0]


def test_old_tables_are_refused(places: Places, tmp_path: Path) -> None:
    place = places()
    place.environment["JOBDECK_HOME"] = str(tmp_path / "empty")
    assert place.worker(wait=False).wait(20) == 1
    assert "jobdeck db upgrade" in place.said()


def test_a_signal_while_the_application_loads_ends_the_worker(places: Places, tmp_path: Path) -> None:
    place = places()
    (tmp_path / "slow_types.py").write_text(
        f"import time, pathlib\npathlib.Path({str(tmp_path / 'loading')!r}).touch()\ntime.sleep(60)\n"
    )
    place.environment.update(JOBDECK_JOB_TYPES="slow_types", PYTHONPATH=str(tmp_path))
    worker = place.worker(wait=False)
    place.until((tmp_path / "loading").exists)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(5) == 0
    assert place.said() == ""


def test_unknown_types_stay_queued_and_block_nobody(places: Places) -> None:
    place = places()
    gone = place.start("add", a=1)
    with place.deck.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE jobdeck_run SET type = 'vanished' WHERE id = '{gone.id}'")
    known = place.start("add", a=2)
    assert place.worker("--burst", wait=False).wait(20) == 0
    assert [place.deck.runs.get(run.id).status for run in (gone, known)] == ["QUEUED", "SUCCESS"]


def test_a_locked_database_only_delays(places: Places) -> None:
    place = places()
    place.worker()
    run = place.begun(place.start("steps", count=5, seconds=0.05))
    other = sqlite3.connect(place.home / "jobdeck.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    time.sleep(1.0)  # not to wait for anything: the lock itself is the condition
    assert place.deck.runs.get(run.id).status == "RUNNING"
    other.execute("ROLLBACK")
    other.close()
    assert place.ended(run).result == 5


def test_lost_connections_cost_no_outcome(postgresql: str, places: Places, tmp_path: Path) -> None:
    name = f"outage_{os.getpid()}"
    with psycopg.connect(f"{postgresql}/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            place, path = places(database_url=f"{postgresql}/{name}"), tmp_path / "numbers"
            place.worker()
            place.deck.runs.start_many("note", [{"number": n, "path": str(path)} for n in range(1000)])
            end = time.monotonic() + 4.0
            while time.monotonic() < end and place.deck.runs.waiting():
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND query ILIKE %s",
                    (name, "%jobdeck_run SET%"),
                )
                time.sleep(0.02)
            listed = place.deck.runs.list
            place.until(lambda: not place.deck.runs.waiting(), 30.0)
            place.until(lambda: listed().items and all(run.is_final for run in listed().items), 10.0)
            assert sorted(map(int, path.read_text().split())) == list(range(1000))
            with place.deck.database.read() as connection:
                found = connection.exec_driver_sql("SELECT status, count(*) FROM jobdeck_run GROUP BY status").all()
            assert [tuple(row) for row in found] == [("SUCCESS", 1000)]
            place.close()
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def test_without_its_template_a_worker_ends_and_says_what_was_lost(
    places: Places, children_of: ChildrenOf, is_alive: IsAlive
) -> None:
    place = places()
    worker = place.worker()
    run = place.begun(place.start("sleep", seconds=60))
    below = children_of(worker.pid)
    template = next(pid for pid in below if Path(f"/proc/{pid}/stat").read_text().split()[3] == str(worker.pid))
    os.kill(template, signal.SIGKILL)
    assert worker.wait(10) == 1
    found = place.deck.runs.get(run.id)
    assert (found.status, found.reason) == ("FAILED", "error")
    assert "template" in found.message
    assert not any(is_alive(pid) for pid in below)
    assert "has lost its template process" in place.said()


def test_a_worker_listens_nowhere_and_leaves_no_zombies(
    places: Places, children_of: ChildrenOf, tmp_path: Path
) -> None:
    place = places()
    worker = place.worker()
    for number in range(4):
        place.run("die", number=9)
        place.run("leave_a_process", path=str(tmp_path / f"pid-{number}"))
    place.until(lambda: "Z" not in children_of(worker.pid).values() and len(children_of(worker.pid)) == 3, 12.0)
    inodes = {inode for pid in [worker.pid, *children_of(worker.pid)] for inode in _open_files(pid)}
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            assert f"socket:[{line.split()[9]}]" not in inodes


def _open_files(pid: int) -> set[str]:
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        # It may be closed while it is looked at.
        with contextlib.suppress(FileNotFoundError):
            found.add(str(link.readlink()))
    return found


def test_an_idle_worker_sleeps(places: Places, children_of: ChildrenOf) -> None:
    place = places()
    worker = place.worker()
    place.run("add", a=1)
    pids = [worker.pid, *children_of(worker.pid)]

    def used() -> int:
        return sum(
            sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])) for pid in pids
        )

    before = used()
    time.sleep(2.0)  # the time over which it is measured
    assert used() - before <= 4  # hundredths of a second


HOST = """
from flask import Flask, current_app
from sqlalchemy import create_engine, text
from jobdeck import Deck, job_type

engine = create_engine("sqlite:///{path}", pool_size=1, max_overflow=0)

@job_type
def ask() -> list:
    with engine.connect() as connection:
        row = connection.execute(text("INSERT INTO seen VALUES (NULL) RETURNING id")).scalar_one()
        connection.commit()
        current_app.logger.warning("asked")
        return [current_app.name, row]

@job_type
def enqueue_more() -> str:
    return current_app.extensions["jobdeck"].enqueue("math:gcd", [4, 6]).id

def create_app():
    app = Flask("host")
    app.config["JOBDECK_HOME"] = "{home}"
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS seen (id INTEGER PRIMARY KEY)"))
    Deck(app, job_types=[ask, enqueue_more])
    return app
"""


def test_runs_have_the_hosts_application_and_no_connection_of_another_process(places: Places, tmp_path: Path) -> None:
    place = places()
    (tmp_path / "host_app.py").write_text(HOST.format(path=tmp_path / "host.db", home=place.home))
    place.environment.update(PYTHONPATH=str(tmp_path), JOBDECK_APP="host_app:create_app")
    place.environment.pop("JOBDECK_HOME")
    place.environment.pop("JOBDECK_JOB_TYPES")
    command = """
import sys, json
from host_app import create_app
deck = create_app().extensions["jobdeck"]
print(json.dumps([deck.runs.start(name).id for name in ["ask"] * 6 + ["enqueue_more"]]))
"""
    told = subprocess.run(
        [sys.executable, "-c", command], env=place.environment, capture_output=True, text=True, check=True
    )
    ids = json.loads(told.stdout)
    place.worker()
    found = [place.until(lambda one=one: (run := place.deck.runs.get(one)).is_final and run) for one in ids]
    assert [run.status for run in found] == ["SUCCESS"] * 7, [run.traceback for run in found]
    assert sorted(run.result[1] for run in found[:6]) == [1, 2, 3, 4, 5, 6]
    assert {run.result[0] for run in found[:6]} == {"host"}
    assert place.messages(found[0]) == ["asked"]
    assert place.ended(place.deck.runs.get(found[6].result)).result == 2
