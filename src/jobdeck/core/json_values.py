"""JSON as jobdeck stores it: which Python values it takes, how they are written, and the limits.

datetime, date, time → ISO 8601 (a datetime needs an offset); timedelta → seconds; UUID, Decimal → text; Enum →
its value; dataclass → object; tuple, set → list. NaN, Infinity, bytes and everything else are refused. No
type name is stored, and nothing is imported because a value says so.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from .text import clean

DEPTH_LIMIT = 32
ARGUMENTS_LIMIT = 256 * 1024
RESULT_LIMIT = 256 * 1024
SAFE_INTEGER = 2**53


class NotJson(ValueError):
    """A value that has no JSON form; `path` says where it stands (`records.0.date`)."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem


def to_json_value(value: Any, path: str = "", depth: int = 0) -> Any:
    """`value` made of dict, list, str, int, float, bool and None only; `NotJson` names what does not fit."""
    if depth > DEPTH_LIMIT:
        raise NotJson(path, f"Nested deeper than {DEPTH_LIMIT} levels.")
    write = _PLAIN.get(type(value))
    if write is not None:
        return write(value, path, depth)
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value, path, depth)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json_value(getattr(value, f.name), _join(path, f.name), depth + 1)
                for f in dataclasses.fields(value)}  # fmt: skip
    raise NotJson(path, f"A value of type {type(value).__name__} has no JSON form.")


def dumps(value: Any, limit: int | None = None) -> str:
    """Compact JSON text of `value`; `NotJson` when it does not fit or exceeds `limit` bytes."""
    text = _encode(to_json_value(value))
    if limit is not None and len(text) * 4 > limit and (size := len(text.encode())) > limit:
        raise NotJson("", f"{size:,} bytes of JSON; at most {limit:,} are kept.")
    return text


def loads(text: str | bytes) -> Any:
    """Parse JSON strictly: no duplicate keys, no NaN or Infinity, not too deep (`NotJson`)."""
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except NotJson:
        raise
    except (ValueError, RecursionError) as error:
        raise NotJson("", f"This is not valid JSON: {error}") from None
    return to_json_value(value)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise NotJson("", f"The key {twice!r} stands twice in one object.")
    return result


def _no_constant(name: str) -> Any:
    raise NotJson("", f"{name} is not JSON.")


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _number(value: float, path: str, depth: int) -> float:
    if not math.isfinite(value):
        raise NotJson(path, "NaN and Infinity have no JSON form.")
    return float(value)


def _integer(value: int, path: str, depth: int) -> int:
    if abs(value) > SAFE_INTEGER:
        raise NotJson(path, "An integer beyond ±2^53 is not kept exactly by every reader; give it as text.")
    return int(value)


def _instant(value: datetime, path: str, depth: int) -> str:
    if value.tzinfo is None:
        raise NotJson(path, "A datetime without an offset names no instant; give one with a time zone.")
    return value.isoformat()


def _object(value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise NotJson(path, f"The key {key!r} is not a text.")
        name = clean(key)
        if name in result:
            raise NotJson(path, f"Two keys are {name!r} once control characters are written out.")
        result[name] = to_json_value(item, _join(path, key), depth + 1)
    return result


def _list(value: Any, path: str, depth: int) -> list[Any]:
    return [to_json_value(item, _join(path, i), depth + 1) for i, item in enumerate(value)]


def _same(value: Any, path: str, depth: int) -> Any:
    return value


def _text(value: str, path: str, depth: int) -> str:
    return clean(value, ARGUMENTS_LIMIT * 4)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_Writer = Callable[[Any, str, int], Any]
# What nearly every value is made of, found without looking through all kinds.
_PLAIN: dict[type, _Writer] = {
    type(None): _same, bool: _same, str: _text, int: _integer, float: _number, dict: _object, list: _list,
}  # fmt: skip
_WRITERS: tuple[tuple[type | tuple[type, ...], _Writer], ...] = (
    (Enum, lambda v, p, d: to_json_value(v.value, p, d)),
    (str, _text),
    (int, _integer),
    (float, _number),
    (Mapping, _object),
    ((list, tuple, set, frozenset), _list),
    (datetime, _instant),
    ((date, time), lambda v, p, d: v.isoformat()),
    (timedelta, lambda v, p, d: v.total_seconds()),
    ((UUID, Decimal), lambda v, p, d: str(v)),
)
