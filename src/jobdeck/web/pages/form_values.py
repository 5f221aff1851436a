"""One value as the text of a form's field, and back. What cannot be shown truly in a field's own way is shown plainer.

Text that is no number stays text, for the schema to complain about. Neighbour: `forms` knows which field has which
kind.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from ...core import json_values
from ...core.times import parse_span

MISSING: Any = object()
_CLOCK = r"\d\d:\d\d(:\d\d(\.\d{1,3})?)?"
# What the browser's own controls can hold; they show anything else as nothing at all.
_CONTROLS = {
    "date": re.compile(r"(\d{4}-\d\d-\d\d)?"),
    "datetime": re.compile(rf"(\d{{4}}-\d\d-\d\dT{_CLOCK})?"),
    "time": re.compile(rf"({_CLOCK})?"),
    "text": re.compile(r"[^\n]*"),
}
_OFFSET = re.compile(r"(?:[zZ]|[+-]\d\d:?\d\d)\Z")


class Unreadable(ValueError):
    """Text that is nothing a field of its kind could say."""


def compact(value: Any) -> str:
    """JSON on one line: the value of a choice."""
    return json.dumps(value, ensure_ascii=False)


def control(kind: str, text: str) -> str:
    """The kind of field that can show `text` truly: the browser's control for `kind`, or plain text."""
    fits = _CONTROLS.get(kind)
    if fits is None or fits.fullmatch(text):
        return kind
    return "textarea" if kind == "text" else "text"


def text(kind: str, value: Any, item_kind: str, unit: str) -> str:
    """How `value` (never None) stands in a field."""
    if kind in ("select", "hidden"):
        return compact(value)
    if kind == "json":
        return json.dumps(value, ensure_ascii=False, indent=2)
    if kind == "lines":
        return _lines(value, item_kind, unit)
    if kind == "datetime" and isinstance(value, str):
        return _in_utc(value)
    if isinstance(value, str):
        return value
    return compact(int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value)


def value(kind: str, typed: str, item_kind: str, unit: str) -> Any:
    """What text that is not empty says; Unreadable when it should be JSON and is not."""
    if kind in ("json", "select", "hidden"):
        try:
            return json_values.loads(typed)
        except json_values.NotJson as error:
            raise Unreadable(str(error)) from None
    if kind == "lines":
        return _of_lines(typed, item_kind, unit)
    if kind in ("text", "textarea", "password"):
        return typed
    return _scalar(kind, typed.strip(), unit)


def _lines(value: Any, item_kind: str, unit: str) -> str:
    """One item a line; JSON when lines would say something else."""
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        joined = "\n".join(text(item_kind, item, "", unit) for item in value)
        if _of_lines(joined, item_kind, unit) == value:
            return joined
    return compact(value)


def _of_lines(typed: str, item_kind: str, unit: str) -> list[Any]:
    if typed.lstrip().startswith("["):
        try:
            listed = json_values.loads(typed)
        except json_values.NotJson:
            pass
        else:
            if isinstance(listed, list):
                return listed
    return [_scalar(item_kind, line.strip(), unit) for line in typed.split("\n") if line.strip()]


def _scalar(kind: str, typed: str, unit: str) -> Any:
    if kind == "datetime":
        return typed if _OFFSET.search(typed[10:]) or not typed[10:] else f"{typed}+00:00"
    if kind not in ("integer", "number", "duration"):
        return typed
    try:
        number = json_values.loads(typed)
    except json_values.NotJson:
        return _span(typed, unit) if kind == "duration" else typed
    return number if isinstance(number, int | float) and not isinstance(number, bool) else typed


def _span(typed: str, unit: str) -> Any:
    """`15m` in the unit that the schema counts in."""
    try:
        span = parse_span(typed)
        return span / timedelta(**{unit: 1})
    except (ValueError, TypeError, OverflowError):
        return typed


def _in_utc(instant: str) -> str:
    """An instant as a browser's date-time field takes it, in UTC."""
    try:
        at = datetime.fromisoformat(instant)
    except ValueError:
        return instant
    return (at.astimezone(UTC) if at.tzinfo else at).replace(tzinfo=None).isoformat()
