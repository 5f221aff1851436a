"""Schedulers as processes: they fire on time, end when asked, and may be killed, doubled and cut off from the database."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from jobdeck import Deck
from jobdeck.core.schedule import Schedule
from jobdeck.core.times import to_us
from jobdeck.processes.scheduler import Scheduler
from jobdeck.store import tables

from .conftest import Place

STEP_US = 100_000


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, database_url=database_url, stop_grace="1")
    yield made
    made.close()


def scheduler(place: Place) -> subprocess.Popen[str]:
    process = place.process("scheduler")
    place.until(lambda: any(one.pid == process.pid for one in place.deck.workers.schedulers()))
    return process


def every_tenth(place: Place, **told: Any) -> Schedule:
    job = place.deck.jobs.create(title="Tick", type="add", arguments={"a": 1})
    return place.deck.schedules.create(
        str(job.id), {"type": "interval", "milliseconds": STEP_US // 1000}, misfire="all", overlap="allow", **told
    )


def ticks(place: Place) -> list[Any]:
    with place.deck.database.read() as connection:
        return list(connection.execute(select(tables.ticks).order_by(tables.ticks.c.fire_at)))


def accounted(place: Place, made: Schedule) -> None:
    """Each planned time has one row, each row its run, each run its row."""
    rows = ticks(place)
    first = to_us(made.created_at)
    assert [row.fire_at for row in rows] == [first + (number + 1) * STEP_US for number in range(len(rows))]
    with place.deck.database.read() as connection:
        runs = connection.execute(select(tables.runs.c.fire_at, tables.runs.c.id)).fetchall()
    assert sorted((row.fire_at, row.run_id) for row in rows) == sorted((row.fire_at, row.id) for row in runs)


def test_it_fires_on_time_and_ends_when_asked(place: Place) -> None:
    process = scheduler(place)
    place.worker()
    made = every_tenth(place, max_count=10)
    place.until(lambda: place.deck.schedules.get(made.id).next_fire_at is None)
    accounted(place, made)
    late = sorted(row.recorded_at - row.fire_at for row in ticks(place)[2:])
    assert late[len(late) // 2] < 1_000_000
    place.until(lambda: all(run.is_final for run in place.deck.runs.list().items))
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert place.deck.workers.schedulers() == []


def test_one_is_killed_and_three_take_over(place: Place) -> None:
    first = scheduler(place)
    made = every_tenth(place)
    place.until(lambda: len(ticks(place)) > 5)
    first.kill()
    first.wait()
    seen = len(ticks(place))
    others = [scheduler(place) for _ in range(3)]
    place.until(lambda: len(ticks(place)) > seen + 15)
    others[0].kill()
    place.until(lambda: len(ticks(place)) > seen + 25)
    for one in others[1:]:
        one.send_signal(signal.SIGTERM)
        assert one.wait(10) == 0
    accounted(place, made)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_lost_connection_costs_nothing(place: Place, database_url: str) -> None:
    process = scheduler(place)
    made = every_tenth(place)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for count in (5, 15, 25):
            place.until(lambda count=count: len(ticks(place)) > count)  # type: ignore[misc]  # a default binds it
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            place.deck.close()
    place.until(lambda: len(ticks(place)) > 40)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    accounted(place, made)


def test_it_looks_after_dead_workers(place: Place) -> None:
    worker = place.worker()
    run = place.begun(place.start("sleep", seconds=300))
    scheduler(place)
    worker.kill()
    found = place.ended(run)
    assert (found.status, found.reason) == ("FAILED", "lost")


def test_old_tables_are_refused_in_one_line(tmp_path: Path) -> None:
    place = Place(tmp_path, database_url=f"sqlite:///{tmp_path / 'other.db'}")
    place.deck.close()
    (tmp_path / "other.db").unlink()
    process = place.process("scheduler")
    assert process.wait(20) == 1
    assert place.said().count("\n") == 1
    assert "jobdeck db upgrade" in place.said()
    place.close()


class Asked:
    """Signals that a test gives."""

    def __init__(self) -> None:
        self.stops = 0
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK)

    def fileno(self) -> int:
        return self._reader

    def drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 100)

    def stop(self) -> None:
        self.stops = 1
        os.write(self._writer, b"x")


def test_a_clock_that_is_moved_is_told_about_and_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, until: Callable[..., Any]
) -> None:
    class Moved:
        offset_us = 0

        def now_us(self) -> int:
            return time.time_ns() // 1000 + self.offset_us

    clock = Moved()
    deck = Deck(job_types=["work_site"], home=tmp_path, clock=clock)
    deck.upgrade_database()
    job = deck.jobs.create(title="Tick", type="add", arguments={"a": 1})
    made = deck.schedules.create(str(job.id), {"type": "interval", "hours": 1}, misfire="all", overlap="allow")
    asked = Asked()
    loop = Scheduler(deck.office, deck.authority, deck.context)
    seen: list[int] = []

    def move() -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(asked.stop)
            until(deck.workers.schedulers)
            clock.offset_us = 5 * 3600 * 1_000_000
            until(lambda: deck.schedules.get(made.id).count == 5)
            clock.offset_us = 0
            until(lambda: caplog.text.count("the clock was moved") == 2)
            seen.append(deck.schedules.get(made.id).count)

    # The loop limits the time of an application's code by signals, which only a main thread has.
    mover = threading.Thread(target=move)
    mover.start()
    with caplog.at_level(logging.INFO, "jobdeck"):
        assert loop.run(asked) == 0  # type: ignore[arg-type]  # what it uses of them
    mover.join()
    assert "the clock was moved by +18000 s" in caplog.text
    assert "the clock was moved by -18000 s" in caplog.text
    assert seen == [5]
    deck.close()
