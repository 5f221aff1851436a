"""When a job recurs: a cron expression, a crontab object, an interval, or once.

Values only; the wire form (`as_data`, `parse`) is InvenioRDM's for crontab and interval, ours for cron and once.
Neighbours: `core/cron.py` and `core/wall_clock.py` find the instants, `core/schedule.py` says what is done with them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, ClassVar, Protocol

from ..errors import InvalidInput
from .cron import Cron
from .cron_fields import BadField
from .times import to_us
from .wall_clock import LAST_YEAR, instant_of, offset_at

_UNIT_US = {
    "weeks": 604_800_000_000,
    "days": 86_400_000_000,
    "hours": 3_600_000_000,
    "minutes": 60_000_000,
    "seconds": 1_000_000,
    "milliseconds": 1000,
    "microseconds": 1,
}
INTERVAL_UNITS = tuple(_UNIT_US)
SHORTEST_US = 100_000
LONGEST_US = 3653 * 86_400_000_000
"""Ten years, with their leap days."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}.*")
CRONTAB_FIELDS = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")


class Recurrence(Protocol):
    """What every kind can do. Values: equal data make equal recurrences."""

    kind: ClassVar[str]

    def as_data(self) -> dict[str, Any]:
        """The wire form, normalised; `parse` takes it back."""

    def next_after(self, us: int, zone: tzinfo, anchor_us: int) -> int | None:
        """The first instant later than `us`, in microseconds since 1970; None: never again."""


@dataclass(frozen=True, slots=True)
class CronRule:
    """`0 2 * * *`, by the wall clock of the schedule's zone."""

    kind: ClassVar[str] = "cron"
    expression: str
    cron: Cron = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", " ".join(self.expression.split()))
        object.__setattr__(self, "cron", Cron.parse(self.expression))

    def as_data(self) -> dict[str, Any]:
        """`{"type": "cron", "expression": "0 2 * * *"}`."""
        return {"type": self.kind, "expression": self.expression}

    def next_after(self, us: int, zone: tzinfo, anchor_us: int = 0) -> int | None:
        """See `Recurrence`; the anchor plays no part."""
        return self.cron.next_after(us, zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crontab:
    """The five fields as Celery has them, by the wall clock of the schedule's zone."""

    kind: ClassVar[str] = "crontab"
    minute: str = "*"
    hour: str = "*"
    day_of_week: str = "*"
    day_of_month: str = "*"
    month_of_year: str = "*"
    cron: Cron = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in CRONTAB_FIELDS:
            object.__setattr__(self, name, getattr(self, name).strip())
        object.__setattr__(self, "cron", Cron.of_fields(**{name: getattr(self, name) for name in CRONTAB_FIELDS}))

    def as_data(self) -> dict[str, Any]:
        """`{"type": "crontab", "minute": "0", "hour": "2", …}`, every field."""
        return {"type": self.kind, **{name: getattr(self, name) for name in CRONTAB_FIELDS}}

    def next_after(self, us: int, zone: tzinfo, anchor_us: int = 0) -> int | None:
        """See `Recurrence`; the anchor plays no part."""
        return self.cron.next_after(us, zone)


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so often, in real time from the anchor on; `parts` are the units as they were given, `(("minutes", 15),)`."""

    kind: ClassVar[str] = "interval"
    parts: tuple[tuple[str, int], ...]
    us: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "us", _interval_us(self.parts))

    def as_data(self) -> dict[str, Any]:
        """`{"type": "interval", "minutes": 15}`: the units that were given."""
        return {"type": self.kind, **dict(self.parts)}

    def next_after(self, us: int, zone: tzinfo, anchor_us: int) -> int:
        """The first of anchor, anchor + interval, anchor + 2 intervals, … later than `us`; the zone plays no part."""
        return anchor_us if us < anchor_us else anchor_us + ((us - anchor_us) // self.us + 1) * self.us


@dataclass(frozen=True, slots=True)
class Once:
    """One instant: `at` with an offset, or a wall time of the schedule's zone.

    A wall time that a gap leaves out means the first instant after it; one that comes twice, the first time.
    """

    kind: ClassVar[str] = "once"
    at: datetime

    def as_data(self) -> dict[str, Any]:
        """`{"type": "once", "at": "2027-01-31T02:00:00+01:00"}`."""
        return {"type": self.kind, "at": self.at.isoformat()}

    def next_after(self, us: int, zone: tzinfo, anchor_us: int = 0) -> int | None:
        """That instant if it is later than `us`, else None."""
        found = self.instant(zone)
        return found if found > us else None

    def instant(self, zone: tzinfo) -> int:
        """Microseconds since 1970."""
        if self.at.tzinfo is not None:
            return to_us(self.at)
        wall, rest = divmod(to_us(self.at.replace(tzinfo=UTC)), 1_000_000)
        found = instant_of(zone, wall)
        exists = found + offset_at(zone, found) == wall
        return found * 1_000_000 + (rest if exists else 0)


def parse(data: Any) -> Recurrence:
    """From the wire form; InvalidInput with field names relative to it (`minute`, `type`, `_schema` for the whole)."""
    if not isinstance(data, dict):
        raise InvalidInput.of("_schema", f"Invalid data type: {_short(data)}")
    if "type" not in data:
        raise InvalidInput.of("type", "Missing data for required field.")
    kind = data["type"]
    if not isinstance(kind, str) or kind not in _READERS:
        raise InvalidInput.of("type", f"Unsupported value: {_short(kind)}")
    known, read = _READERS[kind]
    unknown = [str(key) for key in data if key != "type" and key not in known]
    if unknown:
        raise InvalidInput.from_mapping({_short(key): ["Unknown field."] for key in unknown[:20]})
    return read(data)


@lru_cache(maxsize=16_384)
def from_text(text: str) -> Recurrence:
    """From stored JSON; what it gives for a text is kept."""
    return parse(json.loads(text))


def _read_cron(data: Mapping[str, Any]) -> Recurrence:
    expression = _text(data, "expression")
    try:
        return CronRule(expression)
    except ValueError as error:
        raise InvalidInput.of("expression", _sentence(error)) from None


def _read_crontab(data: Mapping[str, Any]) -> Recurrence:
    fields = {name: data[name] for name in CRONTAB_FIELDS if name in data}
    wrong = {name: ["Not a valid string."] for name, value in fields.items() if not isinstance(value, str)}
    if wrong:
        raise InvalidInput.from_mapping(wrong)
    try:
        return Crontab(**fields)
    except BadField as error:
        raise InvalidInput.of(error.field, _sentence(error)) from None


def _read_interval(data: Mapping[str, Any]) -> Recurrence:
    wrong: dict[str, Iterable[str]] = {}
    parts: list[tuple[str, int]] = []
    for unit in INTERVAL_UNITS:
        if unit in data:
            number = _whole(data[unit])
            if number is None:
                wrong[unit] = ["Not a valid integer."]
            elif not 0 <= number <= LONGEST_US:
                wrong[unit] = ["Write 0 or more; all units together are at most 10 years (3653 days)."]
            else:
                parts.append((unit, number))
    if wrong:
        raise InvalidInput.from_mapping(wrong)
    if not SHORTEST_US <= _interval_us(parts) <= LONGEST_US:
        raise InvalidInput.of(
            "_schema", "An interval is from 100 milliseconds to 10 years (3653 days); write for example minutes: 15."
        )
    return Interval(tuple(parts))


def _read_once(data: Mapping[str, Any]) -> Recurrence:
    text = _text(data, "at").strip()
    try:
        at = datetime.fromisoformat(text.upper()) if _MOMENT.fullmatch(text) else None
    except ValueError:
        at = None
    if at is None or not 1970 < at.year < LAST_YEAR:
        raise InvalidInput.of(
            "at",
            "Not a valid date and time: write 2027-01-31T02:00:00+01:00, or 2027-01-31T02:00:00 for the wall clock of the "
            "schedule's time zone.",
        )
    return Once(at)


_READERS: dict[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Recurrence]]] = {
    "cron": (("expression",), _read_cron),
    "crontab": (CRONTAB_FIELDS, _read_crontab),
    "interval": (INTERVAL_UNITS, _read_interval),
    "once": (("at",), _read_once),
}


def _text(data: Mapping[str, Any], name: str) -> str:
    if name not in data:
        raise InvalidInput.of(name, "Missing data for required field.")
    value = data[name]
    if not isinstance(value, str):
        raise InvalidInput.of(name, "Not a valid string.")
    return value


def _whole(value: Any) -> int | None:
    """The whole number that is meant, as the peer reads one: 15, "15", 15.0; None for anything else."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value)


def _interval_us(parts: Iterable[tuple[str, int]]) -> int:
    return sum(number * _UNIT_US[unit] for unit, number in parts)


def _sentence(error: ValueError) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:56]} …"
