"""RQ's own workers executing runs, with a real Redis: whatever ends or gets lost, each run has one attempt at a time."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from jobdeck import Deck, Run, Status
from jobdeck.core.ring import Ring

from ..conftest import until
from ..servers import Redis

SITE = Path(__file__).with_name("rq_site")
_databases = itertools.count()
SIMPLE = ("--worker-class", "rq.worker.SimpleWorker")
LOADED = ("-c", "jobdeck.engines.rq_loaded")


class Stand:
    """A deck whose default queue is on RQ, and the processes that serve it."""

    def __init__(self, home: Path, server: Redis, **settings: Any) -> None:
        home.mkdir()
        self.home = home
        # A database of Redis for each, as workers of one must not take the messages of another.
        self.redis_url = f"{server.url.removesuffix('/0')}/{next(_databases) % 16}"
        told: dict[str, Any] = {
            "engines": "default=rq",
            "redis_url": self.redis_url,
            "stop_grace": "1",
            "ring_patience": "1",
            "lease": "6",
        }
        told = {**told, **settings}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("JOBDECK_")},
            "PYTHONPATH": str(SITE),
            "JOBDECK_JOB_TYPES": "rq_site",
            **{f"JOBDECK_{name.upper()}": str(value) for name, value in told.items()},
            "JOBDECK_HOME": str(home),
        }
        self.deck = Deck(job_types=["rq_site"], home=home, **told)
        self.deck.upgrade_database()
        self._processes: list[subprocess.Popen[bytes]] = []

    def process(self, *command: str) -> subprocess.Popen[bytes]:
        with open(self.home / f"process-{len(self._processes)}.log", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=self.home, env=self.environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self._processes.append(process)
        return process

    def dispatcher(self) -> subprocess.Popen[bytes]:
        process = self.process("jobdeck", "dispatcher")
        self.until(lambda: any(one.pid == process.pid for one in self.deck.workers.dispatchers()))
        return process

    def worker(self, *options: str) -> subprocess.Popen[bytes]:
        """An RQ worker."""
        serializer = ("--serializer", "rq.serializers.JSONSerializer")
        return self.process("rq.cli", "worker", "--url", self.redis_url, *serializer, *options, "default")

    @contextlib.contextmanager
    def client(self) -> Iterator[redis.Redis]:
        """A connection to Redis."""
        with contextlib.closing(redis.Redis.from_url(self.redis_url)) as client:
            yield client

    def flush(self) -> None:
        """Lose all that Redis has."""
        with self.client() as client:
            client.flushdb()

    def start(self, type_id: str, **arguments: Any) -> Run:
        return self.deck.runs.start(type_id, arguments)

    def run(self, type_id: str, **arguments: Any) -> Run:
        return self.ended(self.start(type_id, **arguments))

    def ended(self, run: Run) -> Run:
        found: Run = self.until(lambda: (found := self.deck.runs.get(run.id)).is_final and found)
        return found

    def begun(self, run: Run) -> Run:
        found: Run = self.until(lambda: (found := self.deck.runs.get(run.id)).started_at and found)
        return found

    def horse(self, worker: subprocess.Popen[bytes]) -> int:
        """The process that an RQ worker has forked for a message."""
        children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
        # A worker beside is a group of its own too, but of another session.
        found: list[int] = self.until(
            lambda: [int(pid) for pid in children.read_text().split() if os.getsid(int(pid)) == worker.pid]
        )
        return found[0]

    def until(self, condition: Callable[[], Any], seconds: float = 150.0) -> Any:
        return until(condition, seconds, said=lambda: f"The processes said: {self.said()}")

    def said(self) -> str:
        """What all processes have written."""
        return "\n".join(path.read_text()[-4000:] for path in sorted(self.home.glob("process-*.log")))

    def end(self, process: subprocess.Popen[bytes]) -> int:
        process.terminate()
        return process.wait(150)

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        # What stands beside a worker ends by itself when that is gone.
        self.until(lambda: not self.left())
        self.deck.close()

    def left(self) -> list[int]:
        """Processes that work for this place."""
        home = f"JOBDECK_HOME={self.home}".encode()
        return [pid for pid in _processes() if home in _read(pid, "environ").split(b"\0")]


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _read(pid: int | str, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


@pytest.fixture(scope="module", autouse=True)
def site() -> Iterator[None]:
    """Job types by their module's name, as workers find them."""
    sys.path.insert(0, str(SITE))
    yield
    sys.path.remove(str(SITE))


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, redis_server: Redis) -> Iterator[Stand]:
    """One place on SQLite with a dispatcher and an RQ worker, for all tests that leave both alive."""
    stand = Stand(tmp_path_factory.mktemp("rq") / "home", redis_server)
    try:
        stand.dispatcher()
        stand.worker(*LOADED)
        yield stand
    finally:
        stand.close()


@pytest.fixture
def stands(tmp_path: Path, redis_server: Redis) -> Iterator[Callable[..., Stand]]:
    """Makes places without processes, for one test."""
    made: list[Stand] = []

    def make(server: Redis = redis_server, **settings: Any) -> Stand:
        made.append(Stand(tmp_path / f"home-{len(made)}", server, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_run_has_its_result_and_its_log(stand: Stand) -> None:
    run = stand.run("add", a=1, b=2)
    assert (run.status, run.result, run.attempt) == (Status.SUCCESS, 3, 1)
    said = [entry.message for entry in stand.deck.runs.logs(run.id).entries]
    assert "adding 1 and 2" in said and "printed by the task" in said


def test_a_stop_ends_code_that_does_not_look(stand: Stand) -> None:
    run = stand.begun(stand.start("busy"))
    stand.deck.runs.stop(run.id)
    assert stand.ended(run).status is Status.CANCELLED


def test_a_timeout_ends_code_that_does_not_look(stand: Stand) -> None:
    run = stand.run("too_long")
    assert (run.status, run.reason) == (Status.FAILED, "timeout")


def test_a_run_is_tried_again(stand: Stand) -> None:
    run = stand.run("flaky")
    assert (run.status, run.result) == (Status.SUCCESS, 2)


def test_what_is_urgent_is_executed_first(stand: Stand, tmp_path: Path) -> None:
    first = stand.begun(stand.start("until_told", path=str(tmp_path / "go")))
    path = str(tmp_path / "order")
    runs = [
        stand.deck.runs.start("note", {"number": number, "path": path}, priority=10 * number) for number in range(4)
    ]
    (tmp_path / "go").touch()
    for run in [first, *runs]:
        assert stand.ended(run).status is Status.SUCCESS
    assert Path(path).read_text().split() == ["3", "2", "1", "0"]


def test_fifty_deliveries_of_a_run_start_it_once(stand: Stand, tmp_path: Path) -> None:
    run = stand.begun(stand.start("until_told", path=str(tmp_path / "go")))
    stand.deck.engines["rq"].ring([Ring(run_id=run.id, number=1, queue="default")] * 50)
    (tmp_path / "go").touch()
    assert stand.ended(run).result == 1
    stand.until(lambda: stand.deck.runs.get(run.id).fenced == 50)
    assert stand.deck.runs.get(run.id).attempt == 1


def test_what_is_no_ring_is_dropped(stand: Stand) -> None:
    with stand.client() as client:
        queue = Queue("default", connection=client, serializer=JSONSerializer)
        strange: list[Any] = [None, 7, [], {}, {"v": 2}, {"v": 1, "run": 1, "ring": "x", "queue": None}]
        for data in strange:
            queue.enqueue("jobdeck.engines.rq.execute", data, result_ttl=0)
    assert stand.run("add", a=1).status is Status.SUCCESS
    assert stand.deck.engines["rq"].problems() == []


def test_messages_that_are_lost_are_sent_again(stand: Stand, tmp_path: Path) -> None:
    first = stand.begun(stand.start("until_told", path=str(tmp_path / "go")))
    run = stand.start("add", a=2)
    stand.until(lambda: stand.deck.engines["rq"].depth("default"))
    stand.flush()
    (tmp_path / "go").touch()
    assert [stand.ended(one).status for one in (first, run)] == [Status.SUCCESS] * 2


def test_a_killed_horse_leaves_its_run_alone(stands: Callable[..., Stand], tmp_path: Path) -> None:
    stand = stands()
    stand.dispatcher()
    worker = stand.worker()
    run = stand.begun(stand.start("until_told", path=str(tmp_path / "go")))
    os.kill(stand.horse(worker), signal.SIGKILL)
    stand.until(lambda: "terminated unexpectedly" in stand.said())
    (tmp_path / "go").touch()
    assert (stand.ended(run).status, stand.ended(run).attempt) == (Status.SUCCESS, 1)
    assert stand.run("add", a=1).status is Status.SUCCESS


def test_what_a_killed_worker_was_at_is_lost_and_the_rest_goes_to_the_next(
    stands: Callable[..., Stand], tmp_path: Path
) -> None:
    stand = stands()
    stand.dispatcher()
    worker = stand.worker(*LOADED)
    run = stand.begun(stand.start("busy"))
    waiting = stand.start("add", a=1)
    worker.kill()
    worker.wait()
    assert (stand.ended(run).status, stand.ended(run).reason, stand.ended(run).attempt) == (Status.FAILED, "lost", 1)
    stand.worker(*LOADED)
    assert (stand.ended(waiting).status, stand.ended(waiting).attempt) == (Status.SUCCESS, 1)


def test_a_warm_shutdown_waits_for_the_run(stands: Callable[..., Stand], tmp_path: Path) -> None:
    stand = stands()
    stand.dispatcher()
    worker = stand.worker(*LOADED)
    run = stand.begun(stand.start("until_told", path=str(tmp_path / "go")))
    waiting = stand.start("add", a=1)
    worker.terminate()
    stand.until(lambda: "warm shut down" in stand.said())
    (tmp_path / "go").touch()
    assert worker.wait(150) == 0
    assert (stand.ended(run).status, stand.ended(run).attempt) == (Status.SUCCESS, 1)
    assert stand.deck.runs.get(waiting.id).status is Status.QUEUED
    stand.worker("--burst", *LOADED)
    assert stand.ended(waiting).status is Status.SUCCESS


def test_a_worker_in_burst_mode_ends_when_nothing_is_left(stands: Callable[..., Stand]) -> None:
    stand = stands()
    runs = [stand.start("add", a=number) for number in range(3)]
    stand.dispatcher()
    stand.until(lambda: stand.deck.engines["rq"].depth("default") == 3)
    assert stand.worker("--burst", *LOADED).wait(150) == 0
    assert [stand.ended(run).result for run in runs] == [0, 1, 2]


def test_a_worker_that_does_not_fork_executes_beside_itself_too(stands: Callable[..., Stand]) -> None:
    stand = stands()
    stand.dispatcher()
    worker = stand.worker(*SIMPLE)
    run = stand.begun(stand.start("busy"))
    stand.deck.runs.stop(run.id)
    assert stand.ended(run).status is Status.CANCELLED
    assert stand.run("add", a=1, b=1).result == 2
    assert stand.end(worker) == 0


def test_runs_are_accepted_while_redis_is_down_and_rung_for_when_it_is_back(
    stands: Callable[..., Stand], tmp_path: Path
) -> None:
    with Redis() as server:
        stand = stands(server)
        stand.dispatcher()
        stand.worker(*LOADED)
        first = stand.begun(stand.start("until_told", path=str(tmp_path / "go")))
        server.kill()
        second = stand.start("add", a=2)
        stand.until(lambda: any(one.problems for one in stand.deck.workers.dispatchers()))
        (tmp_path / "go").touch()
        assert stand.ended(first).status is Status.SUCCESS
        server.start()
        stand.worker(*LOADED)
        assert (stand.ended(second).status, stand.ended(second).attempt) == (Status.SUCCESS, 1)
        stand.close()


def test_a_worker_that_expects_pickle_loses_no_run(stands: Callable[..., Stand]) -> None:
    stand = stands()
    stand.dispatcher()
    run = stand.start("add", a=1)
    pickling = stand.process("rq.cli", "worker", "--url", stand.redis_url, "default")
    stand.until(stand.deck.engines["rq"].problems)
    assert stand.deck.runs.get(run.id).status is Status.QUEUED
    assert stand.end(pickling) == 0
    stand.worker(*LOADED)
    assert (stand.ended(run).status, stand.ended(run).attempt) == (Status.SUCCESS, 1)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("isolation", ["process", "none"])
def test_on_postgresql(stands: Callable[..., Stand], database_url: str, isolation: str, tmp_path: Path) -> None:
    stand = stands(database_url=database_url, isolation=isolation)
    stand.dispatcher()
    stand.worker(*LOADED)
    assert stand.run("add", a=1, b=2).result == 3
    assert stand.run("flaky").result == 2
    run = stand.begun(stand.start("looping"))
    stand.deck.engines["rq"].ring([Ring(run_id=run.id, number=1, queue="default")] * 5)
    stand.deck.runs.stop(run.id)
    assert (stand.ended(run).status, stand.ended(run).attempt) == (Status.CANCELLED, 1)
    stand.until(lambda: stand.deck.runs.get(run.id).fenced == 5)
    stand.flush()
    assert stand.run("add", a=3).status is Status.SUCCESS


@pytest.fixture(scope="module", params=[(), pytest.param(SIMPLE, marks=pytest.mark.long)], ids=["fork", "simple"])
def within(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    redis_server: Redis,
) -> Iterator[Stand]:
    """A place where runs are executed in RQ's own processes."""
    stand = Stand(tmp_path_factory.mktemp("rq") / "home", redis_server, isolation="none")
    try:
        stand.dispatcher()
        stand.worker(*LOADED, *request.param)
        yield stand
    finally:
        stand.close()


def test_without_isolation_nothing_stands_beside(within: Stand) -> None:
    run = within.run("add", a=1, b=2)
    assert (run.status, run.result, run.attempt) == (Status.SUCCESS, 3, 1)
    assert "adding 1 and 2" in [entry.message for entry in within.deck.runs.logs(run.id).entries]
    assert [process for process in within.left() if b"--tokens" in _read(process, "cmdline")] == []
    assert within.run("flaky").result == 2


def test_without_isolation_a_stop_is_heeded_where_the_task_looks(within: Stand) -> None:
    run = within.begun(within.start("looping"))
    within.deck.engines["rq"].ring([Ring(run_id=run.id, number=1, queue="default")] * 50)
    within.deck.runs.stop(run.id)
    assert (within.ended(run).status, within.ended(run).attempt) == (Status.CANCELLED, 1)
    within.until(lambda: within.deck.runs.get(run.id).fenced == 50)


def test_without_isolation_a_service_that_ends_gives_back_what_can_be_restarted(
    stands: Callable[..., Stand], tmp_path: Path
) -> None:
    stand = stands(isolation="none")
    stand.dispatcher()
    worker = stand.worker(*LOADED)
    run = stand.begun(stand.start("patient", path=str(tmp_path / "go")))
    # As systemd does, which tells every process of a service.
    for pid in (worker.pid, stand.horse(worker)):
        os.kill(pid, signal.SIGTERM)
    assert worker.wait(150) == 0
    assert (stand.deck.runs.get(run.id).status, stand.deck.runs.get(run.id).releases) == (Status.QUEUED, 1)
    (tmp_path / "go").touch()
    stand.worker(*LOADED)
    assert stand.ended(run).status is Status.SUCCESS
