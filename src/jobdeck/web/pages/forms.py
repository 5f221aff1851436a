"""Forms made from a JSON Schema, and what was typed made into JSON again. Pure: no Flask here.

Reads only the plain shape that `definitions.arguments.shape` describes. A field's name in the form is its path below
`args` (`args.since`, `args.contact.email`); whether a value is right is for the schema to say, not for the form.
What a form shows, sent back unchanged, gives the values it was made from. Neighbour: `form_values` knows how one
value stands in a field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import FieldError
from . import form_values
from .form_values import MISSING

ROOT = "args"
_BY_FORMAT = {"date": "date", "date-time": "datetime", "time": "time", "duration": "duration", "decimal": "decimal",
              "email": "email", "uri": "url", "password": "password"}  # fmt: skip
_BY_TYPE = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}
_IN_LINES = ("text", "integer", "number", "decimal", "date", "email", "url")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field as a template shows it. `text` is what stands in it; `choices` are (value, title, selected).

    `kind`: text, textarea, integer, number, decimal, duration, boolean, select, date, datetime, time, email, url,
    password, lines, json, hidden, group.
    """

    name: str
    kind: str
    title: str
    text: str = ""
    description: str = ""
    hint: str = ""
    required: bool = False
    checked: bool = False
    rows: int = 3
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
        _field(f"{prefix}.{name}", _as_schema(one), values.get(name, MISSING), name in required, typed, errors)
        for name, one in schema.get("properties", {}).items()
    )


def read(
    schema: Mapping[str, Any], typed: Mapping[str, str], saved: Mapping[str, Any] | None = None, prefix: str = ROOT
) -> tuple[dict[str, Any], list[FieldError]]:
    """The JSON object that a filled-in form says, without what was left empty, and what cannot be read at all.

    A secret is never shown: left empty, the `saved` one is kept.
    """
    found: dict[str, Any] = {}
    problems: list[FieldError] = []
    required = schema.get("required", ())
    for name, one in schema.get("properties", {}).items():
        kept = (saved or {}).get(name, MISSING)
        value = _read(f"{prefix}.{name}", _as_schema(one), typed, kept, name in required, problems)
        if value is not MISSING:
            found[name] = value
    return found, problems


def all_fields(shown: Sequence[Field]) -> Iterator[Field]:
    """Every field, those of groups after their group: the order of the page."""
    for field in shown:
        yield field
        yield from all_fields(field.fields)


def concerns(name: str, kind: str, error: FieldError) -> bool:
    """Whether an error is told beside a field; what is wrong inside of a value is told where the value is typed."""
    return error.field == name or (kind != "group" and error.field.startswith(f"{name}."))


def _as_schema(schema: Any) -> Mapping[str, Any]:
    # JSON Schema has `true` for "anything".
    return schema if isinstance(schema, Mapping) else {}


def _kind(schema: Mapping[str, Any]) -> str:
    if schema.get("x-hidden"):
        return "hidden"
    types = _types(schema)
    if "enum" in schema or "x-options" in schema:
        return "json" if types & {"array", "object"} else "select"
    if types == {"object"} and schema.get("properties"):
        return "group"
    if types == {"array"} and _kind(_as_schema(schema.get("items"))) in _IN_LINES:
        return "lines"
    if len(types) != 1:
        return "json"
    kind = _BY_FORMAT.get(str(schema.get("format")), "") or _BY_TYPE.get(next(iter(types)), "json")
    if kind == "text" and schema.get("writeOnly"):
        return "password"
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
    is_kept = kind == "password" and value not in (MISSING, None, "")
    if value is MISSING:
        value = schema.get("default", MISSING)
    text = _text(name, kind, schema, value, typed)
    return Field(
        name=name,
        kind=form_values.control(kind, text),
        title=str(schema.get("title") or name.rpartition(".")[2]),
        text=text,
        description=str(schema.get("description") or ""),
        hint=_hint(kind, schema, is_kept=is_kept),
        required=required and kind != "boolean" and not is_kept,
        checked=value is True if typed is None else name in typed,
        rows=max(int(schema.get("x-rows", 3)), min(text.count("\n") + 1, 12)),
        choices=_choices(schema, text, required=required) if kind == "select" else (),
        fields=_inner(name, schema, value, typed, errors) if kind == "group" else (),
        errors=tuple(
            message for error in errors if concerns(name, kind, error) for message in _told(name, kind, error)
        ),
    )


def _inner(
    name: str, schema: Mapping[str, Any], value: Any, typed: Mapping[str, str] | None, errors: Sequence[FieldError]
) -> tuple[Field, ...]:
    return fields(schema, value if isinstance(value, Mapping) else {}, typed, errors, name)


def _text(name: str, kind: str, schema: Mapping[str, Any], value: Any, typed: Mapping[str, str] | None) -> str:
    if kind in ("group", "password", "boolean"):
        return ""
    if typed is not None:
        return typed.get(name, "")
    if value is None and kind == "json" and not _is_nullable(schema):
        return "null"
    return "" if value is None or value is MISSING else form_values.text(kind, value, _item_kind(schema), _unit(schema))


def _told(name: str, kind: str, error: FieldError) -> tuple[str, ...]:
    below = error.field.removeprefix(name).removeprefix(".")
    if not below:
        return error.messages
    first = below.partition(".")[0]
    where = f"Line {int(first) + 1}" if kind == "lines" and first.isdecimal() else below
    return tuple(f"{where}: {message}" for message in error.messages)


def _hint(kind: str, schema: Mapping[str, Any], *, is_kept: bool) -> str:
    parts = []
    if kind == "datetime":
        parts.append("UTC")
    if kind == "duration":
        parts.append(f"{schema.get('x-unit', 'seconds')}, or such as 90s, 15m, 2h")
    if kind == "lines":
        parts.append("one per line")
    if kind == "json":
        parts.append("JSON")
    if is_kept:
        parts.append("leave empty to keep the saved one")
    if schema.get("x-last-success") and not schema.get("description"):
        parts.append("empty: the start of the last successful run")
    parts += _bounds(schema, "minimum", "maximum", "")
    parts += _bounds(schema, "minLength", "maxLength", " characters")
    return "; ".join(parts)


def _bounds(schema: Mapping[str, Any], least: str, most: str, what: str) -> list[str]:
    low, high = schema.get(least), schema.get(most)
    if low is not None and high is not None:
        return [f"{low} to {high}{what}"]
    if low is not None and not (what and low <= 1):
        return [f"at least {low}{what}"]
    return [] if high is None else [f"at most {high}{what}"]


def _choices(schema: Mapping[str, Any], chosen: str, *, required: bool) -> tuple[tuple[str, str, bool], ...]:
    if "x-options" in schema:
        options = [(one["value"], str(one.get("title", one["value"]))) for one in schema["x-options"]]
    elif "enum" in schema:
        options = [(value, str(value)) for value in schema["enum"] if value is not None]
    else:
        options = [(True, "Yes"), (False, "No")]
    listed = [(form_values.compact(value), title) for value, title in options]
    if chosen and chosen not in [value for value, _ in listed]:
        listed.append((chosen, f"{chosen} (not offered any more)"))
    if not required or not chosen:
        listed.insert(0, ("", "–"))
    return tuple((value, title, value == chosen) for value, title in listed)


def _read(
    name: str,
    schema: Mapping[str, Any],
    typed: Mapping[str, str],
    saved: Any,
    required: bool,
    problems: list[FieldError],
) -> Any:
    kind = _kind(schema)
    if kind == "group":
        if not required and _is_untouched(name, schema, typed):
            return None if _is_nullable(schema) else MISSING
        found, below = read(schema, typed, saved if isinstance(saved, Mapping) else {}, name)
        problems += below
        return found
    if kind == "boolean":
        return name in typed
    text = typed.get(name, "").replace("\r\n", "\n")
    if not text or (kind not in ("text", "textarea", "password") and not text.strip()):
        return saved if kind == "password" and saved is not MISSING else _empty(kind, schema, required=required)
    try:
        return form_values.value(kind, text, _item_kind(schema), _unit(schema))
    except form_values.Unreadable as error:
        problems.append(FieldError(field=name, messages=(str(error),)))
        return MISSING


def _is_untouched(name: str, schema: Mapping[str, Any], typed: Mapping[str, str]) -> bool:
    """Whether a group stands as an empty form shows it, and there is nothing in that."""
    if isinstance(schema.get("default"), Mapping):
        return False
    for field in all_fields(fields(schema, {}, None, (), name)):
        if field.kind == "boolean":
            if (field.name in typed) != field.checked:
                return False
        elif field.kind != "group" and typed.get(field.name, "").replace("\r\n", "\n") != _as_sent(field):
            return False
    return True


def _as_sent(field: Field) -> str:
    """What a browser sends for a field that nobody touched."""
    if field.kind == "select":
        return next((value for value, _, selected in field.choices if selected), field.choices[0][0])
    return field.text


def _empty(kind: str, schema: Mapping[str, Any], *, required: bool) -> Any:
    """What an empty field says: null where that may be, an empty text or list where one is the value, else nothing."""
    if _is_nullable(schema):
        return None
    if kind in ("text", "textarea") and not required and schema.get("default") is not None:
        return ""
    return [] if kind == "lines" and schema.get("default") is not None else MISSING


def _item_kind(schema: Mapping[str, Any]) -> str:
    return _kind(_as_schema(schema.get("items"))) if "array" in _types(schema) else ""


def _unit(schema: Mapping[str, Any]) -> str:
    return str(schema.get("x-unit", "seconds"))
