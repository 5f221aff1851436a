"""The first run, as somebody has it who types one command: start, sign in, run, watch, download, stop, start again."""

from __future__ import annotations

import io
import json
import signal
import stat
import tarfile
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ..conftest import until
from .instance import Instance

KERNEL = "{http://datacite.org/schema/kernel-4}"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    made = Instance(tmp_path / "home")
    yield made
    made.close()


def test_the_first_run(instance: Instance) -> None:
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
