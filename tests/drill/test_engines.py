"""Short drills on engines, with their own processes and brokers: nothing is lost or done twice, and nothing is left behind."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from jobdeck.drill import processes
from jobdeck.drill.carriers import CARRIERS
from jobdeck.drill.exercise import Drill
from jobdeck.drill.sheet import Sheet
from jobdeck.drill.site import OWN_POSTGRESQL, prepare

from ..servers import installed

SECONDS = 6
OF_ENGINES = {
    "kill_engine_worker", "freeze_engine_worker", "kill_dispatcher", "freeze_dispatcher", "kill_broker", "flush_broker", "cut_broker",
}  # fmt: skip


def drilled(engine: str, database_url: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Sheet:
    """The sheet of a drill that goes on for no longer than it was asked to."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with prepare(database_url, replace(CARRIERS[engine], workers=2)) as site:
        marks = [f"JOBDECK_HOME={site.home}"]
        marks += [f"JOBDECK_DRILL_SERVER={one.folder}" for one in (site.broker, site.server) if one is not None]
        sheet = Drill(site, 7, SECONDS, extension_s=0).run()
        assert all(processes.told(mark) for mark in marks[1:]), "servers go unnoticed here"
    assert [pid for mark in marks for pid in processes.told(mark)] == []
    assert list(folder.iterdir()) == []
    return sheet


@pytest.mark.parametrize(
    ("engine", "database_url"),
    [
        ("celery-redis", None),
        pytest.param("celery-rabbitmq", None, marks=pytest.mark.long),
        pytest.param("rq", OWN_POSTGRESQL, marks=pytest.mark.long),
    ],
)
def test_a_short_drill_of_an_engine_passes(
    engine: str, database_url: str | None, open_folder: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    sheet = installed(lambda: drilled(engine, database_url, open_folder, monkeypatch))
    told = sheet.as_data()
    broken = {name: count for name, count in sheet.counts.items() if count and name != "hits"}
    assert broken == {}, "\n".join(sheet.lines())
    assert (told["engine"], told["ring_patience_s"]) == (engine, 2.0)
    assert told["accepted"] == told["final"] > 10
    assert told["rings_sent"] > 10 and told["starts"] > 10
    assert told["stale_attempted"] == told["stale_rejected"]
    assert told["faults"].keys() >= OF_ENGINES | ({"restart_postgresql", "cut_dispatcher"} if database_url else set())
    assert sum(told["hits"].values()) > 0
