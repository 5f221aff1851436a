"""Checks of what somebody says about a schedule, field by field and together. Each raises InvalidInput.

Values go in as people give them and come out by column, as they are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ..core import zones
from ..core.recurrence import Interval, Once, from_text, parse
from ..core.schedule import Misfire, Overlap, Schedule, Timing
from ..core.times import from_us, iso, parse_span, to_us
from ..core.wall_clock import LAST_YEAR
from ..errors import InvalidInput
from . import checks

FIELDS = ("recurrence", "time_zone", "starts_at", "ends_at", "max_count", "jitter", "arguments", "custom_arguments",
          "misfire", "misfire_window", "overlap")  # fmt: skip
WHEN = frozenset({"recurrence", "time_zone", "starts_at", "ends_at", "max_count"})
"""The columns that say when: whoever changes one of them plans anew."""
ANCHORED = frozenset({"recurrence", "time_zone", "starts_at"})
COUNT_LIMIT = 1_000_000_000
_DAY_US = 86_400_000_000
_SECOND_US = 1_000_000
_EXAMPLE = "2027-01-31T02:00:00+00:00"


def columns(given: Mapping[str, Any], default_zone: str, problems: checks.Problems) -> dict[str, Any]:
    """What is stored of the given fields, arguments apart; what is wrong with one by itself goes to `problems`."""
    values: dict[str, Any] = {}
    for name, (column, check) in _CHECKS.items():
        if name in given:
            values[column] = problems.check(check, given[name])
    if "time_zone" in given:
        values["time_zone"] = problems.check(_time_zone, given["time_zone"], default_zone)
    return values


def stored(schedule: Schedule) -> dict[str, Any]:
    """The same columns of a schedule that is there."""
    window_s = schedule.misfire_window_s
    return {
        "recurrence": checks.json_text(schedule.recurrence.as_data(), "recurrence"),
        "time_zone": schedule.time_zone,
        "starts_at": schedule.timing.starts_us,
        "ends_at": schedule.timing.ends_us,
        "max_count": schedule.max_count,
        "jitter_us": round(schedule.jitter_s * _SECOND_US),
        "arguments": None if schedule.arguments is None else checks.json_text(schedule.arguments, "args"),
        "custom_arguments": None if schedule.custom_arguments is None else checks.json_text(
            schedule.custom_arguments, "custom_args"),
        "misfire": schedule.misfire,
        "misfire_window_us": None if window_s is None else round(window_s * _SECOND_US),
        "overlap": schedule.overlap,
    }  # fmt: skip


def told(schedule: Schedule) -> dict[str, Any]:
    """A schedule as the audit trail tells of it."""
    pause = schedule.pause
    return {
        "job_id": schedule.job_id,
        "recurrence": schedule.recurrence.as_data(),
        "time_zone": schedule.time_zone,
        "starts_at": iso(schedule.starts_at),
        "ends_at": iso(schedule.ends_at),
        "max_count": schedule.max_count,
        "jitter": schedule.jitter_s,
        "arguments": schedule.arguments,
        "custom_arguments": schedule.custom_arguments,
        "misfire": schedule.misfire,
        "misfire_window": schedule.misfire_window_s,
        "overlap": schedule.overlap,
        "principal": schedule.principal.id,
        "paused": None if pause is None else {"by": pause.by, "reason": pause.reason},
        "next_fire_at": iso(schedule.next_fire_at),
    }


def check_together(values: Mapping[str, Any], changed: Iterable[str], now_us: int) -> None:
    """What the fields must be to each other; `values` are all of them, of which some were `changed`."""
    problems = checks.Problems()
    starts, ends = values["starts_at"], values["ends_at"]
    if ends is not None and ({"starts_at", "ends_at"} & set(changed)):
        if ends <= now_us:
            problems.add("ends_at", f"Must be in the future, such as {_EXAMPLE}.")
        elif starts is not None and ends <= starts:
            problems.add("ends_at", "Must be later than its start.")
    interval = from_text(values["recurrence"])
    if isinstance(interval, Interval) and interval.us <= values["jitter_us"]:
        seconds = interval.us / _SECOND_US
        problems.add("jitter", f"Must be shorter than the interval, which is {seconds:g} seconds.")
    problems.raise_if_any()


def next_after(timing: Timing, us: int) -> int:
    """The first planned time later than `us`; InvalidInput says why there is none."""
    at = timing.next_after(us)
    if at is not None:
        return at
    zone, recurrence = zones.zone(timing.time_zone), timing.recurrence
    if isinstance(recurrence, Once):
        raise _once(timing, recurrence.instant(zone), us)
    later = None if timing.ends_us is None else replace(timing, ends_us=None).next_after(us)
    if later is not None:
        raise InvalidInput.of(
            "ends_at", f"Nothing is planned up to then; the first time would be {iso(from_us(later))}."
        )
    field = {"cron": "recurrence.expression", "crontab": "recurrence.day_of_month"}.get(recurrence.kind, "recurrence")
    raise InvalidInput.of(
        field, "This never comes: no such date exists. Write one that does, such as day 28 of month 2."
    )


def _once(timing: Timing, at: int, us: int) -> InvalidInput:
    if at <= us:
        return InvalidInput.of("recurrence.at", f"{iso(from_us(at))} has passed; write a time that is to come.")
    if timing.ends_us is not None and at > timing.ends_us:
        return InvalidInput.of("ends_at", "Must not be earlier than the one time at which it runs.")
    return InvalidInput.of("starts_at", "Must not be later than the one time at which it runs.")


def _recurrence(value: Any) -> str:
    if value is None:
        raise InvalidInput.of("recurrence", "Missing data for required field.")
    try:
        return checks.json_text(parse(dict(value) if isinstance(value, Mapping) else value).as_data(), "recurrence")
    except InvalidInput as error:
        raise error.under("recurrence") from None


def _time_zone(value: Any, default: str) -> str:
    if value is None:
        return default
    if not isinstance(value, str):
        raise InvalidInput.of("time_zone", "Must be the name of a time zone, such as Europe/Berlin.")
    try:
        zones.zone(value)
    except ValueError as error:
        told = f"{str(error)[:1].upper()}{str(error)[1:]}"
        raise InvalidInput.of("time_zone", told if told.endswith("?") else f"{told}.") from None
    return value


def instant(field: str) -> Callable[[Any], int | None]:
    """A check of an aware datetime, or an ISO text with an offset: microseconds since 1970; None stays None."""

    def check(value: Any) -> int | None:
        if value is None:
            return None
        try:
            at = datetime.fromisoformat(value) if isinstance(value, str) else value
            us = to_us(at)
        except (ValueError, TypeError, AttributeError, OverflowError):
            raise InvalidInput.of(field, f"Must be a time with its offset, such as {_EXAMPLE}.") from None
        if not 1970 < at.year < LAST_YEAR:
            raise InvalidInput.of(field, f"Must be after 1970 and before {LAST_YEAR}.")
        return us

    return check


def _max_count(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= COUNT_LIMIT:
        raise InvalidInput.of("max_count", f"Must be a whole number from 1 to {COUNT_LIMIT:,}, or empty.")
    return value


def _span(field: str, low_us: int, high_us: int, words: str) -> Callable[[Any], int | None]:
    def check(value: Any) -> int | None:
        if value is None:
            return None
        try:
            us = parse_span(value) // timedelta(microseconds=1)
        except (ValueError, TypeError, AttributeError, OverflowError):
            raise InvalidInput.of(field, "Write seconds, or a text such as '90s', '15m' or '1h'.") from None
        if not low_us <= us <= high_us:
            raise InvalidInput.of(field, words)
        return us

    return check


def _jitter(value: Any) -> int:
    return _jitter_span(value) or 0


def _one_of(field: str, choices: tuple[str, ...]) -> Callable[[Any], str]:
    return lambda value: str(checks.one_of(value, field, choices))


_jitter_span = _span("jitter", 0, _DAY_US, "Must be from 0 seconds to 1 day.")
_CHECKS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "recurrence": ("recurrence", _recurrence),
    "starts_at": ("starts_at", instant("starts_at")),
    "ends_at": ("ends_at", instant("ends_at")),
    "max_count": ("max_count", _max_count),
    "jitter": ("jitter_us", _jitter),
    "misfire": ("misfire", _one_of("misfire", tuple(Misfire))),
    "misfire_window": (
        "misfire_window_us",
        _span("misfire_window", _SECOND_US, 366 * _DAY_US, "Must be from 1 second to 366 days, or empty."),
    ),
    "overlap": ("overlap", _one_of("overlap", tuple(Overlap))),
}
