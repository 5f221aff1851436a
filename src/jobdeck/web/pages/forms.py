"""Forms made from a JSON Schema, and what was typed made into JSON again. Pure: no Flask here.

Reads only the plain shape that `definitions.arguments.shape` describes. A field's name in the form is its path below
`args` (`args.since`, `args.contact.email`); whether a value is right is for the schema to say, not for the form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ...core import json_values
from ...errors import FieldError

ROOT = "args"
_BY_FORMAT = {"date": "date", "date-time": "datetime", "time": "time", "duration": "number", "decimal": "text",
              "email": "email", "uri": "url", "password": "password"}  # fmt: skip
_BY_TYPE = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}
_MISSING: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field as a template shows it. `text` is what stands in it; `choices` are (value, title, selected).

    `kind`: text, textarea, integer, number, boolean, select, date, datetime, time, email, url, password, lines, json,
    hidden, group.
    """

    name: str
    kind: str
    title: str
    text: str = ""
    description: str = ""
    hint: str = ""
    required: bool = False
    checked: bool = False
    rows: int = 4
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[tuple[str, str, bool], ...] = ()
    fields: tuple[Field, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """What labels and links in the page point at."""
        return self.name.replace(".", "-")


def fields(
    schema: Mapping[str, Any],
    values: Mapping[str, Any],
    typed: Mapping[str, str] | None = None,
    errors: Sequence[FieldError] = (),
    prefix: str = ROOT,
) -> tuple[Field, ...]:
    """The fields of an object's schema, filled with `values`, or with what was `typed` when that was wrong."""
    required = schema.get("required", ())
    return tuple(
        _field(f"{prefix}.{name}", one, values.get(name, _MISSING), name in required, typed, errors)
        for name, one in schema.get("properties", {}).items()
    )


def read(
    schema: Mapping[str, Any], typed: Mapping[str, str], prefix: str = ROOT
) -> tuple[dict[str, Any], list[FieldError]]:
    """The JSON object that a filled-in form says, without what was left empty, and what cannot be read at all."""
    found: dict[str, Any] = {}
    problems: list[FieldError] = []
    for name, one in schema.get("properties", {}).items():
        value = _read(f"{prefix}.{name}", one, typed, problems)
        if value is not _MISSING:
            found[name] = value
    return found, problems


def all_errors(shown: Sequence[Field]) -> Iterator[tuple[Field, str]]:
    """Every message with its field, in the order of the form."""
    for field in shown:
        yield from ((field, message) for message in field.errors)
        yield from all_errors(field.fields)


def _kind(schema: Mapping[str, Any]) -> str:
    if schema.get("x-hidden"):
        return "hidden"
    types = _types(schema)
    kind = "json"
    if "enum" in schema or "x-options" in schema:
        kind = "select"
    elif types == {"object"} and schema.get("properties"):
        kind = "group"
    elif types == {"array"} and _kind(schema.get("items") or {}) in (
        "text",
        "integer",
        "number",
        "date",
        "email",
        "url",
    ):
        kind = "lines"
    elif len(types) == 1:
        kind = _BY_FORMAT.get(str(schema.get("format")), "") or _BY_TYPE.get(next(iter(types)), "json")
    if kind == "text" and "x-rows" in schema:
        return "textarea"
    return "select" if kind == "boolean" and _is_nullable(schema) else kind


def _types(schema: Mapping[str, Any]) -> set[str]:
    types = schema.get("type", [])
    return ({types} if isinstance(types, str) else set(types)) - {"null"}


def _is_nullable(schema: Mapping[str, Any]) -> bool:
    return isinstance(schema.get("type"), list) and "null" in schema["type"]


def _field(
    name: str,
    schema: Mapping[str, Any],
    value: Any,
    required: bool,
    typed: Mapping[str, str] | None,
    errors: Sequence[FieldError],
) -> Field:
    kind = _kind(schema)
    if value is _MISSING:
        value = schema.get("default")
    if kind == "group":
        inner = fields(schema, value if isinstance(value, Mapping) else {}, typed, errors, name)
        text, checked = "", False
    else:
        inner = ()
        text = _text(kind, value) if typed is None else typed.get(name, "")
        checked = value is True if typed is None else name in typed
    return Field(
        name=name,
        kind=kind,
        title=str(schema.get("title") or name.rpartition(".")[2]),
        text=text,
        description=str(schema.get("description") or ""),
        hint=_hint(kind, schema),
        required=required and kind != "boolean",
        checked=checked,
        rows=int(schema.get("x-rows", 4)),
        minimum=schema.get("minimum"),
        maximum=schema.get("maximum"),
        choices=_choices(schema, text, required) if kind == "select" else (),
        fields=inner,
        errors=_errors_of(name, kind, errors),
    )


def _errors_of(name: str, kind: str, errors: Sequence[FieldError]) -> tuple[str, ...]:
    below = f"{name}."
    return tuple(
        message if error.field == name else f"{error.field.removeprefix(below)}: {message}"
        for error in errors
        if error.field == name or (kind != "group" and error.field.startswith(below))
        for message in error.messages
    )


def _hint(kind: str, schema: Mapping[str, Any]) -> str:
    parts = []
    if kind == "datetime":
        parts.append("UTC")
    if schema.get("format") == "duration":
        parts.append(str(schema.get("x-unit", "seconds")))
    if kind == "lines":
        parts.append("one a line")
    if kind == "json":
        parts.append("JSON")
    if schema.get("x-last-success") and not schema.get("description"):
        parts.append("empty: the start of the last successful run")
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None or high is not None:
        parts.append(
            f"{low} to {high}" if None not in (low, high) else f"at least {low}" if high is None else f"at most {high}"
        )
    return ", ".join(parts)


def _choices(schema: Mapping[str, Any], chosen: str, required: bool) -> tuple[tuple[str, str, bool], ...]:
    if "x-options" in schema:
        options = [(one["value"], str(one.get("title", one["value"]))) for one in schema["x-options"]]
    elif "enum" in schema:
        options = [(value, str(value)) for value in schema["enum"] if value is not None]
    else:
        options = [(True, "Yes"), (False, "No")]
    listed = [(_compact(value), title, _compact(value) == chosen) for value, title in options]
    if not required or not any(selected for _, _, selected in listed):
        listed.insert(0, ("", "–", chosen == ""))
    return tuple(listed)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _text(kind: str, value: Any) -> str:
    if value is None:
        return ""
    if kind == "select" or (kind == "json" and value is not None):
        return json.dumps(value, ensure_ascii=False, indent=2 if kind == "json" else None)
    if kind == "lines":
        return "\n".join(str(item) for item in value) if isinstance(value, list) else str(value)
    if kind == "datetime":
        return _local(str(value))
    if kind == "hidden":
        return _compact(value)
    return str(value)


def _local(text: str) -> str:
    """An instant as a browser's date-time field takes it, in UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (at.astimezone(UTC) if at.tzinfo else at).replace(tzinfo=None).isoformat()


def _read(name: str, schema: Mapping[str, Any], typed: Mapping[str, str], problems: list[FieldError]) -> Any:
    kind = _kind(schema)
    if kind == "group":
        found, below = read(schema, typed, name)
        problems += below
        return found if found or not _is_nullable(schema) else _MISSING
    if kind == "boolean":
        return name in typed
    text = typed.get(name, "").replace("\r\n", "\n")
    if not text.strip():
        return _empty(schema)
    if kind in ("json", "select", "hidden"):
        return _read_json(name, text, problems)
    if kind == "lines":
        item = _kind(schema["items"])
        return [_read_scalar(item, line.strip()) for line in text.split("\n") if line.strip()]
    return _read_scalar(kind, text)


def _empty(schema: Mapping[str, Any]) -> Any:
    """What an empty field says: null where that may be, an empty list where one is expected, else nothing."""
    if schema.get("default") == "" and not _is_nullable(schema):
        return ""
    if _is_nullable(schema):
        return None
    return [] if _types(schema) == {"array"} and isinstance(schema.get("default"), list) else _MISSING


def _read_json(name: str, text: str, problems: list[FieldError]) -> Any:
    try:
        return json_values.loads(text)
    except json_values.NotJson as error:
        problems.append(FieldError(field=name, messages=(str(error),)))
        return _MISSING


def _read_scalar(kind: str, text: str) -> Any:
    """The value typed; text that is no number stays text, for the schema to complain about."""
    if kind == "datetime":
        return text if text.endswith(("Z", "z")) or "+" in text[10:] or "-" in text[10:] else f"{text}+00:00"
    if kind not in ("integer", "number"):
        return text
    try:
        value = json_values.loads(text.strip())
    except json_values.NotJson:
        return text
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text
