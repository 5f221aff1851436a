"""Zones come from the pinned package, whatever the system has."""

from __future__ import annotations

import subprocess
import sys
import zoneinfo
from datetime import UTC, datetime
from pathlib import Path

import pytest
import tzdata

from jobdeck.core import zones
from jobdeck.core.clock_changes import changes
from jobdeck.core.wall_clock import instant_of

from . import zone_changes


def test_every_name_gives_its_zone() -> None:
    assert len(zones.names()) > 500
    assert list(zones.names()) == sorted(zones.names())
    for name in zones.names():
        assert zones.zone(name).key == name
    assert zones.zone("Europe/Berlin") is zones.zone("Europe/Berlin")
    assert zones.VERSION == tzdata.IANA_VERSION


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Europe/Berln", "'Europe/Berln' is no time zone; did you mean Europe/Berlin"),
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("Berlin", "did you mean Europe/Berlin?"),
        (" Europe/Berlin", "did you mean Europe/Berlin?"),
        ("New York", "did you mean America/New_York?"),
        ("utc", "did you mean UTC?"),
        ("", "'' is no time zone; write a name of the IANA database, such as Europe/Berlin or UTC"),
        ("xyzzy", "write a name of the IANA database"),
        ("../../../etc/passwd", "is no time zone"),
        ("Europe", "is no time zone"),
        ("Europe/Berlin\0", "is no time zone"),
        ("x" * 10_000, "xxx …' is no time zone"),
    ],
)
def test_an_unknown_name_is_answered_with_a_better_one(name: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the text is compared below)
        zones.zone(name)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 300


def test_the_systems_files_are_never_read(tmp_path: Path) -> None:
    """A system whose Berlin is Tokyo changes nothing, and zoneinfo itself is left as it was."""
    (tmp_path / "Europe").mkdir()
    tokyo = Path(tzdata.__file__).parent / "zoneinfo/Asia/Tokyo"
    (tmp_path / "Europe/Berlin").write_bytes(tokyo.read_bytes())
    program = (
        "import datetime, zoneinfo; from jobdeck.core import zones\n"
        "at = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)\n"
        "print([at.astimezone(z('Europe/Berlin')).hour for z in (zones.zone, zoneinfo.ZoneInfo)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONTZPATH": str(tmp_path)}, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[1, 9]"
    assert zoneinfo.TZPATH


def test_the_changes_of_every_zone_are_found() -> None:
    """Against a search with another step and another way to read the clock."""
    start, end = (one * 1_000_000 for one in (zone_changes.FIRST, zone_changes.LAST))
    found = [
        (name, change.at_us // 1_000_000, change.before_s, change.after_s)
        for name in zones.names()
        for change in changes(zones.zone(name), start, end)
    ]
    assert found == [(change.zone.key, change.at, change.before, change.after) for change in zone_changes.every()]


def test_the_first_instant_that_shows_a_wall_time() -> None:
    berlin = zones.zone("Europe/Berlin")

    def instant(text: str) -> str:
        wall = int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
        return datetime.fromtimestamp(instant_of(berlin, wall), berlin).isoformat(timespec="minutes")

    assert instant("2027-01-31T02:00") == "2027-01-31T02:00+01:00"
    assert instant("2027-03-28T01:59") == "2027-03-28T01:59+01:00"
    assert instant("2027-03-28T02:00") == "2027-03-28T03:00+02:00"
    assert instant("2027-03-28T02:59") == "2027-03-28T03:00+02:00"
    assert instant("2027-03-28T03:01") == "2027-03-28T03:01+02:00"
    assert instant("2027-10-31T02:30") == "2027-10-31T02:30+02:00"
    assert instant("2027-10-31T03:00") == "2027-10-31T03:00+01:00"
