"""Celery's own workers executing runs, with real brokers and an application whose settings are made for other tasks: whatever
gets lost, doubled or killed, each run has one attempt at a time, and ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jobdeck import RetryPolicy, Run, Status

from ..servers import Broker
from .celery_ground import SITE, Ground


@pytest.fixture(scope="module", params=["redis", pytest.param("rabbitmq", marks=pytest.mark.long)])
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A site on each broker, with a dispatcher, and a worker since the first message was lost."""
    home = tmp_path_factory.mktemp("celery") / f"on-{request.param}-{uuid.uuid4().hex[:6]}"
    server: Broker = request.getfixturevalue(f"{request.param}_server")
    database_url = f"sqlite:///{home / 'jobdeck.db'}"
    if request.param == "rabbitmq":
        database_url = request.getfixturevalue("create_database")()
    sys.path.insert(0, str(SITE))
    os.environ["SITE_BROKER"] = server.url
    made = Ground(home, server, database_url)
    yield made
    made.close()
    sys.path.remove(str(SITE))


@pytest.fixture(scope="module")
def lost(ground: Ground) -> Run:
    """A run whose message the broker lost before there was a worker."""
    ground.dispatcher()
    run = ground.start("note", {"place": str(ground.home / "lost")})
    ground.until(lambda: ground.deck.engines["celery"].depth("default") == 1)
    ground.server.flush(ground.queue)
    assert ground.deck.runs.get(run.id).status is Status.QUEUED
    return run


@pytest.fixture(scope="module")
def worker(ground: Ground, lost: Run) -> subprocess.Popen[bytes]:
    """A worker started as the documentation says, without `-Q`."""
    return ground.worker()


@pytest.fixture
def place(ground: Ground) -> Path:
    """Where a run leaves its traces."""
    return ground.home / uuid.uuid4().hex


def pid_in(place: Path) -> int:
    return int(place.read_text() or 0) if place.exists() else 0


def lives(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@pytest.mark.usefixtures("worker")
def test_a_lost_message_is_sent_again(ground: Ground, lost: Run) -> None:
    (run,) = ground.ended(lost)
    assert (run.status, run.attempt) == (Status.SUCCESS, 1)
    assert (ground.home / "lost").read_text() == "x"


@pytest.mark.usefixtures("worker")
def test_tasks_and_job_types_run_with_results_and_logs(ground: Ground, place: Path) -> None:
    runs = [ground.start("add", {"x": 3, "y": 4}), ground.start("note", {"place": str(place)})]
    added, noted = ground.ended(*runs)
    assert (added.status, added.result) == (Status.SUCCESS, 7)
    assert "adding 3 and 4" in ground.messages(added)
    assert "noted x" in ground.messages(noted)
    assert noted.result["pid"] not in (os.getpid(), None)
    (mine,) = [one for one in ground.deck.workers.list() if one.engine == "celery"]
    assert mine.queues == ("default",)
    assert "jobdeck serves here (queues: default); runs execute in child processes" in ground.log("celery")


@pytest.mark.usefixtures("worker")
def test_no_limit_of_the_application_and_no_visibility_timeout_touches_a_run(ground: Ground, place: Path) -> None:
    """The application ends its tasks after 3 seconds, and its Redis delivers again after one."""
    (run,) = ground.ended(ground.start("note", {"place": str(place), "seconds": 4.5}))
    assert (run.status, run.attempt, place.read_text()) == (Status.SUCCESS, 1, "x")


@pytest.mark.usefixtures("worker")
def test_a_stop_and_a_timeout_end_what_hears_nothing(ground: Ground, place: Path) -> None:
    other = place.with_suffix(".other")
    stopped = ground.start("deaf", {"place": str(place)})
    timed = ground.start("deaf", {"place": str(other)}, timeout=1)
    pids = [ground.until(lambda at=at: pid_in(at)) for at in (place, other)]
    ground.deck.runs.stop(stopped.id)
    ends = ground.ended(stopped, timed)
    assert [run.status for run in ends] == [Status.CANCELLED, Status.FAILED]
    assert ends[1].reason == "timeout"
    ground.until(lambda: not any(lives(pid) for pid in pids))


@pytest.mark.usefixtures("worker")
def test_retries_are_rung_for_when_they_are_due(ground: Ground, place: Path) -> None:
    other = place.with_suffix(".other")
    flaky = ground.start("flaky", {"place": str(place)})
    stubborn = ground.start("stubborn", {"place": str(other), "tries": 3})
    ends = ground.ended(flaky, stubborn)
    assert [(run.status, run.attempt, run.result) for run in ends] == [(Status.SUCCESS, 3, 3)] * 2
    assert place.read_text() == other.read_text() == "xxx"


@pytest.mark.usefixtures("worker")
def test_a_message_delivered_fifty_times_starts_one_attempt(ground: Ground, place: Path) -> None:
    run = ground.start("note", {"place": str(place), "seconds": 1.0})
    ground.until(place.exists)
    assert ground.ring(run, 50) == 50
    (ended,) = ground.ended(run)
    assert (ended.status, ended.attempt) == (Status.SUCCESS, 1)
    ground.until(lambda: ground.deck.runs.get(run.id).fenced == 50)
    assert place.read_text() == "x"


@pytest.mark.usefixtures("worker")
def test_what_is_no_ring_is_dropped(ground: Ground, place: Path) -> None:
    app = sys.modules["celery_app"].app
    with app.connection_for_write(ground.server.url) as broker:
        for arguments in ([], [{"v": 99}], [{"v": 1, "run": 7}], ["text", 2]):
            app.send_task("jobdeck.execute", arguments, queue=ground.queue, serializer="json", connection=broker)
    (run,) = ground.ended(ground.start("note", {"place": str(place)}))
    assert run.status is Status.SUCCESS
    ground.until(lambda: ground.log("celery").count("a message was dropped: this is no ring of jobdeck") == 4)


@pytest.mark.usefixtures("worker")
def test_sub_tasks_log_into_the_run_that_sent_them(ground: Ground) -> None:
    app = sys.modules["celery_app"]
    first, second = ground.ended(
        ground.start("parent", {"names": ["Ada", "Bob"], "tries": 2}), ground.start("parent", {"names": ["Eve"]})
    )
    with app.app.connection_for_write(ground.server.url) as broker:
        app.stranger.apply_async(queue=f"site-{ground.queue}", connection=broker)
    ground.until(lambda: ground.messages(first).count("Ada ends") == ground.messages(first).count("Bob ends") == 1)
    ground.until(lambda: "Eve ends" in ground.messages(second))
    ground.until(lambda: "a stranger was here" in ground.log("celery"))
    entries = ground.deck.logs.of_run(first.id).entries
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    of_ada = [entry for entry in entries if entry.message.startswith("Ada")]
    assert [entry.message for entry in of_ada] == [
        "Ada begins",
        "Ada is at try 1",
        "Ada begins",
        "Ada is at try 2",
        "Ada ends",
    ]
    (task_id,) = {entry.fields["task_id"] for entry in of_ada}
    assert task_id != first.id and {entry.fields["task"] for entry in of_ada} == {"celery_app.sub_task"}
    assert "task_id" not in entries[0].fields and entries[0].message == "sends 2"
    told = "".join(ground.messages(first) + ground.messages(second))
    assert "stranger" not in told and "Eve" not in "".join(ground.messages(first))


@pytest.mark.usefixtures("worker")
def test_a_broker_that_is_away_delays_runs_and_loses_none(ground: Ground, place: Path) -> None:
    ground.server.kill()
    runs = [ground.start("note", {"place": str(place), "word": word}) for word in "abc"]
    ground.until(
        lambda: any(
            "cannot be used" in text for one in ground.deck.workers.dispatchers() for text in one.problems.values()
        )
    )
    assert {ground.deck.runs.get(run.id).status for run in runs} == {Status.QUEUED}
    ground.server.start()
    assert [run.status for run in ground.ended(*runs)] == [Status.SUCCESS] * 3
    assert sorted(place.read_text()) == list("abc")


def test_a_killed_worker_loses_no_run(ground: Ground, worker: subprocess.Popen[bytes], place: Path) -> None:
    """The worker beside it ends with it, and what that one executed is tried again by the next."""
    run = ground.start("note", {"place": str(place), "seconds": 5.0}, retry=RetryPolicy(3, backoff=[0.1]))
    ground.until(place.exists)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait(15)
    ground.worker()
    (ended,) = ground.ended(run)
    assert (ended.status, ended.attempt, place.read_text()) == (Status.SUCCESS, 2, "xx")
