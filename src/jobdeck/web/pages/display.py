"""How values look to people: times, spans, sizes, statuses. Registered as Jinja filters."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ...core.ids import is_id
from ...core.run import Run, Status

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_REASONS = {
    "timeout": "took too long",
    "lost": "worker lost",
    "expired": "did not begin in time",
    "dependency": "a run before it did not succeed",
}
_TRIGGERS = {
    "manual": "by hand",
    "api": "through the API",
    "enqueue": "by code",
    "schedule": "by its schedule",
    "compat": "by other software",
    "rerun": "run again",
    "dependency": "after another job",
    "parent": "by another run",
}
# Colours and cursor movements for terminals; where they were stored escaped, their escape is a text.
_ANSI = re.compile(r"(?:\x1b|\\x1b)\[[0-9;?]*[A-Za-z]")
_WHEN_FULL = {
    "wait": "others wait",
    "skip": "others are skipped",
    "reject": "others are refused",
    "replace": "a new one replaces the oldest",
}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
_PIECES = re.compile(rf"(?:at )?(`[^`]+`|{_TIME.pattern}|[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})")
_PLACE = ("module", "function", "line", "traceback")


def now() -> datetime:
    """The time at hand, UTC."""
    return datetime.now(UTC)


def status_word(status: str) -> str:
    """`PARTIAL_SUCCESS` → `Partial success`."""
    return status.replace("_", " ").capitalize()


def reason_word(reason: object) -> str:
    """Why a run failed or was cancelled, in a few words; nothing where the status says it already."""
    return "" if reason in (None, "error", "stopped") else _REASONS.get(str(reason), str(reason))


def trigger_word(trigger: object) -> str:
    """How a run came to be."""
    return _TRIGGERS.get(str(trigger), str(trigger))


def plain(text: str) -> str:
    """`text` without the codes that colour it in a terminal."""
    return _ANSI.sub("", text) if "\x1b" in text or "\\x1b" in text else text


def extras(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a log call gave beside its message, without where it stands."""
    return [
        (name, value if isinstance(value, str) else brief(value))
        for name, value in fields.items()
        if name not in _PLACE and value is not None
    ]


def place(fields: Mapping[str, Any]) -> str:
    """Where in the code a line was logged: `exports:write:17`."""
    return ":".join(str(fields[name]) for name in ("module", "function", "line") if fields.get(name))


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


def limit(n: int, policy: str | None) -> str:
    """`2 at once; others wait`."""
    return f"{n:,} at once; {_WHEN_FULL.get(policy or 'wait', policy)}"


def pieces(text: str) -> list[tuple[str, Any]]:
    """A sentence of a reason in parts: ("run", id), ("time", datetime), ("code", text) and ("text", text)."""
    found: list[tuple[str, Any]] = []
    for part in _PIECES.split(text):
        if part.startswith("`"):
            found.append(("code", part.strip("`")))
        elif is_id(part):
            found.append(("run", part))
        elif _TIME.fullmatch(part):
            found.append(("time", datetime.fromisoformat(part)))
        elif part:
            found.append(("text", part))
    return found


def pretty(value: Any) -> str:
    """JSON over several lines."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def brief(value: Any, limit: int = 120) -> str:
    """JSON on one line, cut."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else f"{text[:limit]}…"


def duration(run: Run) -> timedelta | None:
    """How long a run took, or has been at work; None while it waits."""
    if run.started_at is None or run.status is Status.QUEUED:
        return None
    return (run.ended_at or now()) - run.started_at


FILTERS: dict[str, Callable[..., Any]] = {
    "status_word": status_word,
    "reason_word": reason_word,
    "trigger_word": trigger_word,
    "plain": plain,
    "extras": extras,
    "place": place,
    "span": span,
    "ago": ago,
    "absolute": absolute,
    "clock": clock,
    "size": size,
    "limit": limit,
    "pieces": pieces,
    "pretty": pretty,
    "brief": brief,
    "duration": duration,
}
