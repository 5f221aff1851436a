"""The form of a schedule: what was typed, as the service takes it, and a saved schedule as the form shows it.

Pure: no Flask here. Whether a value is right is for the service to say; only what cannot be put together at all is
refused here. Wall clock times in the form are those of the schedule's own time zone. Neighbours: `schedules` shows the
form, `schedule_words` has the words of its choices.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from ...core import zones
from ...core.schedule import Schedule
from ...core.times import EPOCH, from_us
from ...core.wall_clock import instant_of
from ...errors import FieldError

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CRONTAB_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
MORE = ("starts_at", "ends_at", "max_count", "jitter", "misfire_window")
_MAIN = {"every": "every_number", "cron": "expression", "crontab": "minute", "once": "once_at"}
_UNITS = {"weeks": 604_800_000_000, "days": 86_400_000_000, "hours": 3_600_000_000, "minutes": 60_000_000,
          "seconds": 1_000_000, "milliseconds": 1000, "microseconds": 1}  # fmt: skip
_NUMBER = re.compile(r"[+-]?\d{1,12}")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::00)?")
_DAYS_OF_MONTH = re.compile(r"\d{1,2}(\s*,\s*\d{1,2})*")
_WALL = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?")
_YEARS = range(1970, 2200)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
# What the simple choices write, and so what can be shown as one of them.
_SIMPLE = re.compile(
    r"(?P<minute>[0-5]?\d) (?P<hour>[01]?\d|2[0-3]) (?P<month_day>\*|\d{1,2}(,\d{1,2})*) \* (?P<days>.+)"
)


@dataclass(slots=True)
class Given:
    """What a form says: `recurrence` in the wire form, the other `values` as the service names them, and problems."""

    kind: str = ""
    recurrence: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    problems: list[FieldError] = field(default_factory=list)


def read(typed: Mapping[str, str], weekdays: Sequence[str], time_zone: str) -> Given:
    """What was sent. `weekdays` are the boxes that were ticked; `time_zone` is meant where none was typed."""
    given = Given(kind=typed.get("kind", ""))
    given.recurrence = _recurrence(typed, weekdays, given.problems)
    for name in ("time_zone", "misfire", "misfire_window", "overlap", "jitter"):
        given.values[name] = _text(typed, name)
    given.values["misfire"] = given.values["misfire"] or "once"
    given.values["overlap"] = given.values["overlap"] or "skip"
    given.values["time_zone"] = given.values["time_zone"] or time_zone
    given.values["max_count"] = _number(typed, "max_count")
    zone = zones.zone_or_utc(given.values["time_zone"])
    for name in ("starts_at", "ends_at"):
        given.values[name] = _instant(typed, name, zone)
    return given


def preview_from(typed: Mapping[str, str], time_zone: str) -> datetime | None:
    """Just before the day that a preview should begin with, in that zone; None for now."""
    text = typed.get("preview_from", "").strip()
    if not _DATE.fullmatch(text):
        return None
    midnight = _instant_of(f"{text}T00:00:00", zones.zone_or_utc(time_zone))
    return None if midnight is None else max(midnight, EPOCH) - timedelta(microseconds=1)


def blank(time_zone: str) -> dict[str, Any]:
    """What stands in the form of a new schedule."""
    return {"kind": "daily", "every_number": "15", "every_unit": "minutes", "at_time": "02:00", "weekdays": ["mon"],
            "month_day": "1", "time_zone": time_zone, "misfire": "once", "overlap": "skip"}  # fmt: skip


def filled(schedule: Schedule, time_zone: str) -> dict[str, Any]:
    """What stands in the form of a saved schedule; `time_zone` is the setting's."""
    zone = zones.zone_or_utc(schedule.time_zone)
    return {
        **blank(time_zone),
        **_shown_recurrence(schedule.recurrence.as_data(), zone),
        "time_zone": schedule.time_zone,
        "starts_at": _wall(schedule.starts_at, zone),
        "ends_at": _wall(schedule.ends_at, zone),
        "max_count": schedule.max_count,
        "jitter": _span(schedule.jitter_s) if schedule.jitter_s else "",
        "misfire": str(schedule.misfire),
        "misfire_window": "" if schedule.misfire_window_s is None else _span(schedule.misfire_window_s),
        "overlap": str(schedule.overlap),
    }


def typed_again(typed: Mapping[str, str], weekdays: Sequence[str]) -> dict[str, Any]:
    """What was sent, to stand in the form once more."""
    return {**typed, "weekdays": list(weekdays), "misfire": typed.get("misfire") or "once",
            "overlap": typed.get("overlap") or "skip"}  # fmt: skip


def placed(errors: Iterable[FieldError], kind: str) -> list[FieldError]:
    """The service's complaints, named after the fields of this form."""
    found = []
    for error in errors:
        name = "preview_from" if error.field == "after" else error.field
        if name.split(".")[0] == "recurrence":
            below = name.partition(".")[2]
            name = below if kind == "crontab" and below in CRONTAB_FIELDS else _MAIN.get(kind, "at_time")
        found.append(FieldError(field=name, messages=error.messages))
    return found


def _recurrence(typed: Mapping[str, str], weekdays: Sequence[str], problems: list[FieldError]) -> dict[str, Any]:
    kind = typed.get("kind", "")
    if kind == "every":
        unit = typed.get("every_unit", "")
        if _text(typed, "every_number") is None:
            _complain(problems, "every_number", "Say how often, such as 15.")
        return {"type": "interval", unit if unit in _UNITS else "minutes": _number(typed, "every_number")}
    if kind == "cron":
        return {"type": "cron", "expression": typed.get("expression", "").strip()}
    if kind == "crontab":
        return {"type": "crontab", **{name: _text(typed, name) or "*" for name in CRONTAB_FIELDS}}
    if kind == "once":
        if _text(typed, "once_at") is None:
            _complain(problems, "once_at", "Say when, such as 2027-01-31 02:00.")
        return {"type": "once", "at": (_text(typed, "once_at") or "").replace(" ", "T")}
    if kind not in ("daily", "weekly", "monthly"):
        _complain(problems, "kind", "Choose how it recurs.")
    return {"type": "cron", "expression": _simple(kind, typed, weekdays, problems)}


def _simple(kind: str, typed: Mapping[str, str], weekdays: Sequence[str], problems: list[FieldError]) -> str:
    """Daily, weekly or monthly as an expression."""
    clock = _CLOCK.fullmatch(typed.get("at_time", "").strip())
    if clock is None:
        _complain(problems, "at_time", "Must be a time of the day from 00:00 to 23:59, such as 02:00.")
    minute, hour = (0, 0) if clock is None else (int(clock[2]), int(clock[1]))
    month_day, days = "*", "*"
    if kind == "monthly":
        month_day = re.sub(r"\s", "", typed.get("month_day", ""))
        if not _DAYS_OF_MONTH.fullmatch(month_day) or not all(1 <= int(day) <= 31 for day in month_day.split(",")):
            _complain(problems, "month_day", "Must be days from 1 to 31, such as 1 or 1,15.")
    elif kind == "weekly":
        chosen = [day for day in WEEKDAYS if day in weekdays]
        if not chosen:
            _complain(problems, "weekdays", "Choose at least one day, such as Monday.")
        days = "*" if len(chosen) == len(WEEKDAYS) else ",".join(chosen)
    return f"{minute} {hour} {month_day} * {days}"


def _shown_recurrence(data: Mapping[str, Any], zone: tzinfo) -> dict[str, Any]:
    if data["type"] == "interval":
        given = [unit for unit in _UNITS if unit in data]
        total = sum(int(data[unit]) * _UNITS[unit] for unit in given)
        unit = given[0] if len(given) == 1 else next(name for name in _UNITS if total % _UNITS[name] == 0)
        return {"kind": "every", "every_number": total // _UNITS[unit], "every_unit": unit}
    if data["type"] == "crontab":
        return {"kind": "crontab", **{name: data[name] for name in CRONTAB_FIELDS}}
    if data["type"] == "once":
        return {"kind": "once", "once_at": _shown_once(str(data["at"]), zone)}
    return _shown_cron(str(data["expression"]))


def _shown_cron(expression: str) -> dict[str, Any]:
    simple = _SIMPLE.fullmatch(expression.lower())
    shown: dict[str, Any] = {"kind": "cron", "expression": expression}
    if simple is None:
        return shown
    days = [] if simple["days"] == "*" else simple["days"].split(",")
    if (days and simple["month_day"] != "*") or not set(days) <= set(WEEKDAYS):
        return shown
    shown["at_time"] = f"{int(simple['hour']):02d}:{int(simple['minute']):02d}"
    if days:
        return shown | {"kind": "weekly", "weekdays": days}
    if simple["month_day"] != "*":
        return shown | {"kind": "monthly", "month_day": simple["month_day"]}
    return shown | {"kind": "daily"}


def _shown_once(at: str, zone: tzinfo) -> str:
    instant = datetime.fromisoformat(at)
    return at if instant.tzinfo is None else _wall(instant, zone)


def _wall(at: datetime | None, zone: tzinfo) -> str:
    """An instant as the wall clock of the zone says it; with its offset when the clock says that twice."""
    if at is None:
        return ""
    local = at.astimezone(zone)
    wall = local.replace(tzinfo=None)
    is_clear = from_us(instant_of(zone, _seconds(wall.replace(tzinfo=UTC))) * 1_000_000) == at.replace(microsecond=0)
    return wall.isoformat() if is_clear and not at.microsecond else local.isoformat()


def _instant(typed: Mapping[str, str], name: str, zone: tzinfo) -> str | None:
    """ISO 8601 with an offset; what is no wall clock time stays as it was typed, for the service to refuse."""
    text = _text(typed, name)
    if text is None or not _WALL.fullmatch(text):
        return text
    at = _instant_of(text, zone)
    return text if at is None else at.astimezone(zone).isoformat()


def _instant_of(wall_text: str, zone: tzinfo) -> datetime | None:
    """The instant at which the clock of the zone shows that; None for a day that there is not."""
    try:
        wall = datetime.fromisoformat(f"{wall_text}+00:00")
    except ValueError:
        return None
    # So far away no zone is known to go anyhow, and the service refuses it.
    return from_us(instant_of(zone, _seconds(wall)) * 1_000_000) if wall.year in _YEARS else wall


def _seconds(wall: datetime) -> int:
    return int((wall - EPOCH).total_seconds())


def _span(seconds: float) -> str:
    """`2h`, `90s`."""
    unit, size = next((one for one in (("d", 86400), ("h", 3600), ("m", 60)) if seconds % one[1] == 0), ("s", 1))
    return f"{seconds / size:g}{unit}"


def _text(typed: Mapping[str, str], name: str) -> str | None:
    return typed.get(name, "").strip() or None


def _number(typed: Mapping[str, str], name: str) -> Any:
    text = _text(typed, name)
    return int(text) if text is not None and _NUMBER.fullmatch(text) else text


def _complain(problems: list[FieldError], name: str, message: str) -> None:
    problems.append(FieldError(field=name, messages=(message,)))
