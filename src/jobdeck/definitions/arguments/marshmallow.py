"""A marshmallow `Schema`, 3 or 4, or a dict of marshmallow fields, as an argument schema."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, ValidationError, fields

from ...core.json_values import to_json_value
from ...errors import DefinitionError, InvalidInput
from . import shape
from .messages import flat, json_of

DISCRIMINATOR = "job_arg_schema"
_EXCLUSIVE = {"minimum": "min_inclusive", "maximum": "max_inclusive"}
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def of(declared: Any) -> MarshmallowSchema:
    """The argument schema behind a Schema class, a Schema, or a dict of fields."""
    if isinstance(declared, Mapping):
        for name, field in declared.items():
            _check_field(field, f"{name!r} in its arguments_schema")
        declared = Schema.from_dict(dict(declared), name="Arguments")
    if isinstance(declared, type) and issubclass(declared, Schema):
        for base in declared.__mro__:
            for name, value in vars(base).items():
                if isinstance(value, tuple) and len(value) == 1 and isinstance(value[0], fields.Field):
                    _check_field(value, f"{base.__name__}.{name}")
        try:
            declared = declared()
        except (TypeError, ValueError) as error:
            raise DefinitionError(f"its arguments_schema {declared.__name__} cannot be used: {error}") from error
    if not isinstance(declared, Schema) or declared.many:
        raise DefinitionError(f"its arguments_schema is {declared!r}; give a Schema class that describes one object.")
    return MarshmallowSchema(declared)


def _check_field(field: Any, place: str) -> None:
    if isinstance(field, tuple):
        raise DefinitionError(f"{place} is a tuple, so that the field would be lost; remove the comma at its end.")
    if not isinstance(field, fields.Field):
        raise DefinitionError(f"{place} is {field!r}; give a marshmallow field, such as fields.String().")


class MarshmallowSchema:
    """Values are what marshmallow loads; a task behind it gets the JSON that is stored."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    @cached_property
    def last_success_fields(self) -> tuple[str, ...]:
        """`since`, where there is one and it is a datetime: InvenioRDM's rule."""
        return ("since",) if _is_datetime(self._schema.load_fields.get("since")) else ()

    def load(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What marshmallow makes of `data`."""
        if too_long := list(shape.overlong(self._json_schema, data)):
            raise InvalidInput(too_long)
        try:
            loaded: Any = self._schema.load(dict(data))
        except ValidationError as error:
            raise InvalidInput.from_mapping(flat(error.messages)) from None
        if not isinstance(loaded, Mapping):
            name = type(self._schema).__name__
            raise DefinitionError(f"The schema {name} loads {type(loaded).__name__}; let it load a dict.")
        return dict(loaded)

    def dump(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What marshmallow dumps, without what a `dump_default` would add; datetimes in UTC."""
        instants = {name: _in_utc(self._schema.fields.get(name), value) for name, value in values.items()}
        dumped: dict[str, Any] = json_of(self._schema.dump(instants))
        added = {field.data_key or name for name, field in self._schema.dump_fields.items()
                 if (field.attribute or name) not in values}  # fmt: skip
        return {name: value for name, value in dumped.items() if name not in added}

    def restore(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """The same JSON."""
        return dict(stored)

    def json_schema(self) -> dict[str, Any]:
        """The plain shape, with labels and metadata as hints."""
        return self._json_schema

    def redact(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Load-only fields are hidden."""
        return shape.redact(self._json_schema, data)

    @cached_property
    def _json_schema(self) -> dict[str, Any]:
        # Without a spec every nested schema stands in place, and nothing else of apispec is needed.
        make: Any = OpenAPIConverter
        converter = make("3.1.0", lambda _: None, None)
        converter.add_attribute_function(_hints)
        with warnings.catch_warnings():
            # Of a second Regexp and the like, which a form does not show but loading checks all the same.
            warnings.simplefilter("ignore", UserWarning)
            schema = converter.schema2jsonschema(self._schema)
        properties = schema["properties"] = {
            name: one for name, one in schema.get("properties", {}).items() if not one.get("readOnly")
        }
        for name in self.last_success_fields:
            properties[name]["x-last-success"] = True
        if DISCRIMINATOR in properties:
            properties[DISCRIMINATOR]["default"] = type(self._schema).__name__
        schema.setdefault("additionalProperties", False)
        result: dict[str, Any] = to_json_value(shape.simplify(schema))
        return result


def _is_datetime(field: Any) -> bool:
    # In marshmallow 3 dates and times are datetimes too.
    return isinstance(field, fields.DateTime) and not isinstance(
        field, (fields.Date, fields.Time, fields.NaiveDateTime)
    )


def _in_utc(field: Any, value: Any) -> Any:
    """An instant in UTC; without a zone it counts as UTC, which is what a form shows."""
    if not isinstance(value, datetime) or not _is_datetime(field):
        return value
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _hints(converter: Any, field: Any, *, ret: dict[str, Any]) -> dict[str, Any]:
    """What apispec leaves out of a field's JSON Schema; called once for each field, with what it found so far."""
    hints = _from_metadata(field.metadata)
    if "type" in field.metadata:
        # A widget's name such as "hidden", which apispec takes for the type of the value.
        hints |= converter.field2type_and_format(field)
    hints |= _exact(field, ret)
    for validator in field.validators:
        for word, mark in _EXCLUSIVE.items():
            if getattr(validator, mark, True) is False and word in ret:
                hints[f"exclusive{word.capitalize()}"] = ret.pop(word)
        if labels := getattr(validator, "labels", None):
            pairs = zip(validator.choices, labels, strict=False)
            hints["x-options"] = [{"value": choice, "title": str(label)} for choice, label in pairs]
    if field.allow_none:
        if isinstance(hints.get("type"), str):
            hints["type"] = [hints["type"], "null"]
        if None not in ret.get("enum", [None]):
            hints["enum"] = [*ret["enum"], None]
    return hints


def _exact(field: Any, ret: dict[str, Any]) -> dict[str, Any]:
    """Types and formats that say how the value is stored."""
    if isinstance(field, fields.Decimal):
        return {"type": "string", "format": "decimal", **{word: float(ret[word]) for word in _BOUNDS if word in ret}}
    if isinstance(field, fields.TimeDelta):
        if ret.get("x-unit") == "seconds":
            del ret["x-unit"]
        return {"format": "duration"}
    if isinstance(field, fields.Time):
        return {"format": "time"}
    return {"format": "uri"} if isinstance(field, fields.Url) else {}


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
