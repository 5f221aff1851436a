"""Instants and spans: how jobdeck writes them and reads them.

An instant is an aware UTC datetime in Python, whole microseconds since 1970 in the database and on
the wire between processes, ISO 8601 with `+00:00` for people and machines outside.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SPAN = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h|d|w)?")
_UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, None: 1}


def to_us(at: datetime) -> int:
    """Microseconds since 1970 of an aware datetime; a naive one is refused (ValueError)."""
    if at.tzinfo is None:
        raise ValueError("a datetime without an offset names no instant; give one with a time zone")
    return (at - EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=us)


def iso(at: datetime | None) -> str | None:
    """ISO 8601 with microseconds and `+00:00`; None stays None."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="microseconds")


def parse_span(value: str | float | timedelta) -> timedelta:
    """`'90s'`, `'15m'`, `'1h'`, `'2d'`, a number of seconds or a timedelta; ValueError otherwise."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a span is a number of seconds or a text such as '90s', '15m' or '1h'")
    if isinstance(value, int | float):
        return timedelta(seconds=value)
    match = _SPAN.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"{value!r} is no span; write seconds, or a text such as '90s', '15m' or '1h'")
    return timedelta(seconds=float(match["number"]) * _UNIT_SECONDS[match["unit"]])


def parse_timeout(value: str | float | timedelta | None) -> float | None:
    """Seconds a run may take: None = not said here, -1 = no limit, else a positive span (ValueError)."""
    if value is None or (not isinstance(value, bool) and value in (-1, "-1")):
        return None if value is None else -1.0
    seconds = parse_span(value).total_seconds()
    if not 0 < seconds <= 366 * 86400:
        raise ValueError("a timeout is -1 (none), or more than 0 seconds and at most 366 days")
    return seconds
