"""A marshmallow `Schema`, 3 or 4, or a dict of marshmallow fields, as an argument schema."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, ValidationError, fields

from ...core.json_values import to_json_value
from ...errors import DefinitionError, InvalidInput
from . import shape
from .messages import json_of

DISCRIMINATOR = "job_arg_schema"


def of(declared: Any) -> MarshmallowSchema:
    """The argument schema behind a Schema class, a Schema, or a dict of fields."""
    if isinstance(declared, Mapping):
        declared = Schema.from_dict(dict(declared), name="Arguments")
    if isinstance(declared, type):
        if not issubclass(declared, Schema):
            raise DefinitionError(f"its arguments_schema is the field class {declared.__name__}; give a Schema class.")
        _refuse_lost_fields(declared)
        try:
            declared = declared()
        except (TypeError, ValueError) as error:
            raise DefinitionError(f"its arguments_schema {declared.__name__} cannot be used: {error}") from error
    if not isinstance(declared, Schema) or declared.many:
        raise DefinitionError(f"its arguments_schema is {declared!r}; give a Schema class that describes one object.")
    return MarshmallowSchema(declared)


def _refuse_lost_fields(schema: type[Schema]) -> None:
    for base in schema.__mro__:
        for name, value in vars(base).items():
            if isinstance(value, tuple) and len(value) == 1 and isinstance(value[0], fields.Field):
                raise DefinitionError(
                    f"{base.__name__}.{name} is a tuple, so that the field is lost; remove the comma at its end."
                )


class MarshmallowSchema:
    """Values are what marshmallow loads; a task behind it gets the JSON that is stored."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    @cached_property
    def last_success_fields(self) -> tuple[str, ...]:
        since = self._schema.load_fields.get("since")
        return ("since",) if isinstance(since, fields.DateTime) and not isinstance(since, fields.Date) else ()

    def load(self, data: Mapping[str, Any]) -> dict[str, Any]:
        too_long = list(shape.overlong(self.json_schema(), data))
        if too_long:
            raise InvalidInput(too_long)
        try:
            loaded = self._schema.load(dict(data))
        except ValidationError as error:
            raise InvalidInput.from_mapping(flat(error.normalized_messages())) from None
        if not isinstance(loaded, Mapping):
            name = type(self._schema).__name__
            raise DefinitionError(f"The schema {name} loads {type(loaded).__name__}; let it load a dict.")
        return dict(loaded)

    def dump(self, values: Mapping[str, Any]) -> dict[str, Any]:
        dumped: dict[str, Any] = json_of(self._schema.dump(values))
        return {name: value for name, value in dumped.items() if self._is_meant(name, values)}

    def restore(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        return dict(stored)

    def json_schema(self) -> dict[str, Any]:
        return self._json_schema

    def redact(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return shape.redact(self._json_schema, data)

    def _is_meant(self, name: str, values: Mapping[str, Any]) -> bool:
        """Whether a dumped field was among the values, and not added by a `dump_default`."""
        field = self._schema.dump_fields.get(name)
        return field is None or (field.attribute or name) in values

    @cached_property
    def _json_schema(self) -> dict[str, Any]:
        converter = OpenAPIConverter("3.1.0", lambda _: None, None)  # type: ignore[no-untyped-call] # apispec has none
        converter.add_attribute_function(_hints)
        with warnings.catch_warnings():
            # Of a second Regexp and the like, which a form does not show but loading checks all the same.
            warnings.simplefilter("ignore", UserWarning)
            schema = converter.schema2jsonschema(self._schema)
        properties = schema["properties"]
        for name in [name for name, one in properties.items() if one.get("readOnly")]:
            del properties[name]
        for name in self.last_success_fields:
            properties[name]["x-last-success"] = True
        if DISCRIMINATOR in properties:
            properties[DISCRIMINATOR]["default"] = type(self._schema).__name__
        schema.setdefault("additionalProperties", False)
        result: dict[str, Any] = to_json_value(shape.simplify(schema))
        return result


def flat(messages: Any, *path: str) -> dict[str, list[str]]:
    """`{"a": {0: {"b": ["Wrong."]}}}` → `{"a.0.b": ["Wrong."]}`."""
    if isinstance(messages, Mapping):
        found: dict[str, list[str]] = {}
        for name, inner in messages.items():
            for field, texts in flat(inner, *path, str(name)).items():
                found.setdefault(field, []).extend(texts)
        return found
    texts = [messages] if isinstance(messages, str) or not isinstance(messages, Iterable) else list(messages)
    return {".".join(path) or "_schema": [str(text) for text in texts]}


def _hints(converter: Any, field: Any, *, ret: dict[str, Any]) -> dict[str, Any]:
    """What apispec leaves out of a field's JSON Schema."""
    hints = {**converter.field2type_and_format(field), **_exact(field, ret), **_from_metadata(field.metadata)}
    labels = [(v.choices, v.labels) for v in field.validators if getattr(v, "labels", None)]
    for choices, titles in labels:
        hints["x-options"] = [{"value": c, "title": str(t)} for c, t in zip(choices, titles, strict=False)]
    if field.allow_none and isinstance(hints.get("type"), str):
        hints["type"] = [hints["type"], "null"]
    if field.allow_none and None not in ret.get("enum", [None]):
        hints["enum"] = [*ret["enum"], None]
    if isinstance(field, fields.Nested) and not isinstance(field, fields.Pluck):
        # A list of schemas has no type of its own in the mapping; what apispec found for it stands.
        hints.pop("type", None)
    return hints


def _exact(field: Any, ret: dict[str, Any]) -> dict[str, Any]:
    if isinstance(field, fields.Decimal):
        return {"type": "string", "format": "decimal", **{k: float(ret[k]) for k in _BOUNDS if k in ret}}
    if isinstance(field, fields.TimeDelta):
        if ret.get("x-unit") == "seconds":
            del ret["x-unit"]
        return {"format": "duration"}
    if isinstance(field, fields.DateTime | fields.Date | fields.Time | fields.Url | fields.Enum | fields.Pluck):
        given = {"type": ret["type"]} if isinstance(ret.get("type"), str) else {}
        kinds: dict[type, str] = {fields.Time: "time", fields.Url: "uri"}
        format_ = next((kinds[kind] for kind in kinds if isinstance(field, kind)), ret.get("format"))
        return {**given, **({"format": format_} if format_ else {})}
    return {}


_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def _from_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    hints: dict[str, Any] = {f"x-{word}": metadata[word] for word in ("rows", "order") if word in metadata}
    if metadata.get("type") == "hidden":
        hints["x-hidden"] = True
    for word in ("title", "description"):
        if word in metadata:
            hints[word] = str(metadata[word])
    if metadata.get("options"):
        hints["x-options"] = [_option(one) for one in metadata["options"]]
    return hints


def _option(option: Any) -> dict[str, Any]:
    """`{"id", "title_l10n"}`, `{"value", "text"}`, a pair, or the value alone."""
    if isinstance(option, Mapping):
        value = next((option[key] for key in ("value", "id") if key in option), None)
        title = next((option[key] for key in ("title", "title_l10n", "text", "label", "name") if key in option), value)
        return {"value": value, "title": str(title)}
    if isinstance(option, tuple | list) and len(option) == 2:
        return {"value": option[0], "title": str(option[1])}
    return {"value": option, "title": str(option)}
