"""The time zones of the IANA database, from the `tzdata` package alone.

The system's own files are never read: two machines of one deck, or a deck before and after an upgrade of its Debian,
would otherwise disagree about the hour at which a job runs. Neighbours: `core/wall_clock.py` says how a zone's clock
goes, `core/recurrence.py` which instants it names.
"""

from __future__ import annotations

import difflib
from datetime import UTC, tzinfo
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

import tzdata

VERSION: str = tzdata.IANA_VERSION
"""The release of the IANA database, such as `2025b`."""


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Every name that `zone` takes, in alphabetical order."""
    text = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return tuple(sorted(text.split()))


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone of this name, always the same object; ValueError with the nearest names for an unknown one."""
    if name not in _known():
        raise ValueError(_unknown(name))
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def zone_or_utc(name: str) -> tzinfo:
    """The zone to show times in, also when newer data does not have it any more."""
    return zone(name) if name in _known() else UTC


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(names())


def _unknown(name: str) -> str:
    """What to write instead: the same name in its right case, else a similar one, else an example."""
    shown = name if len(name) <= 64 else f"{name[:60]} …"
    folded = name[:64].strip().replace(" ", "_").casefold()
    by_fold = {one.casefold(): one for one in names()}
    by_city = {one.rpartition("/")[2].casefold(): one for one in names()}
    near = [by_fold.get(folded) or by_city.get(folded)]
    if near == [None]:
        near = [by_fold[one] for one in difflib.get_close_matches(folded, by_fold, n=3, cutoff=0.7)]
        near = near or [by_city[one] for one in difflib.get_close_matches(folded, by_city, n=3, cutoff=0.75)]
    if near:
        return f"{shown!r} is no time zone; did you mean {' or '.join(str(one) for one in near)}?"
    return f"{shown!r} is no time zone; write a name of the IANA database, such as Europe/Berlin or UTC"
