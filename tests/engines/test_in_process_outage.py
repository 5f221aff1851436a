"""Executing in the engine's own process while PostgreSQL is stopped at once and started again, soon or too late."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jobdeck import Deck, RetryPolicy, Run, current_run, job_type
from jobdeck.core.ring import Ring
from jobdeck.errors import StoreError
from jobdeck.processes.in_process import InProcess

from ..servers import PostgreSQL

WAITS = "A delivery waits for it."


@job_type(retry=RetryPolicy(2, backoff=0, jitter=0))
def walk() -> None:
    """Go on, looking whether to stop."""
    while True:
        current_run.check_stop()
        time.sleep(0.01)


@job_type(restartable=True)
def walk_anew() -> None:
    """Go on in the same way."""
    walk()


@job_type
def wait_for(path: str) -> str:
    """Look at nothing until a file is there."""
    while not Path(path).exists():
        time.sleep(0.01)
    return "it is there"


class Site:
    """A deck whose default queue is on Celery, and the process that serves it: this one."""

    def __init__(self, home: Path, server: PostgreSQL, name: str, **settings: Any) -> None:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        told = {"engines": "default=celery", "stop_grace": "0", "home": home, **settings}
        url = f"{server.url.rpartition('/')[0]}/{name}"
        self.deck = Deck(job_types=[walk, walk_anew, wait_for], database_url=url, **told)
        self.deck.upgrade_database()
        self.is_over = False
        deck = self.deck
        self.server = InProcess(
            deck.office, "celery", deck.context, deck.registry, slots=4, gathers=True, is_over=lambda: self.is_over
        )

    def start(self, target: Any, **arguments: Any) -> Run:
        return self.deck.runs.start(target.job_type.id, arguments)

    def serve(self, run: Run) -> bool:
        return self.server.serve(Ring(run_id=run.id, number=1, queue="default"))

    def status(self, run: Run) -> str:
        """Empty where a connection of before the outage is met."""
        with suppress(StoreError):
            return self.deck.runs.get(run.id).status
        return ""

    def close(self) -> None:
        self.server.end()
        self.deck.close()


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL() as made:
        yield made


@pytest.fixture
def sites(
    tmp_path: Path,
    server: PostgreSQL,
    numbers: Iterator[int] = count(),  # noqa: B008  # shared by all tests, as meant
) -> Iterator[Callable[..., Site]]:
    """Makes a site for one test."""
    made: list[Site] = []

    def make(**settings: Any) -> Site:
        made.append(Site(tmp_path / "home", server, f"outage_{next(numbers)}", **settings))
        return made[-1]

    yield make
    back(server)
    for one in made:
        one.close()


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    """Threads that serve beside the test."""
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def begun(aside: ThreadPoolExecutor, until: Callable[..., Any]) -> Callable[..., Future[bool]]:
    """Serves a run, which has begun when this returns."""

    def begin(site: Site, run: Run) -> Future[bool]:
        served = aside.submit(site.serve, run)
        until(lambda: site.deck.runs.get(run.id).started_at, 30)
        return served

    return begin


def back(server: PostgreSQL) -> None:
    """Have the database serve again."""
    if not server.is_started:
        server.start()
        server.wait()


def test_an_outage_longer_than_the_lease_loses_runs_and_stops_none(
    sites: Callable[..., Site], server: PostgreSQL, begun: Callable[..., Future[bool]], until: Callable[..., Any]
) -> None:
    site = sites(lease="3")
    lost, again = site.start(walk), site.start(walk_anew)
    served = [begun(site, run) for run in (lost, again)]
    server.stop()
    assert [one.result(60) for one in served] == [True, True]
    back(server)
    for run in (lost, again):
        until(lambda run=run: site.status(run) == "QUEUED", 60)
    found = site.deck.runs.get(lost.id)
    assert (found.attempt, found.releases) == (1, 0)
    assert [one.outcome for one in site.deck.runs.attempts(lost.id)] == ["lost"]
    assert site.deck.runs.get(again.id).releases == 1


@pytest.mark.parametrize("is_first", [True, False])
def test_a_delivery_waits_for_the_database(
    sites: Callable[..., Site],
    server: PostgreSQL,
    aside: ThreadPoolExecutor,
    until: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    *,
    is_first: bool,
) -> None:
    site = sites()
    (tmp_path / "there").touch()
    runs = [site.start(wait_for, path=str(tmp_path / "there")) for _ in range(4)]
    if not is_first:
        assert site.serve(runs.pop())
    server.stop()
    served = [aside.submit(site.serve, run) for run in runs]
    until(lambda: caplog.text.count(WAITS) == len(runs), 60)
    back(server)
    assert all(one.result(60) for one in served)
    until(lambda: {site.status(run) for run in runs} == {"SUCCESS"}, 30)


@pytest.mark.parametrize("ended_by", ["itself", "another"])
def test_a_delivery_waits_no_longer_than_its_process_serves(
    sites: Callable[..., Site],
    server: PostgreSQL,
    aside: ThreadPoolExecutor,
    until: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    ended_by: str,
) -> None:
    site = sites()
    run = site.start(walk)
    server.stop()
    served = aside.submit(site.serve, run)
    until(lambda: WAITS in caplog.text, 60)
    assert not served.done()
    if ended_by == "itself":
        site.server.begin_ending()
    else:
        site.is_over = True
    with pytest.raises(StoreError):
        served.result(30)
    back(server)
    until(lambda: site.status(run) == "QUEUED", 30)


def test_what_a_run_came_to_outlives_an_outage_at_the_end_of_its_process(
    sites: Callable[..., Site],
    server: PostgreSQL,
    aside: ThreadPoolExecutor,
    begun: Callable[..., Future[bool]],
    tmp_path: Path,
) -> None:
    site = sites(lease="60")
    run = site.start(wait_for, path=str(tmp_path / "there"))
    served = begun(site, run)
    server.stop()
    (tmp_path / "there").touch()
    assert served.result(30)
    ending = aside.submit(site.server.end, vanish=True)
    with pytest.raises(TimeoutError):
        ending.result(2)
    back(server)
    ending.result(60)
    assert site.deck.runs.get(run.id).status == "SUCCESS"
    assert site.deck.workers.list() == []


def test_it_is_waited_for_no_longer_than_nobody_else_may_take_the_run(
    sites: Callable[..., Site],
    server: PostgreSQL,
    begun: Callable[..., Future[bool]],
    until: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    site = sites(lease="4")
    run = site.start(wait_for, path=str(tmp_path / "there"))
    served = begun(site, run)
    server.stop()
    (tmp_path / "there").touch()
    assert served.result(30)
    began = time.monotonic()
    site.server.end()
    assert time.monotonic() - began < 30
    assert "what 1 came to could not be written" in caplog.text
    # The process may still be there when the database serves again.
    back(server)
    until(lambda: site.status(run) == "SUCCESS", 30)
