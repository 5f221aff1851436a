"""Which workers of a host's name may be called dead, or killed, and which may not."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobdeck import Deck
from jobdeck.core.worker import WorkerInfo
from jobdeck.processes import identity
from jobdeck.processes.care import Care
from jobdeck.processes.introduction import introduce
from jobdeck.processes.rescuer import Rescuer
from jobdeck.services.workers import Presence

from ..servers import REQUIRED

Place = Any
ALLOWED = () if os.getuid() == 0 else ("--user", "--map-root-user")
APART = ("unshare", *ALLOWED, "--pid", "--fork", "--kill-child", "--mount-proc")
"""Runs a command in a PID namespace of its own, as a container does, under the same host name."""
LOCK_AND_STOP = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
sys.stdin.readline()
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture(scope="module")
def apart() -> tuple[str, ...]:
    if subprocess.run([*APART, "true"], check=False, capture_output=True).returncode:
        give_up = pytest.fail if REQUIRED else pytest.skip
        give_up("no PID namespaces may be made here")
    return APART


@pytest.fixture
def deck(database_url: str, tmp_path: Path) -> Iterator[Deck]:
    made = Deck(job_types=["work_site"], home=tmp_path, database_url=database_url, lease="1")
    yield made
    made.close()


@pytest.fixture
def gone() -> int:
    """The id of a process that is no more."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def registered(deck: Deck, **differing: Any) -> WorkerInfo:
    worker = dataclasses.replace(introduce(["default"], [], 1), **differing)
    Presence(deck.database, worker).begin(deck.office.clock.now_us())
    return worker


def buried_of(deck: Deck, *there: WorkerInfo) -> list[bool]:
    Rescuer(deck.database, introduce(["default"], [], 1), 30.0).bury_dead()
    alive = {worker.id for worker in deck.workers.list()}
    return [worker.id not in alive for worker in there]


def test_the_kernel_is_asked_only_where_process_ids_mean_the_same(deck: Deck, gone: int) -> None:
    ours = identity.boot_id()
    in_a_container = f"{ours.replace('-', '')[:27]}-f0000001"
    here_and_alive, here_and_gone = registered(deck), registered(deck, pid=gone)
    recycled = registered(deck, pid_started=1)
    other_namespace = registered(deck, pid=gone, boot_id=in_a_container)
    other_boot = registered(deck, boot_id=str(uuid.uuid4()))
    told = buried_of(deck, here_and_alive, here_and_gone, recycled, other_namespace, other_boot)
    # A file of SQLite is on one host, so that another boot is over; a server has clients on many of one name.
    assert told == [False, True, True, False, deck.database.is_sqlite]


def test_workers_of_older_versions_are_left_to_the_lease_by_those_in_containers(
    deck: Deck, gone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_container = f"{identity.boot_id().replace('-', '')[:27]}-f0000001"
    before = registered(deck, pid=gone, boot_id=Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    monkeypatch.setattr(identity, "boot_id", lambda: in_a_container)
    assert buried_of(deck, before) == [False]


def test_every_pid_namespace_has_its_own_boot(apart: tuple[str, ...]) -> None:
    ask = [sys.executable, "-c", "from jobdeck.processes import identity; print(identity.boot_id())"]
    here, there = (
        subprocess.run([*how, *ask], check=True, capture_output=True, text=True).stdout.strip() for how in ((), apart)
    )
    assert here == identity.boot_id() != there
    assert identity.is_same_boot(here, there) and len(here) == len(there) == 36


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_worker_in_a_container_of_the_same_host_name_is_not_buried(
    database_url: str, places: Callable[..., Place], apart: tuple[str, ...]
) -> None:
    place = places(database_url=database_url, processes=1)
    command = [*apart, sys.executable, "-m", "jobdeck", "worker"]
    with open(place.home / "worker-apart.log", "w") as log:
        container = subprocess.Popen(command, env=place.environment, stderr=log)
    try:
        held = place.begun(place.start("sleep", seconds=600))
        place.worker()
        assert {worker.host for worker in place.deck.workers.list()} == {socket.gethostname()}
        # It looks after others before it claims.
        assert place.run("add", a=2).status == "SUCCESS"
        assert place.deck.runs.get(held.id).status == "RUNNING"
        assert len(place.deck.workers.list()) == 2
    finally:
        container.kill()
        container.wait()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_neighbour_that_is_stopped_amid_a_write_is_killed_after_a_lease(
    deck: Deck, until: Callable[..., Any]
) -> None:
    path = str(deck.database.path)
    command = [sys.executable, "-c", LOCK_AND_STOP, path]
    us, other = (sqlite3.connect(path, timeout=0.01, isolation_level=None) for _ in range(2))
    with (
        subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as frozen,
        subprocess.Popen(["cat"], stdin=-1) as idle,
    ):
        try:
            for process in (frozen, idle):
                registered(deck, pid=process.pid, pid_started=identity.started_ticks(process.pid))
            assert frozen.stdin and frozen.stdout
            print("now", file=frozen.stdin, flush=True)
            assert frozen.stdout.readline() == "locked\n"
            until(lambda: state_of(frozen.pid) == "T")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                us.execute("BEGIN IMMEDIATE")
            care = Care(deck.settings, deck.database, introduce(["default"], [], 1), {})
            began = time.monotonic()

            def is_gone() -> bool:
                # As a worker does whenever the database does not serve.
                care.start_over()
                return frozen.poll() is not None

            until(is_gone, every=0.1)
            assert time.monotonic() - began >= deck.settings.lease_s
            assert frozen.returncode == -signal.SIGKILL
            other.execute("BEGIN IMMEDIATE")
            assert idle.poll() is None
        finally:
            for process in (frozen, idle):
                process.kill()
    us.close()
    other.close()


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
