"""How values look to people: times, spans, sizes, statuses. Registered as Jinja filters."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ...core.run import Run

SYMBOLS = {
    "WAITING": "◷",
    "QUEUED": "◌",
    "RUNNING": "◐",
    "CANCELLING": "◑",
    "SUCCESS": "✓",
    "PARTIAL_SUCCESS": "◪",
    "WARNING": "!",
    "FAILED": "✕",
    "CANCELLED": "⊘",
}
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_REASONS = {"timeout": "took too long", "lost": "worker lost", "error": "error", "stopped": "stopped"}


def now() -> datetime:
    """The time at hand, UTC."""
    return datetime.now(UTC)


def status_word(status: str) -> str:
    """`PARTIAL_SUCCESS` → `Partial success`."""
    return status.replace("_", " ").capitalize()


def reason_word(reason: object) -> str:
    """Why a run failed or was cancelled, in a few words."""
    return _REASONS.get(str(reason), str(reason))


def span(value: timedelta | float | None) -> str:
    """`1 h 5 min`, `12 s`, `0.4 s`, `31 ms`; a dash for None."""
    if value is None:
        return "–"
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if seconds < 0.1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    parts = []
    rest = int(seconds)
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def ago(at: datetime) -> str:
    """`just now`, `5 min ago`, `in 2 h`."""
    seconds = (now() - at).total_seconds()
    if abs(seconds) < 5:
        return "just now"
    largest = next((f"{int(abs(seconds) // size)} {unit}" for unit, size in _UNITS if abs(seconds) >= size), "0 s")
    return f"{largest} ago" if seconds > 0 else f"in {largest}"


def absolute(at: datetime) -> str:
    """`2026-06-02 08:15:00 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(at: datetime) -> str:
    """`08:15:00.123`."""
    return f"{at.astimezone(UTC):%H:%M:%S}.{at.microsecond // 1000:03d}"


def size(count: int) -> str:
    """`1.2 MB` (1 MB = 1,000,000 bytes)."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{count} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("a unit is always found")


def pretty(value: Any) -> str:
    """JSON over several lines."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def brief(value: Any, limit: int = 120) -> str:
    """JSON on one line, cut."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else f"{text[:limit]}…"


def duration(run: Run) -> timedelta | None:
    """How long a run took, or has been at work; None before it began."""
    if run.started_at is None:
        return None
    return (run.ended_at or now()) - run.started_at


FILTERS: dict[str, Callable[..., Any]] = {
    "status_word": status_word,
    "reason_word": reason_word,
    "span": span,
    "ago": ago,
    "absolute": absolute,
    "clock": clock,
    "size": size,
    "pretty": pretty,
    "brief": brief,
    "duration": duration,
}
