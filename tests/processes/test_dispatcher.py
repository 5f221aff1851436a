"""Dispatchers as processes: they ring at once, end when asked, and may be killed, doubled, and cut off from either side."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jobdeck.core.ring import Ring

from .conftest import Place

LONG_S = 60.0


class Post:
    """What was sent through the engine of `work/work_post.py`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.closed = place.home / "closed"

    def rings(self) -> list[Ring]:
        path = self.place.home / "post.txt"
        return [Ring.of_data(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []

    def has(self, *run_ids: str) -> None:
        """Wait until these have been sent."""
        self.place.until(lambda: set(run_ids) <= {ring.run_id for ring in self.rings()}, LONG_S)

    def start(self, **options: Any) -> str:
        return self.place.deck.runs.start("add", {"a": 1}, **options).id


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, database_url=database_url, engines="default=post", queues="default,near", stop_grace="1")
    yield made
    made.close()


@pytest.fixture
def post(place: Place) -> Post:
    return Post(place)


def dispatcher(place: Place) -> subprocess.Popen[str]:
    process = place.process("dispatcher")
    place.until(lambda: any(one.pid == process.pid for one in place.deck.workers.dispatchers()), LONG_S)
    return process


def ends(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(30)


def test_it_rings_at_once_and_ends_when_asked(place: Place, post: Post) -> None:
    waiting = post.start()
    process = dispatcher(place)
    post.has(waiting)
    late_s = []
    for _ in range(9):
        began = time.monotonic()
        post.has(post.start())
        late_s.append(time.monotonic() - began)
    assert sorted(late_s)[4] < 0.9, "it is woken, and does not only look from time to time"
    near = post.start(queue="near")
    begun = time.monotonic()
    soon = post.start(start_in=1.5)
    post.has(soon)
    assert 1.4 < time.monotonic() - begun < 10
    many = place.deck.runs.start_many("add", [{"a": 1}] * 2000)
    post.has(*many)
    told = [ring.run_id for ring in post.rings()]
    assert (len(told), near in told) == (len(set(told)), False)
    (one,) = place.deck.workers.dispatchers()
    assert (one.engines, dict(one.problems)) == (("post",), {})
    assert ends(process) == 0
    assert place.deck.workers.dispatchers() == []
    assert "Traceback" not in place.said()


def test_one_is_killed_and_two_take_over(place: Place, post: Post) -> None:
    """What was taken and not sent is sent when patience is over; everything else at once."""
    place.environment["JOBDECK_RING_PATIENCE"] = "2"
    first = dispatcher(place)
    made = list(place.deck.runs.start_many("add", [{"a": 1}] * 300))
    place.until(lambda: len(post.rings()) > 0, LONG_S)
    first.kill()
    first.wait()
    others = [dispatcher(place) for _ in range(2)]
    made += [post.start() for _ in range(20)]
    post.has(*made[300:])
    place.until(lambda: len({ring.run_id for ring in post.rings()} & set(made[:300])) == 300, 90)
    assert [ends(one) for one in others] == [0, 0]


def test_an_engine_that_is_away_is_waited_for(place: Place, post: Post) -> None:
    post.closed.touch()
    runs = [post.start() for _ in range(5)]
    process = dispatcher(place)
    told = place.until(lambda: place.deck.workers.dispatchers()[0].problems, LONG_S)
    assert dict(told) == {"post": "The post is closed."}
    post.closed.unlink()
    post.has(*runs)
    place.until(lambda: not place.deck.workers.dispatchers()[0].problems, LONG_S)
    assert [ring.number for ring in post.rings()] == [1] * 5
    assert ends(process) == 0
    assert "post: The post is closed. It is tried again." in place.said()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_lost_connection_costs_nothing(place: Place, post: Post, database_url: str) -> None:
    process = dispatcher(place)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for _ in range(3):
            post.has(post.start())
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            place.deck.close()
            post.has(post.start())
    assert ends(process) == 0
    assert len(post.rings()) == 6


def test_runs_from_before_their_queue_came_to_the_engine_are_adopted(place: Place, post: Post) -> None:
    near = post.start(queue="near")
    place.environment["JOBDECK_ENGINES"] = "post"
    process = dispatcher(place)
    post.has(near)
    assert ends(process) == 0


def test_it_looks_after_dead_workers(place: Place, post: Post) -> None:
    """Where an engine executes runs in its own processes, nobody else would."""
    worker = place.worker()
    run = place.begun(place.deck.runs.start("sleep", {"seconds": 600}, queue="near"))
    worker.kill()
    worker.wait()
    process = dispatcher(place)
    assert place.ended(run, LONG_S).reason == "lost"
    assert ends(process) == 0


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"engines": "nowhere"}, "there is no engine 'nowhere'; the engines are database,"),
        ({"engines": "inline"}, "No queue is on an engine that has to be told of runs"),
        ({"engines": ""}, "No queue is on an engine that has to be told of runs"),
        ({"engines": "celery"}, "JOBDECK_CELERY is not set"),
        ({"engines": "celery", "celery": "no_such_site:app"}, "JOBDECK_CELERY=no_such_site:app cannot be imported"),
        ({"database_url": "sqlite:///{home}/other.db"}, "jobdeck db upgrade"),
    ],
)
def test_what_can_never_work_is_refused_in_one_line(tmp_path: Path, settings: dict[str, str], says: str) -> None:
    place = Place(tmp_path, engines="post")
    told = {f"JOBDECK_{name.upper()}": value.format(home=tmp_path) for name, value in settings.items()}
    place.environment.update(told)
    process = place.process("dispatcher")
    assert process.wait(60) == 1
    assert (says in place.said(), place.said().count("\n")) == (True, 1), place.said()
    place.close()


def test_an_engine_that_is_set_up_wrongly_is_refused(place: Place) -> None:
    (place.home / "never").touch()
    process = place.process("dispatcher")
    assert process.wait(60) == 1
    assert place.said() == "jobdeck: There is no post here; move.\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["default"], "The queue default is on the engine post; it is served by `deliver default`."),
        (
            [],
            "Every queue is on another engine by JOBDECK_ENGINES, so that this worker has none: those on post are served by"
            " `deliver default`.",
        ),
        (["--engine", "rq"], "No queue is on the engine rq; JOBDECK_ENGINES says which are."),
    ],
)
def test_a_worker_of_the_database_refuses_queues_on_engines(tmp_path: Path, words: list[str], says: str) -> None:
    place = Place(tmp_path, engines="post")
    process = place.process("worker", *words)
    assert process.wait(60) == 1
    assert says in place.said()
    assert place.deck.queues.get("default").carrier.command == "deliver default"
    place.close()


def test_a_worker_of_the_database_serves_the_others(place: Place, post: Post) -> None:
    elsewhere = post.start()
    place.worker()
    assert place.ended(place.deck.runs.start("add", {"a": 1}, queue="near"), LONG_S).status == "SUCCESS"
    assert place.deck.runs.get(elsewhere).status == "QUEUED"
    (worker,) = place.deck.workers.list()
    assert (worker.engine, worker.queues) == ("database", ("near",))
