"""Times and spans as people read them: local time, and how long ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_STEPS = ((60, 1, "s"), (3600, 60, "min"), (2 * 86400, 3600, "h"), (60 * 86400, 86400, "days"))
_SIZES = ("bytes", "kB", "MB", "GB", "TB")


def now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


def absolute(at: datetime | None) -> str | None:
    """`2026-03-01 14:05:09+01:00`, in this machine's time zone."""
    return None if at is None else at.astimezone().isoformat(" ", timespec="seconds")


def relative(at: datetime | None) -> str | None:
    """`12 s ago`, `5 min ago`, `3 h ago`, `9 days ago`, `in 2 h`, far away the date."""
    if at is None:
        return None
    seconds = int((now() - at).total_seconds())
    for below, unit, word in _STEPS:
        if abs(seconds) < below:
            span = f"{abs(seconds) // unit} {word}"
            return f"in {span}" if seconds < 0 else f"{span} ago"
    return f"{at.astimezone():%Y-%m-%d}"


def both(at: datetime | None) -> str | None:
    """Absolute and relative."""
    return None if at is None else f"{absolute(at)} ({relative(at)})"


def span(length: timedelta | None) -> str | None:
    """`0.42 s`, `12.3 s`, `4 min 5 s`, `2 h 3 min`, `3 days 4 h`."""
    if length is None:
        return None
    seconds = max(0.0, length.total_seconds())
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 2 * 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} days {whole % 86400 // 3600} h"


def size(count: int) -> str:
    """`812 bytes`, `4.2 MB`."""
    amount, unit = float(count), 0
    while amount >= 1000 and unit < len(_SIZES) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{count} {_SIZES[0]}" if unit == 0 else f"{amount:.1f} {_SIZES[unit]}"
