"""Trials of an evaluator around an offset change: expressions aimed at it, judged by the oracles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from . import cron_oracles
from .zone_changes import Change

Evaluate = Callable[[str, int, tzinfo], int | None]
"""Expression, microseconds since 1970, zone → the next instant."""

BEFORE, AFTER = 26 * 3600, 28 * 3600
_LEAD_IN = 3600
_MINUTE, _HOUR = 60, 3600
STARTS = (
    -25 * _HOUR, -2 * _HOUR - 1, -_HOUR - _MINUTE, -_HOUR, -_HOUR + 1, -31 * _MINUTE, -15 * _MINUTE, -1,
    0, 1, _MINUTE, 29 * _MINUTE + 59, 30 * _MINUTE, _HOUR - 1, _HOUR, 2 * _HOUR + 7,
)  # fmt: skip
"""Seconds around the change from which the next instant is asked afresh; each also a microsecond earlier."""


def aimed_at(change: Change) -> Iterator[str]:
    """Fixed times in, at both ends of, and just outside what is left out or comes twice; and wildcards over it."""
    low, high = sorted((change.at + change.before, change.at + change.after))
    first, middle, last, end, early = (
        datetime.fromtimestamp(wall, UTC)
        for wall in (low, (low + high) // 2 // _MINUTE * _MINUTE, high - _MINUTE, high, low - _MINUTE)
    )
    for at in (first, middle, last, end, early):
        yield f"{at.minute} {at.hour} * * *"
    weekday, other_day = middle.isoweekday() % 7, (middle + timedelta(days=9)).day
    yield f"{first.minute},{middle.minute},{last.minute} {','.join(str(n) for n in sorted({first.hour, last.hour}))} * * *"
    yield f"{middle.minute} {middle.hour} {middle.day} {middle.month} *"
    yield f"{middle.minute} {middle.hour} {other_day} * {weekday}"
    yield f"{middle.minute} {middle.hour} */2 * {weekday}"
    yield f"0-59 {middle.hour} * * *"
    yield f"0-59/20 0-23 {middle.day} * *"
    yield "*/15 * * * *"
    yield f"{middle.minute} * * * *"
    yield f"*/7 {middle.hour} * * *"
    yield f"* {middle.hour} {middle.day} {middle.month} *"
    yield f"{last.minute} */2 * * {weekday}"


def complaints(evaluate: Evaluate, change: Change) -> Iterator[str]:
    """Where the evaluator and the oracles differ, iterated and asked afresh."""
    zone, base = change.zone, change.at // _MINUTE * _MINUTE
    start, end = base - BEFORE, base + AFTER
    for expression in aimed_at(change):
        right = [at for at in cron_oracles.fires(expression, zone, start - _LEAD_IN, end) if at >= start]
        given = _iterated(evaluate, expression, zone, start, end)
        if given != right:
            yield f"{expression} in {zone}: from {start} on {_differences(given, right)}"
        for ahead in STARTS:
            for us in ((change.at + ahead) * 1_000_000, (change.at + ahead) * 1_000_000 - 1):
                expected = next((at * 1_000_000 for at in right if at * 1_000_000 > us), None)
                found = evaluate(expression, us, zone)
                if found != expected and not (expected is None and (found is None or found >= end * 1_000_000)):
                    yield f"{expression} in {zone}: after {us} comes {expected}, not {found}"


def _iterated(evaluate: Evaluate, expression: str, zone: tzinfo, start: int, end: int) -> list[int]:
    given: list[int] = []
    us = start * 1_000_000 - 1
    while len(given) < 5000:
        found = evaluate(expression, us, zone)
        if found is None or found >= end * 1_000_000:
            break
        given.append(found // 1_000_000)
        us = found
    return given


def _differences(given: list[int], right: list[int]) -> str:
    return f"too many: {sorted(set(given) - set(right))[:5]}, missing: {sorted(set(right) - set(given))[:5]}"
