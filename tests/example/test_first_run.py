"""The first run, as somebody has it who types one command: start, sign in, run, watch, download, stop, start again."""

from __future__ import annotations

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

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "repository"
Until = Callable[..., Any]


class Instance:
    """`jobdeck --app repository:create_app up` on a folder and a port of its own."""

    def __init__(self, home: Path, port: int, until: Until) -> None:
        self.home, self.port, self._until = home, port, until
        self.log = home.parent / "up.log"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        return [sys.executable, "-m", "jobdeck", "--app", "repository:create_app", "up", "--port", str(self.port)]

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBDECK_")}
        return {**kept, "JOBDECK_HOME": str(self.home), "JOBDECK_STOP_GRACE": "2"}

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=EXAMPLE, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        self._until(lambda: "is ready at" in self.log.read_text(), seconds=90)

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

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
        assert len(archive.getnames()) == exported["result"]["records"] == 200

    checked = instance.ended(instance.ask(f"/api/jobs/{jobs['verify_checksums']['id']}/runs", {}))
    assert (checked["status"], checked["errored_entries"]) == ("PARTIAL_SUCCESS", 2)

    with pytest.raises(urllib.error.HTTPError) as refused:
        instance.ask("/api/tasks/slow_nothing/runs", {"args": {"steps": "many"}})
    assert json.loads(refused.value.read())["errors"][0]["field"] == "args.steps"
    refused.value.close()
    assert instance.ask("/api/runs?type=slow_nothing")["hits"]["total"] == 0

    slow = instance.ask("/api/tasks/slow_nothing/runs", {"args": {"steps": 600, "seconds": 0.1}})
    until(lambda: (instance.ask(f"/api/runs/{slow['id']}")["progress"] or {}).get("done", 0) > 3)
    instance.ask(f"/api/runs/{slow['id']}/actions/stop", {"reason": "half-way"})
    stopped = instance.ended(slow, seconds=20)
    assert (stopped["status"], stopped["reason"], stopped["stop_reason"]) == ("CANCELLED", "stopped", "half-way")

    beside = subprocess.run(
        instance.command(), cwd=EXAMPLE, env=instance.environment, capture_output=True, text=True, check=False
    )
    assert beside.returncode == 1
    assert len(beside.stderr.splitlines()) == 1

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
