"""The fields of a type's arguments as InvenioRDM's clients read them (`GET /tasks/<id>/args`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .arguments.shape import types_of

_BY_FORMAT = {
    "date-time": "datetime",
    "date": "date",
    "time": "time",
    "duration": "timedelta",
    "decimal": "decimal",
    "uuid": "uuid",
    "email": "email",
    "uri": "url",
}
_BY_TYPE = {"string": "string", "integer": "integer", "number": "float", "boolean": "bool", "array": "list"}
_METADATA = {"x-options": "options", "x-rows": "rows", "x-order": "order", "description": "description"}


def fields_of(json_schema: Mapping[str, Any]) -> dict[str, Any]:
    """`{name: {type, required, title, metadata, …}}` of an object's JSON Schema."""
    required = json_schema.get("required", ())
    return {
        name: _field(one, name in required)
        for name, one in json_schema.get("properties", {}).items()
        if isinstance(one, Mapping)
    }


def _field(schema: Mapping[str, Any], required: bool) -> dict[str, Any]:
    metadata = {word: schema[key] for key, word in _METADATA.items() if key in schema}
    if schema.get("x-hidden"):
        metadata["type"] = "hidden"
    shown: dict[str, Any] = {
        "type": _type(schema),
        "required": required,
        "readOnly": bool(schema.get("readOnly", False)),
        "createOnly": False,
        "title": schema.get("title"),
        "metadata": metadata,
        "dump_default": schema.get("default"),
        "load_default": schema.get("default"),
    }
    if "enum" in schema:
        shown["enum"] = [choice for choice in schema["enum"] if choice is not None]
    if "properties" in schema:
        shown["properties"] = fields_of(schema)
    if isinstance(schema.get("items"), Mapping):
        shown["items"] = _field(schema["items"], required=False)
    return shown


def _type(schema: Mapping[str, Any]) -> str:
    if "properties" in schema:
        return "nested"
    if schema.get("format") in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]]
    types = types_of(schema) - {"null"}
    if len(types) == 1:
        return _BY_TYPE.get(types.pop(), "dict")
    # Several types, or none said: a text when every choice is one, else anything that JSON can say.
    choices = [choice for choice in schema.get("enum", ()) if choice is not None]
    return "string" if choices and all(isinstance(choice, str) for choice in choices) else "dict"
