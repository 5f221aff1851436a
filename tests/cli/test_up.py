"""`jobdeck up`: one process tree, from its first start to its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobdeck.processes.identity import started_ticks

Spawn = Callable[..., Any]


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Tree:
    """A started `jobdeck up`."""

    def __init__(self, spawn: Spawn, *words: str) -> None:
        self.process = spawn("up", *words)
        self.announced = self.process.stdout.readline()
        self.address = next((word for word in self.announced.split() if word.startswith("http://")), "")

    def ask(self, path: str, token: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(self.address + path, data, headers), timeout=20) as answer:
            return json.load(answer)

    def members(self) -> set[int]:
        """Process ids of the whole tree."""
        parents = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
        found = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return int(self.process.wait(90))


def are_gone(pids: set[int]) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if all(started_ticks(pid) is None for pid in pids):
            return True
        time.sleep(0.02)
    return False


def test_from_the_first_start_to_the_second(spawn: Spawn, home: Path, port: int, cli: Any) -> None:
    tree = Tree(spawn, "--port", str(port), "--processes", "1")
    assert tree.address == f"http://127.0.0.1:{port}/", tree.process.stderr.read()
    token = (home / "token").read_text().strip()
    assert str(home / "token") in tree.announced
    assert token not in tree.announced
    assert stat.S_IMODE((home / "token").stat().st_mode) == 0o600
    run = tree.ask("api/tasks/greet/runs", token, {"args": {"name": "Ada"}})
    assert cli("runs", "log", run["id"], "--follow").code == 0
    assert cli("runs", "show", run["id"], "--json").json["status"] == "SUCCESS"

    taken = cli("up", "--port", str(port))
    assert (taken.code, taken.complaint.startswith("Cannot listen on ")) == (1, True)
    held = spawn("up", "--port", "0")
    out, err = held.communicate(timeout=90)
    assert (held.returncode, out, err.count("\n")) == (1, "", 1)
    assert f"(process {tree.process.pid})" in err

    members = tree.members()
    assert len(members) >= 5
    assert tree.end(signal.SIGTERM) == 0
    assert are_gone(members)
    assert "Traceback" not in tree.process.stderr.read()

    again = Tree(spawn, "--port", str(port))
    assert (home / "token").read_text().strip() == token
    assert again.ask(f"api/runs/{run['id']}", token)["result"] == "Ada"
    assert again.end(signal.SIGINT) == 0


def test_a_token_that_no_longer_opens_is_replaced(ready: Any, spawn: Spawn, home: Path) -> None:
    (home / "token").write_text("jdk_000000000000_no\n")
    tree = Tree(spawn, "--port", "0")
    token = (home / "token").read_text().strip()
    assert token != "jdk_000000000000_no"
    assert tree.ask("api/workers", token)["hits"]["total"] >= 0
    assert tree.end(signal.SIGTERM) == 0


def test_killing_it_takes_everything_along(spawn: Spawn) -> None:
    tree = Tree(spawn, "--port", "0")
    members = tree.members()
    tree.process.kill()
    assert tree.process.wait(20) == -signal.SIGKILL
    assert are_gone(members - {tree.process.pid})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_can_be_ended_while_it_starts(spawn: Spawn, home: Path, number: int) -> None:
    process = spawn("up", "--port", "0")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 30
    while not children.read_text() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(number)
    out, err = process.communicate(timeout=90)
    assert (process.returncode, out, err) == (0, "", "")


def test_what_is_wrong_at_the_start_is_said_once(spawn: Spawn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBDECK_JOB_TYPES", "no_such_module_of_jobs")
    process = spawn("up", "--port", "0")
    out, err = process.communicate(timeout=90)
    assert (process.returncode, out, err.count("\n")) == (1, "", 1)
    assert "no_such_module_of_jobs" in err


def test_queues_on_engines_get_a_dispatcher_and_no_worker_of_the_database(
    spawn: Spawn, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An engine that is a file.
    folder = Path(__file__).parents[1] / "processes" / "work"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])))
    monkeypatch.setenv("JOBDECK_ENGINES", "post")
    tree = Tree(spawn, "--port", "0")
    assert tree.address, tree.process.stderr.read()
    commands = {Path(f"/proc/{pid}/cmdline").read_text().split("\0")[3] for pid in tree.members() - {tree.process.pid}}
    assert commands == {"web", "scheduler", "dispatcher"}
    assert tree.end(signal.SIGTERM) == 0
    assert "Traceback" not in tree.process.stderr.read()


@pytest.mark.parametrize(
    ("engines", "says"),
    [("nowhere", "there is no engine 'nowhere'"), ("default=rq,other=rq", "there is no queue 'other'")],
)
def test_an_engine_that_cannot_be_had_is_told_before_anything_starts(
    spawn: Spawn, home: Path, monkeypatch: pytest.MonkeyPatch, engines: str, says: str
) -> None:
    monkeypatch.setenv("JOBDECK_ENGINES", engines)
    process = spawn("up", "--port", "0")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count("\n")) == (1, "", 1)
    assert says in err
