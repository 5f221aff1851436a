"""Every offset change of every zone from 2024 to 2030, found by looking at the clock every six hours."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import NamedTuple
from zoneinfo import ZoneInfo

from jobdeck.core import zones

FIRST, LAST = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2024, 2031))
_STEP = 6 * 3600


class Change(NamedTuple):
    zone: ZoneInfo
    at: int
    before: int
    after: int


def ahead(zone: ZoneInfo, at: int) -> int:
    """Seconds by which the wall's clock is ahead of UTC."""
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def of_zone(zone: ZoneInfo) -> list[Change]:
    found, before = [], ahead(zone, FIRST)
    for start in range(FIRST, LAST, _STEP):
        after = ahead(zone, start + _STEP)
        if after != before:
            low, high = start, start + _STEP
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if ahead(zone, middle) == before else (low, middle)
            found.append(Change(zone, high, before, after))
            before = after
    return found


@lru_cache(maxsize=1)
def every() -> tuple[Change, ...]:
    """Those of all names; a file that several names share is looked through once."""
    known: dict[bytes, list[Change]] = {}
    found: list[Change] = []
    for name in zones.names():
        data = resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
        zone = zones.zone(name)
        if data not in known:
            known[data] = of_zone(zone)
        found.extend(change._replace(zone=zone) for change in known[data])
    return tuple(found)


@lru_cache(maxsize=1)
def kinds() -> tuple[Change, ...]:
    """One zone for each instant at which clocks change by the same offsets."""
    return tuple({(change.at, change.before, change.after): change for change in every()}.values())
