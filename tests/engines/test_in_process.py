"""Executing in the engine's own process: what is kept of a run, who asks it to end, and that threads keep their runs apart."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jobdeck import Deck, RetryPolicy, Run, RunStopped, TaskExecutionPartialError, current_run, job_type, track
from jobdeck.core.ring import Ring
from jobdeck.errors import OutsideRun
from jobdeck.processes.in_process import InProcess

logger = logging.getLogger("in_process_site")
DEAF = threading.Event()


@job_type
def double(number: int) -> int:
    """Say what a run may say."""
    logger.debug("doubling %d", number)
    print("printed", number)
    current_run.progress(number, 100, "doubling")
    with current_run.open_output("number.txt", media_type="text/plain") as out:
        out.write(str(number).encode())
    return 2 * number


@job_type
def fail() -> None:
    """Fail."""
    raise ValueError("no luck")


@job_type
def half() -> None:
    """Do half of it."""
    raise TaskExecutionPartialError("half of it", errored_entries_count=3)


@job_type(retry=RetryPolicy(3, backoff=0, jitter=0))
def persist() -> int:
    """Fail twice."""
    if current_run.attempt < 3:
        raise RuntimeError("not yet")
    return current_run.attempt


@job_type
def walk(steps: int = 3000, seconds: float = 0.01) -> str:
    """Go on, looking at every step whether to stop."""
    causes: list[str] = []
    current_run.on_stop(causes.append)
    try:
        for _ in track(range(steps)):
            time.sleep(seconds)
    except RunStopped:
        logger.warning("asked to end: %s", causes)
        raise
    return "arrived"


@job_type(restartable=True)
def walk_anew(seconds: float) -> str:
    """Go on for a while at the first start."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        current_run.check_stop()
        time.sleep(0.01)
    return "arrived"


@job_type
def be_deaf() -> None:
    """Look at nothing until the test says so."""
    DEAF.wait(60)


@job_type
def chat(name: str, lines: int) -> str:
    """Log and print in turn with others."""
    for number in range(lines):
        logger.info("%s logs %d", name, number)
        print(name, "prints", number)
        time.sleep(0.001)
    return str(current_run.arguments["name"])


@job_type
def parent() -> None:
    """Have a sub-run."""
    current_run.spawn(double, {"number": 4})


TYPES = [double, fail, half, persist, walk, walk_anew, be_deaf, chat, parent]


class Site:
    """A deck whose default queue is on Celery, and the process that serves it: this one."""

    def __init__(self, home: Path, **settings: Any) -> None:
        told = {"engines": "default=celery", "stop_grace": "2", "home": home, **settings}
        self.deck = Deck(job_types=TYPES, **told)
        self.deck.upgrade_database()
        self.server = InProcess(self.deck.office, "celery", self.deck.context, self.deck.registry, slots=4)

    def start(self, target: Any, _options: dict[str, Any] | None = None, **arguments: Any) -> Run:
        return self.deck.runs.start(target.job_type.id, arguments, **(_options or {}))

    def serve(self, run: Run) -> bool:
        return self.server.serve(Ring(run_id=run.id, number=1, queue="default"))

    def run(self, target: Any, _options: dict[str, Any] | None = None, **arguments: Any) -> Run:
        run = self.start(target, _options, **arguments)
        assert self.serve(run)
        return self.deck.runs.get(run.id)

    def lines(self, run: Run) -> list[str]:
        return [entry.message for entry in self.deck.runs.logs(run.id, limit=2000).entries]

    def close(self) -> None:
        self.server.end()
        self.deck.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {}
    if request.param == "postgresql":
        settings["database_url"] = request.getfixturevalue("create_database")()
    made = Site(tmp_path_factory.mktemp("home"), **settings)
    yield made
    made.close()


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Makes sites on SQLite for one test."""
    made: list[Site] = []

    def make(**settings: Any) -> Site:
        made.append(Site(tmp_path / str(len(made)), **settings))
        return made[-1]

    yield make
    DEAF.set()
    for one in made:
        one.close()


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    """Threads that serve beside the test."""
    with ThreadPoolExecutor(8) as pool:
        yield pool
        DEAF.set()


def test_what_a_run_says_and_comes_to_is_kept(site: Site) -> None:
    run = site.run(double, number=21)
    assert (run.status, run.result, run.attempt) == ("SUCCESS", 42, 1)
    assert run.progress is not None and (run.progress.done, run.progress.total) == (21, 100)
    assert site.lines(run) == ["doubling 21", "printed 21"]
    assert [(file.name, file.size) for file in run.files] == [("number.txt", 2)]
    (attempt,) = site.deck.runs.attempts(run.id)
    assert (attempt.pid, attempt.engine) == (os.getpid(), "celery")


def test_the_process_is_a_worker_of_its_engine(site: Site) -> None:
    site.run(double, number=1)
    (worker,) = site.deck.workers.list()
    assert (worker.engine, worker.pid, worker.processes) == ("celery", os.getpid(), 4)
    assert worker.queues == ("default",) and "double" in worker.types


def test_failures_are_those_of_any_run(site: Site) -> None:
    run = site.run(fail)
    assert (run.status, run.reason, run.message) == ("FAILED", "error", "ValueError: no luck")
    assert run.traceback is not None and "in fail" in run.traceback and "jobdeck" not in run.traceback
    run = site.run(half)
    assert (run.status, run.counters.errored_entries) == ("PARTIAL_SUCCESS", 3)


def test_a_run_is_tried_again_by_the_next_delivery(site: Site) -> None:
    run = site.start(persist)
    for attempt in (1, 2):
        assert site.serve(run)
        found = site.deck.runs.get(run.id)
        assert (found.status, found.attempt) == ("QUEUED", attempt)
    assert site.serve(run)
    found = site.deck.runs.get(run.id)
    assert (found.status, found.result) == ("SUCCESS", 3)


def test_a_delivery_too_many_starts_nothing_and_is_counted(site: Site) -> None:
    run = site.run(double, number=1)
    assert not site.serve(run)
    assert not site.serve(run)
    assert site.deck.runs.get(run.id).fenced == 2


def test_sub_runs_wait_for_their_own_delivery(site: Site) -> None:
    run = site.run(parent)
    assert run.status == "RUNNING"
    assert site.serve(run)
    assert site.deck.runs.get(run.id).status == "SUCCESS"


def test_drain_serves_all_that_is_in_line(site: Site) -> None:
    runs = [site.start(double, number=number) for number in range(3)]
    assert site.server.drain("default") == 3
    assert {site.deck.runs.get(run.id).status for run in runs} == {"SUCCESS"}
    assert site.server.drain("default") == 0


def test_a_timeout_ends_a_run_that_looks(site: Site) -> None:
    run = site.run(walk, {"timeout": 0.3})
    assert (run.status, run.reason) == ("FAILED", "timeout")
    assert run.message == "The run took longer than its timeout of 0.3 seconds."
    assert "asked to end: ['timeout']" in site.lines(run)


def test_a_stop_ends_a_run_that_looks(site: Site, aside: ThreadPoolExecutor, until: Callable[..., Any]) -> None:
    run = site.start(walk)
    served = aside.submit(site.serve, run)
    until(lambda: site.deck.runs.get(run.id).started_at, 30)
    asked = time.monotonic()
    site.deck.runs.stop(run.id)
    assert served.result(30)
    assert time.monotonic() - asked < 15
    found = site.deck.runs.get(run.id)
    assert (found.status, found.reason) == ("CANCELLED", "stopped")
    assert "asked to end: ['stop']" in site.lines(run)


def test_what_is_said_is_shown_while_the_run_goes_on(
    site: Site, aside: ThreadPoolExecutor, until: Callable[..., Any]
) -> None:
    run = site.start(chat, name="a", lines=2000)
    served = aside.submit(site.serve, run)
    until(lambda: len(site.lines(run)) > 10, 30)
    assert not served.done()
    assert site.deck.runs.get(run.id).status == "RUNNING"
    assert served.result(60)


def test_threads_keep_their_runs_apart(site: Site, aside: ThreadPoolExecutor) -> None:
    runs = [site.start(chat, name=f"n{number}", lines=60) for number in range(4)]
    assert all(aside.map(site.serve, runs))
    for number, run in enumerate(runs):
        told = [line for step in range(60) for line in (f"n{number} logs {step}", f"n{number} prints {step}")]
        assert site.lines(run) == told
        assert site.deck.runs.get(run.id).result == f"n{number}"


def test_the_process_is_left_as_it_was(site: Site, caplog: pytest.LogCaptureFixture, capsys: Any) -> None:
    level, out = logging.getLogger().level, sys.stdout
    run = site.run(chat, name="b", lines=1)
    assert (logging.getLogger().level, sys.stdout) == (level, out)
    print("after it")
    logger.warning("after it")
    assert site.lines(run) == ["b logs 0", "b prints 0"]
    assert capsys.readouterr().out == "after it\n"
    assert "after it" in caplog.messages
    with pytest.raises(OutsideRun):
        _ = current_run.id


def test_a_run_that_was_taken_away_is_asked_to_end_and_decides_nothing(
    sites: Callable[..., Site], aside: ThreadPoolExecutor, until: Callable[..., Any]
) -> None:
    site = sites(lease="1")
    run = site.start(walk)
    served = aside.submit(site.serve, run)
    until(lambda: site.deck.runs.get(run.id).started_at, 30)
    with site.deck.database.write() as connection:
        connection.exec_driver_sql("UPDATE jobdeck_run SET fence = fence + 1, owner = 'another'")
    assert served.result(30)
    found = site.deck.runs.get(run.id)
    assert (found.status, found.owner) == ("RUNNING", "another")
    until(lambda: site.deck.workers.list()[0].stale_writes > 0, 30)


@pytest.mark.parametrize("site", ["postgresql"], indirect=True)
def test_cut_connections_cost_nothing(site: Site, aside: ThreadPoolExecutor, until: Callable[..., Any]) -> None:
    run = site.start(chat, name="c", lines=1000)
    served = aside.submit(site.serve, run)
    until(lambda: site.lines(run), 30)
    url = site.deck.settings.database_url.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert served.result(60)
    found = until(lambda: (found := site.deck.runs.get(run.id)).is_final and found, 30)
    assert (found.status, found.attempt, len(site.lines(run))) == ("SUCCESS", 1, 2000)
    assert site.run(double, number=1).status == "SUCCESS"


def test_the_end_asks_and_gives_back(
    sites: Callable[..., Site], aside: ThreadPoolExecutor, until: Callable[..., Any]
) -> None:
    site = sites(stop_grace="20")
    again, lost = site.start(walk_anew, seconds=60), site.start(walk)
    served = [aside.submit(site.serve, run) for run in (again, lost)]
    until(lambda: all(site.deck.runs.get(run.id).started_at for run in (again, lost)), 30)
    began = time.monotonic()
    site.server.end()
    assert time.monotonic() - began < 15
    assert [one.result(30) for one in served] == [True, True]
    found = site.deck.runs.get(again.id)
    assert (found.status, found.releases) == ("QUEUED", 1)
    found = site.deck.runs.get(lost.id)
    assert (found.status, found.reason) == ("FAILED", "lost")
    assert site.deck.workers.list() == []


def test_the_end_waits_no_longer_than_the_grace_period(
    sites: Callable[..., Site], aside: ThreadPoolExecutor, until: Callable[..., Any]
) -> None:
    site = sites(stop_grace="0.3")
    DEAF.clear()
    run, other = site.start(be_deaf), site.start(double, number=1)
    served = aside.submit(site.serve, run)
    until(lambda: site.deck.runs.get(run.id).started_at, 30)
    began = time.monotonic()
    site.server.end()
    assert time.monotonic() - began < 10
    # It is still at work, and says so.
    assert site.deck.runs.get(run.id).status == "RUNNING"
    assert len(site.deck.workers.list()) == 1
    DEAF.set()
    assert served.result(30)
    assert site.deck.runs.get(run.id).status == "SUCCESS"
    assert site.deck.runs.get(other.id).status == "QUEUED"


def test_ends_that_are_gathered_are_written_soon_and_in_the_end(
    sites: Callable[..., Site], until: Callable[..., Any]
) -> None:
    site = sites(stop_grace="0")
    deck = site.deck
    site.server = InProcess(deck.office, "celery", deck.context, deck.registry, gathers=True)
    for _ in range(2):
        runs = [site.start(double, number=number) for number in range(5)]
        assert all(site.serve(run) for run in runs)
        # Each was written with the claim after it, the last one by itself.
        assert {deck.runs.get(run.id).status for run in runs[:-1]} == {"SUCCESS"}
        until(lambda last=runs[-1]: deck.runs.get(last.id).status == "SUCCESS", 30)
    last = site.start(double, number=5)
    assert site.serve(last)
    site.server.end()
    assert deck.runs.get(last.id).status == "SUCCESS"


FORKING = """
import json, os, sys, traceback
from jobdeck import Deck
from jobdeck.core.ring import Ring
from jobdeck.processes.in_process import InProcess

deck = Deck(job_types=["jobdeck_test_fork"], home=sys.argv[1], engines="default=celery")
server = InProcess(deck.office, "celery", deck.context, deck.registry)

def serve():
    run = deck.runs.start("who", {})
    assert server.serve(Ring(run_id=run.id, number=1, queue="default"))
    found = deck.runs.get(run.id)
    return [found.status, found.result, deck.runs.attempts(run.id)[0].pid]

print(json.dumps(serve()), flush=True)
pid = os.fork()
if pid == 0:
    try:
        deck.after_fork()
        print(json.dumps(serve()), flush=True)
        server.end()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
print(json.dumps(serve()), flush=True)
print(json.dumps([worker.pid for worker in deck.workers.list()]), flush=True)
server.end()
deck.close()
"""


def test_a_forked_process_is_a_worker_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "jobdeck_test_fork.py").write_text(
        "import os\nfrom jobdeck import job_type\n\n@job_type\ndef who() -> int:\n"
        '    """Say which process this is."""\n    print("here")\n    return os.getpid()\n'
    )
    deck = Deck(home=tmp_path / "home")
    deck.upgrade_database()
    deck.close()
    told = subprocess.run(
        [sys.executable, "-c", FORKING, str(tmp_path / "home")],
        check=False, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    first, forked, last, workers = (json.loads(line) for line in told.stdout.splitlines())
    assert first[0] == forked[0] == last[0] == "SUCCESS"
    assert first[1] == first[2] == last[1] and forked[1] == forked[2] != first[1]
    assert workers == [first[1]]
