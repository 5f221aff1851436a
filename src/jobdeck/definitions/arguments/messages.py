"""What is said about a wrong argument: the same words for every kind of schema, marshmallow's where it has some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...core.json_values import NotJson, to_json_value
from ...errors import InvalidInput

MISSING = "Missing data for required field."
UNKNOWN = "Unknown field."
NULL = "Field may not be null."
# JSON Schema's types and formats, in words for people.
_KINDS = {
    "array": "list",
    "date-time": "datetime",
    "duration": "number of seconds",
    "uuid": "UUID",
    "uri": "URL",
    "email": "email address",
    "decimal": "number",
}


def not_valid(kind: str) -> str:
    """`kind` is a JSON Schema type or format."""
    return f"Not a valid {_KINDS.get(kind, kind)}."


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


def flat(told: Any, *path: str) -> dict[str, list[str]]:
    """`{"a": {0: {"b": ["Wrong."]}}}`, as marshmallow tells errors, → `{"a.0.b": ["Wrong."]}`."""
    if isinstance(told, Mapping):
        found: dict[str, list[str]] = {}
        for name, inner in told.items():
            for field, texts in flat(inner, *path, str(name)).items():
                found.setdefault(field, []).extend(texts)
        return found
    texts = list(told) if isinstance(told, list | tuple | set) else [told]
    return {path_of(*path): [str(text) for text in texts]}


def json_of(value: Any, *path: object) -> Any:
    """The JSON form of a value; InvalidInput names the place that has none."""
    try:
        return to_json_value(value)
    except NotJson as error:
        raise InvalidInput.of(path_of(*path, *filter(None, [error.path])), error.problem) from None
