"""Our worker beside an engine's process: what tokens are good for, who starts it, and what happens when it or that process dies."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jobdeck import Deck, RetryPolicy, Run
from jobdeck.core.ring import Ring
from jobdeck.core.worker import WorkerInfo
from jobdeck.engines.beside import Beside
from jobdeck.errors import EngineError

WORK = Path(__file__).resolve().parents[1] / "processes" / "work"
Until = Callable[..., Any]


class Site:
    """A deck whose queues are on Celery, in the environment too; the process that has a worker beside it is the test's own."""

    def __init__(self, home: Path, **settings: Any) -> None:
        told = {"home": home, "engines": "celery", "queues": "default,other", "job_types": "work_site", **settings}
        self.home = home
        self.environment = pytest.MonkeyPatch()
        for name, value in told.items():
            self.environment.setenv(f"JOBDECK_{name.upper()}", str(value))
        self.deck = Deck()
        self.deck.upgrade_database()
        self._threads = ThreadPoolExecutor(8)
        self._made: list[Beside] = []

    def beside(self, slots: int = 2, watched: int | None = None) -> Beside:
        self._made.append(Beside("celery", slots=slots, watched=watched or os.getpid()))
        return self._made[-1]

    def start(self, type_id: str, _options: dict[str, Any] | None = None, **arguments: Any) -> Run:
        return self.deck.runs.start(type_id, arguments, **(_options or {}))

    def get(self, run: Run) -> Run:
        return self.deck.runs.get(run.id)

    def serving(self, beside: Beside, run: Run) -> Future[bool]:
        """The run's delivery, in a thread."""
        return self._threads.submit(beside.serve, ring_of(run))

    @property
    def workers(self) -> list[WorkerInfo]:
        return list(self.deck.workers.list())

    def close(self) -> None:
        for beside in self._made:
            beside.end()
        self._threads.shutdown()
        self.environment.undo()
        self.deck.close()


def ring_of(run: Run) -> Ring:
    return Ring(run_id=run.id, number=1, queue=run.queue)


@pytest.fixture(scope="module", autouse=True)
def seen() -> Iterator[None]:
    """Workers find the job types of the tests by name."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("JOBDECK_")]:
            patch.delenv(name)
        patch.setenv("PYTHONPATH", str(WORK))
        patch.syspath_prepend(str(WORK))
        yield


class Shared(Site):
    """A site with a worker that stays for the module's tests."""

    def __init__(self, home: Path, **settings: Any) -> None:
        super().__init__(home, **settings)
        self.worker = self.beside(slots=2)
        self.worker.start()
        self.environment.undo()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    settings = {}
    if request.param == "postgresql":
        settings["database_url"] = request.getfixturevalue("create_database")()
    made = Shared(tmp_path_factory.mktemp("home"), stop_grace="1", **settings)
    yield made
    made.close()


@pytest.fixture
def sites() -> Iterator[Callable[..., Site]]:
    """Makes sites on SQLite for one test; the last one is that of the environment."""
    made: list[Site] = []
    # Short enough for a socket, wherever the tests keep their files.
    folder = Path(tempfile.mkdtemp(prefix="jobdeck-beside-"))

    def make(home: Path = folder / "home", **settings: Any) -> Site:
        made.append(Site(home, **{"stop_grace": "1", **settings}))
        return made[-1]

    yield make
    for site in made:
        site.close()
    shutil.rmtree(folder)


def socket_of(site: Site) -> Path:
    (path,) = [path for path in (site.home / "beside").iterdir() if path.is_socket()]
    return path


def test_a_delivery_has_a_run_executed_and_waits_for_its_end(shared: Shared) -> None:
    run = shared.start("add", a=1, b=2)
    assert shared.worker.serve(ring_of(run))
    found = shared.get(run)
    assert (found.status, found.result) == ("SUCCESS", 3)
    (worker,) = shared.workers
    (attempt,) = shared.deck.runs.attempts(run.id)
    assert (worker.engine, worker.processes, attempt.engine) == ("celery", 2, "celery")
    assert attempt.pid not in (os.getpid(), worker.pid)


def test_nothing_is_executed_without_a_delivery(shared: Shared, until: Until) -> None:
    first, second = shared.start("add", a=1), shared.start("add", a=2)
    shared.worker.serve(ring_of(first))
    served = [run for run in (first, second) if shared.get(run).is_final]
    assert served == [first]
    shared.worker.serve(ring_of(second))
    assert shared.get(second).is_final


def test_a_delivery_is_leave_for_one_run_of_its_queue_in_our_order(shared: Shared) -> None:
    late = shared.start("add", a=1)
    elsewhere = shared.start("elsewhere")
    early = shared.start("add", {"priority": 60}, a=2)
    assert shared.worker.serve(ring_of(late))
    assert [shared.get(run).status for run in (early, late, elsewhere)] == ["SUCCESS", "QUEUED", "QUEUED"]
    assert shared.worker.serve(ring_of(elsewhere))
    assert [shared.get(run).status for run in (late, elsewhere)] == ["QUEUED", "SUCCESS"]
    assert shared.worker.serve(ring_of(early))
    assert shared.get(late).status == "SUCCESS"


def test_a_delivery_too_many_starts_nothing_and_is_counted(shared: Shared) -> None:
    run = shared.start("add", a=1)
    assert shared.worker.serve(ring_of(run))
    assert not shared.worker.serve(ring_of(run))
    assert shared.get(run).fenced == 1


def test_what_waits_for_a_free_child_can_be_taken_back(shared: Shared, until: Until) -> None:
    busy = [shared.start("sleep", seconds=3) for _ in range(2)]
    served = [shared.serving(shared.worker, run) for run in busy]
    until(lambda: all(shared.get(run).status == "RUNNING" for run in busy), 30)
    run = shared.start("add", a=1)
    with connected(shared) as connection:
        connection.sendall(json.dumps(ring_of(run).as_data()).encode() + b"\n")
        for one in busy:
            shared.deck.runs.stop(one.id)
        connection.close()
    assert [one.result(30) for one in served] == [True, True]
    assert shared.get(run).status == "QUEUED"
    assert shared.worker.serve(ring_of(run))


@pytest.mark.parametrize("sent", [b"nonsense\n", b"[]\n", b'{"v": 2}\n', b"[" * 5000, b"\xff\n", b"\n" * 100], ids=repr)
def test_nonsense_hurts_nobody(shared: Shared, sent: bytes) -> None:
    with connected(shared) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(sent)
        assert connection.recv(1) == b""
    run = shared.start("add", a=1)
    assert shared.worker.serve(ring_of(run))


def test_who_says_nothing_and_who_hears_nothing_hurts_nobody(shared: Shared, until: Until) -> None:
    run, other = shared.start("add", a=1), shared.start("add", a=2)
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connected(shared)) for _ in range(50)]
        idle[0].sendall(b'{"v": 1, "run"')
        deaf = stack.enter_context(connected(shared))
        deaf.sendall(json.dumps(ring_of(run).as_data()).encode() + b"\n")
        until(lambda: shared.get(run).is_final, 30)
        assert shared.worker.serve(ring_of(other))


def test_many_deliveries_at_once(shared: Shared) -> None:
    runs = [shared.start("add", a=number) for number in range(40)]
    served = [shared.serving(shared.worker, run) for run in runs]
    assert all(one.result(60) for one in served)
    assert {shared.get(run).status for run in runs} == {"SUCCESS"}


def test_killed_it_is_started_again_and_takes_back_what_it_held(
    sites: Callable[..., Site], tmp_path: Path, until: Until
) -> None:
    site = sites()
    beside = site.beside()
    run = site.start("try_hard", path=str(tmp_path / "attempts"), how="die", until=1)
    slow = site.start("begin_anew", {"retry": RetryPolicy(2, backoff=0)}, path=str(tmp_path / "starts"), seconds=60)
    assert beside.serve(ring_of(run))
    served = site.serving(beside, slow)
    until(lambda: site.get(slow).started_at, 30)
    (worker,) = site.workers
    os.kill(worker.pid, signal.SIGKILL)
    assert served.result(30)
    until(lambda: site.get(slow).status == "QUEUED", 60)
    assert beside.serve(ring_of(slow))
    found = site.get(slow)
    assert (found.status, found.attempt, found.rescues) == ("SUCCESS", 2, 1)


def test_sigterm_gives_back_and_dismisses(sites: Callable[..., Site], tmp_path: Path, until: Until) -> None:
    site = sites()
    beside = site.beside(slots=1)
    run = site.start("begin_anew", path=str(tmp_path / "starts"), seconds=60)
    served = site.serving(beside, run)
    until(lambda: site.get(run).started_at, 30)
    waiting = site.start("add", a=1)
    dismissed = site.serving(beside, waiting)
    beside.end()
    assert served.result(30)
    assert not dismissed.result(30)
    found = site.get(run)
    assert (found.status, found.releases, site.get(waiting).status) == ("QUEUED", 1, "QUEUED")
    assert [path.name for path in (site.home / "beside").iterdir()] == ["lock"]


def test_it_ends_with_the_process_that_it_stands_beside(sites: Callable[..., Site], until: Until) -> None:
    site = sites()
    with subprocess.Popen(["sleep", "300"]) as stranger:
        beside = site.beside(watched=stranger.pid)
        beside.start()
        until(lambda: site.workers, 30)
        stranger.kill()
    until(lambda: not site.workers, 30)
    assert until(lambda: [path.name for path in (site.home / "beside").iterdir()] == ["lock"])


STARTING = """
import os, sys
from jobdeck.engines.beside import Beside
sys.stdin.read()
Beside("celery", slots=1, watched=int(sys.argv[1])).start()
"""


def test_two_processes_that_start_it_at_once_start_one(sites: Callable[..., Site], until: Until) -> None:
    site = sites()
    command = [sys.executable, "-c", STARTING, str(os.getpid())]
    starting = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(3)]
    for one in starting:
        assert one.stdin is not None
        one.stdin.close()
    assert [one.wait(60) for one in starting] == [0, 0, 0]
    until(lambda: site.workers, 30)
    run = site.start("add", a=1)
    assert site.beside().serve(ring_of(run))
    assert len(site.workers) == 1


def test_without_an_application_a_delivery_is_refused_with_the_reason(sites: Callable[..., Site]) -> None:
    site = sites()
    run = site.start("add", a=1)
    site.environment.setenv("JOBDECK_JOB_TYPES", "no_such_module")
    beside = site.beside()
    with pytest.raises(EngineError, match=r"cannot begin.*no_such_module"):
        beside.serve(ring_of(run))
    with site.deck.database.read() as connection:
        assert connection.exec_driver_sql("SELECT ring_at FROM jobdeck_run").scalar_one() == 0
    site.environment.setenv("JOBDECK_JOB_TYPES", "work_site")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        # The worker that could not begin tells everybody for a while.
        with contextlib.suppress(EngineError):
            assert beside.serve(ring_of(run))
            break
    assert site.get(run).status == "SUCCESS"


def test_a_home_with_a_long_name_has_its_socket_elsewhere(sites: Callable[..., Site], tmp_path: Path) -> None:
    site = sites(tmp_path / ("long" * 30))
    with tempfile.TemporaryDirectory(prefix="jobdeck-test-", dir="/tmp") as short:
        site.environment.setattr(tempfile, "tempdir", short)
        run = site.start("add", a=1)
        beside = site.beside()
        assert beside.serve(ring_of(run))
        (folder,) = Path(short).iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        beside.end()


@contextlib.contextmanager
def connected(site: Site) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(30)
        connection.connect(str(socket_of(site)))
        yield connection
