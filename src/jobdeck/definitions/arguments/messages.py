"""What is said about a wrong argument: the same words for every kind of schema, marshmallow's where it has some."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...core.json_values import NotJson, to_json_value
from ...errors import InvalidInput

MISSING = "Missing data for required field."
UNKNOWN = "Unknown field."
NULL = "Field may not be null."
KINDS = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "array": "list",
    "object": "object",
    "null": "empty value",
    "date-time": "datetime",
    "date": "date",
    "time": "time",
    "duration": "duration in seconds",
    "uuid": "UUID",
    "email": "email address",
    "decimal": "number",
}


def not_valid(kind: str) -> str:
    """`kind` is a JSON Schema type or format."""
    return f"Not a valid {KINDS.get(kind, kind)}."


def one_of(choices: Iterable[Any]) -> str:
    """What a choice should have been."""
    return f"Must be one of: {', '.join(str(choice) for choice in choices if choice is not None)}."


def sentence(text: str) -> str:
    """`text` with a capital and a full stop."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def path_of(*parts: object) -> str:
    """A dotted path; `_schema` for the whole."""
    return ".".join(str(part) for part in parts) or "_schema"


def json_of(value: Any, *path: object) -> Any:
    """The JSON form of a value; InvalidInput names the place that has none."""
    try:
        return to_json_value(value)
    except NotJson as error:
        raise InvalidInput.of(path_of(*path, *filter(None, [error.path])), error.problem) from None
