"""The first run, as somebody has it who types one command: start, sign in, run, watch, download, stop, start again."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from jobdeck.processes.identity import started_ticks

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "repository"
KERNEL = "{http://datacite.org/schema/kernel-4}"
Until = Callable[..., Any]


class Instance:
    """`jobdeck --app repository:create_app up` on a folder and a port of its own."""

    def __init__(self, home: Path, port: int, until: Until) -> None:
        self.home, self.port, self._until = home, port, until
        self.log = home.parent / "up.log"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, port: int) -> list[str]:
        return [sys.executable, "-m", "jobdeck", "--app", "repository:create_app", "up", "--port", str(port)]

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBDECK_")}
        return {**kept, "JOBDECK_HOME": str(self.home), "JOBDECK_STOP_GRACE": "1"}

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command(self.port), cwd=EXAMPLE, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        self._until(self.is_healthy, seconds=60, every=0.1)
        self._until(lambda: "is ready at" in self.log.read_text())

    def is_healthy(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:  # nobody listens yet
            return False

    def members(self) -> set[int]:
        """Process ids of the whole tree."""
        assert self.process is not None
        found, unseen = set[int](), {self.process.pid}
        while unseen:
            found |= unseen
            unseen = {child for pid in unseen for child in children(pid)} - found
        return found

    def end(self, number: int = signal.SIGTERM) -> int:
        """The exit code; nothing of the tree is left behind."""
        assert self.process is not None
        members = self.members()
        assert len(members) >= 4
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._until(lambda: all(started_ticks(pid) is None for pid in members))
        return code

    def start_beside(self, port: int, home: Path) -> str:
        """The one line with which a second start is refused."""
        refused = subprocess.run(
            self.command(port), cwd=EXAMPLE, env={**self.environment, "JOBDECK_HOME": str(home)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (1, "", 1), refused.stderr
        return refused.stderr

    def ask(self, path: str, body: object = None, method: str | None = None) -> Any:
        answer = self.open(path, body, method)
        return json.loads(answer.read() or b"null")

    def open(self, path: str, body: object = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        token = (self.home / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        address = path if path.startswith("http") else f"http://127.0.0.1:{self.port}{path}"
        return urllib.request.urlopen(urllib.request.Request(address, data, headers, method=method), timeout=30)

    def ended(self, run: dict[str, Any], seconds: float = 90) -> dict[str, Any]:
        def look() -> Any:
            found = self.ask(f"/api/runs/{run['id']}")
            return found if found["finished_at"] else None

        found: dict[str, Any] = self._until(look, seconds=seconds, every=0.1)
        return found


def children(pid: int) -> set[int]:
    found = set[int]()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.update(map(int, path.read_text().split()))
    return found


@pytest.fixture
def instance(tmp_path: Path, until: Until) -> Iterator[Instance]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        made = Instance(tmp_path / "home", free.getsockname()[1], until)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.terminate()
        made.process.wait(60)


def test_the_first_run(instance: Instance, until: Until) -> None:
    instance.start()
    assert stat.S_IMODE(instance.home.stat().st_mode) == 0o700
    assert stat.S_IMODE((instance.home / "token").stat().st_mode) == 0o600
    assert (instance.home / "token").read_text().strip() not in instance.log.read_text()
    assert {one["id"] for one in instance.ask("/api/tasks")["hits"]["hits"]} == {
        "export_records", "lift_embargoes", "ror_update", "slow_nothing", "verify_checksums",
    }  # fmt: skip
    jobs = {one["task"]: one for one in instance.ask("/api/jobs")["hits"]["hits"]}
    assert len(jobs) == 5

    first = instance.ended(instance.ask(f"/api/jobs/{jobs['ror_update']['id']}/runs", {}))
    assert (first["status"], first["result"]["created"]) == ("SUCCESS", 11_282)
    assert first["progress"] == {"done": 11_282, "total": 11_282, "message": None}
    later = instance.ended(instance.ask(f"/api/jobs/{jobs['ror_update']['id']}/runs", {"args": {"source": "v2.9"}}))
    assert later["result"] == {"created": 2_221, "updated": 210, "unchanged": 11_072, "skipped": 0, "failed": 0}
    messages = [entry["message"] for entry in instance.ask(f"/api/runs/{later['id']}/logs")["hits"]["hits"]]
    assert messages[0] == "v2.9 holds 13503 organisations"

    exported = instance.ended(instance.ask("/api/tasks/export_records/runs", {"args": {"serializer": "datacite-xml"}}))
    (file,) = exported["files"]
    content = instance.open(file["links"]["content"]).read()
    assert len(content) == file["size"]
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        files = [archive.extractfile(member) for member in archive]
        assert len(files) == exported["result"]["records"] == 200
        assert {ElementTree.parse(one).getroot().tag for one in files if one} == {f"{KERNEL}resource"}

    checked = instance.ended(instance.ask(f"/api/jobs/{jobs['verify_checksums']['id']}/runs", {}))
    assert (checked["status"], checked["errored_entries"]) == ("PARTIAL_SUCCESS", 2)

    for arguments, field in (
        ({"steps": "many"}, "args.steps"),
        ({"seconds": 3601}, "args.seconds"),
        ({"pace": 1}, "args.pace"),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            instance.ask("/api/tasks/slow_nothing/runs", {"args": arguments})
        with refused.value as answer:
            assert (answer.code, json.load(answer)["errors"][0]["field"]) == (400, field)
    assert instance.ask("/api/runs?type=slow_nothing")["hits"]["total"] == 0

    slow = instance.ask("/api/tasks/slow_nothing/runs", {"args": {"steps": 600, "seconds": 0.1}})
    until(lambda: (instance.ask(f"/api/runs/{slow['id']}")["progress"] or {}).get("done", 0) > 3)
    instance.ask(f"/api/runs/{slow['id']}/actions/stop", {"reason": "half-way"})
    stopped = instance.ended(slow, seconds=20)
    assert (stopped["status"], stopped["reason"], stopped["stop_reason"]) == ("CANCELLED", "stopped", "half-way")

    assert "Another jobdeck serves from" in instance.start_beside(0, instance.home)
    assert "Cannot listen on" in instance.start_beside(instance.port, instance.home.with_name("elsewhere"))

    cut = instance.ask("/api/tasks/slow_nothing/runs", {"args": {"steps": 600, "seconds": 0.1}})
    until(lambda: instance.ask(f"/api/runs/{cut['id']}")["progress"])
    token = (instance.home / "token").read_text()
    assert instance.end() == 0
    assert "Traceback" not in instance.log.read_text()

    instance.start()
    assert (instance.home / "token").read_text() == token
    lost = instance.ask(f"/api/runs/{cut['id']}")
    assert (lost["status"], lost["reason"]) == ("FAILED", "lost")
    assert lost["message"] == "The worker that ran this was ended before the run finished."
    assert instance.ask("/api/runs")["hits"]["total"] == 6
    assert len(instance.ask("/api/jobs")["hits"]["hits"]) == 5
    again = instance.ended(instance.ask(f"/api/jobs/{jobs['ror_update']['id']}/runs", {"args": {"source": "v2.9"}}))
    assert again["result"]["unchanged"] == 13_503
    assert instance.end(signal.SIGINT) == 0
