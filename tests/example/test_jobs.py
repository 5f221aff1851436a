"""The other job types, and what a first start makes."""

from __future__ import annotations

import json
import re
import tarfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from flask import Flask

from jobdeck import Deck, TaskExecutionPartialError
from jobdeck.errors import InvalidInput

KERNEL = "{http://datacite.org/schema/kernel-4}"
HOSTILE = ["<script>alert(1)</script>", "a & b < c", "\x00\x0b\x1b[31m", "']]>", "\ud800", "Ünïcödé \U0001f600"]


@pytest.fixture
def seeded(app: Flask) -> Flask:
    from repository.seed import add_records

    add_records()
    return app


def rows(sql: str, *values: Any) -> list[Any]:
    from repository.database import connect

    return connect().execute(sql, values).fetchall()


def test_the_seed_is_the_same_every_time_and_has_something_to_find(seeded: Flask) -> None:
    from repository.seed import add_records

    before = [tuple(row) for row in rows("SELECT id, title, creators, embargo_until FROM record ORDER BY id")]
    add_records()
    assert [tuple(row) for row in rows("SELECT id, title, creators, embargo_until FROM record ORDER BY id")] == before
    assert len(before) == 200
    assert {
        bool(row["ended"])
        for row in rows("SELECT embargo_until < date() AS ended FROM record WHERE access = 'embargoed'")
    } == {
        True,
        False,
    }


def test_a_first_start_makes_records_and_one_job_of_each_type(app: Flask) -> None:
    deck: Deck = app.extensions["jobdeck"]
    assert deck.upgrade_database()
    jobs = deck.jobs.list().items
    assert sorted(job.type for job in jobs) == sorted(job_type.id for job_type in deck.registry)
    assert len(jobs) == 5
    assert all(job.description for job in jobs)
    assert len(rows("SELECT id FROM record")) == 200
    assert not deck.upgrade_database()
    assert deck.jobs.list().total == 5


def test_the_public_page(seeded: Flask) -> None:
    text = seeded.test_client().get("/records").text
    assert "200 records" in text
    assert "/administration/jobs" in text
    root = seeded.test_client().get("/")
    assert (root.status_code, root.headers["Location"]) == (302, "/administration/jobs")


def test_ended_embargoes_are_lifted_and_others_stay(seeded: Flask) -> None:
    from repository.jobs import lift_embargoes

    ended = len(rows("SELECT id FROM record WHERE access = 'embargoed' AND embargo_until < date()"))
    assert ended > 0
    result = lift_embargoes()
    assert result["lifted"] == ended
    assert result["still_embargoed"] == len(rows("SELECT id FROM record WHERE access = 'embargoed'")) > 0
    assert lift_embargoes()["lifted"] == 0


def test_damaged_and_missing_files_are_found(seeded: Flask, caplog: pytest.LogCaptureFixture) -> None:
    from repository.database import file_path
    from repository.jobs.checksums import verify_checksums

    file_path("rec-0001", "measurements.csv").unlink()
    file_path("rec-0002", "measurements.csv").unlink()
    file_path("rec-0002", "measurements.csv").mkdir()
    with pytest.raises(TaskExecutionPartialError) as caught:
        verify_checksums()
    assert caught.value.result == {"files": 200, "bad": 4}
    for text in ("rec-0001 is missing", "rec-0002 cannot be read", "rec-0097 has changed", "rec-0194 has changed"):
        assert text in caplog.text


@pytest.mark.parametrize("serializer", ["datacite-xml", "datacite-json", "json"])
@pytest.mark.parametrize("title", HOSTILE)
def test_any_title_can_be_serialised(app: Flask, serializer: str, title: str) -> None:
    from repository.jobs.serializers import SERIALIZERS

    creators = json.dumps([{"name": title, "affiliation": title}])
    record = {
        "id": "rec-1",
        "title": title,
        "creators": creators,
        "year": 2026,
        "kind": "dataset",
        "description": title,
    }
    content = SERIALIZERS[serializer][1]({**record, "access": "open", "embargo_until": None, "updated": "2026-01-01"})
    if serializer == "datacite-xml":
        root = ElementTree.fromstring(content)
        assert root.tag == f"{KERNEL}resource"
        found = root.findtext(f".//{KERNEL}title")
        assert re.sub("\ufffd", "", found or "") == re.sub("[\x00-\x1f\ud800-\udfff]", "", title)
    else:
        assert json.loads(content)


def test_slow_nothing_has_bounds_and_does_nothing(app: Flask) -> None:
    from repository.jobs import slow_nothing

    began = time.monotonic()
    assert slow_nothing(2, 0.05) == {"steps": 2}
    assert time.monotonic() - began >= 0.1
    deck: Deck = app.extensions["jobdeck"]
    deck.upgrade_database()
    for arguments, field in (
        ({"steps": 0}, "args.steps"),
        ({"steps": 100_001}, "args.steps"),
        ({"seconds": -1}, "args.seconds"),
        ({"seconds": 3601}, "args.seconds"),
        ({"pace": 1}, "args.pace"),
    ):
        with pytest.raises(InvalidInput) as caught:
            deck.runs.start("slow_nothing", arguments)
        assert [error.field for error in caught.value.errors] == [field]
    assert deck.runs.list().total == 0


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an export writes to, outside a run; the real way is walked by the test of the first run."""
    from repository.jobs import exports

    class Run:
        def open_output(self, name: str, media_type: str | None = None) -> Any:
            return (tmp_path / name).open("wb")

    monkeypatch.setattr(exports, "current_run", Run())
    return tmp_path / "records.tgz"


@pytest.mark.parametrize("hours", [0, 9, -9])
def test_exports_hold_what_changed(seeded: Flask, exported: Path, hours: int) -> None:
    from repository.jobs.exports import export_records

    middle = rows("SELECT updated FROM record ORDER BY updated LIMIT 1 OFFSET 100")[0]["updated"]
    since = datetime.fromisoformat(middle)
    recent = {row["id"] for row in rows("SELECT id FROM record WHERE updated >= ?", since.isoformat())}
    assert 0 < len(recent) < 200
    elsewhere = since.astimezone(timezone(timedelta(hours=hours)))
    assert export_records(elsewhere.isoformat()) == {"records": len(recent), "serializer": "datacite-xml"}
    with tarfile.open(exported) as archive:
        assert set(archive.getnames()) == {f"records/{one}.xml" for one in recent}
    assert export_records(None, "json")["records"] == 200


def test_every_file_of_an_export_is_well_formed(seeded: Flask, exported: Path) -> None:
    from repository.database import connect
    from repository.jobs.exports import export_records

    hostile = [title for title in HOSTILE if title != "\ud800"]  # SQLite stores no half characters
    with connect() as database:
        for number, title in enumerate(hostile, 1):
            database.execute("UPDATE record SET title = ? WHERE id = ?", (title, f"rec-{number:04d}"))
    export_records()
    titles = {}
    with tarfile.open(exported) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            titles[member.name] = ElementTree.parse(content).findtext(f".//{KERNEL}title")
    assert len(titles) == 200
    for number, title in enumerate(hostile, 1):
        assert titles[f"records/rec-{number:04d}.xml"] == re.sub("[\x00-\x1f]", "\ufffd", title)
