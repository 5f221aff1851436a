"""One typed value: JSON in, what its annotation says out, and back. pydantic does the work; the words are ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails, to_jsonable_python

from ...errors import InvalidInput
from . import messages, shape

_BARE = (str, int, float, Enum, date, time, timedelta, Decimal, UUID, bytes, bytearray, type(None))
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_QUOTED = re.compile(r"'([^']*)'")


class NoJsonForm(TypeError):
    """A type whose values cannot be kept as JSON; the message is the reason."""


class Typed:
    """A type, and how its values are read from JSON and written to it."""

    def __init__(self, annotation: Any) -> None:
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)
            self.json_schema: dict[str, Any] = self._adapter.json_schema(schema_generator=_Shape)
        except (PydanticUserError, PydanticSchemaGenerationError, PydanticUndefinedAnnotation, TypeError) as error:
            raise NoJsonForm(str(error).strip().partition("\n")[0].rstrip(".")) from None
        if any(node.get("writeOnly") and node.get("format") == "password" for node in _nodes(self.json_schema)):
            raise NoJsonForm("a secret is not kept with a run; let the task read it from its environment")
        whole = {"properties": {"it": self.json_schema}, "$defs": self.json_schema.get("$defs", {})}
        self._shape: dict[str, Any] = shape.simplify(whole)["properties"]["it"]
        self._kinds = shape.types_of(self._shape) - {"null"}
        self._format = self._shape.get("format")

    def read(self, value: Any, *path: object) -> Any:
        """The typed value; InvalidInput names each place that does not fit, below `path`."""
        if isinstance(value, bool) and self._kinds and self._kinds <= {"integer", "number"}:
            raise InvalidInput.of(messages.path_of(*path), messages.not_valid(min(self._kinds)))
        if isinstance(value, int | float) and self._format in ("date-time", "date", "time"):
            raise InvalidInput.of(messages.path_of(*path), messages.not_valid(self._format))
        if unknown := list(shape.unknown_names(self._shape, value, *path)):
            raise InvalidInput.from_mapping({name: [messages.UNKNOWN] for name in unknown})
        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            found: dict[str, list[str]] = {}
            for detail in error.errors(include_url=False):
                found.setdefault(messages.path_of(*path, *_place(detail, value)), []).append(_sentence(detail))
            raise InvalidInput.from_mapping(found) from None

    def write(self, value: Any, *path: object) -> Any:
        """The JSON of a typed value; InvalidInput names what has none."""
        return messages.json_of(_bare(self._adapter.dump_python(value, warnings=False)), *path)


class _Shape(GenerateJsonSchema):
    """JSON Schema as jobdeck stores values: Decimal as text, timedelta in seconds, no bytes; no classes as titles."""

    def decimal_schema(self, schema: Any) -> JsonSchemaValue:
        bounds = {word: float(schema[bound]) for bound, word in _BOUNDS.items() if schema.get(bound) is not None}
        return {"type": "string", "format": "decimal", **bounds}

    def timedelta_schema(self, schema: Any) -> JsonSchemaValue:
        spans = {word: schema[bound] for bound, word in _BOUNDS.items() if schema.get(bound) is not None}
        return {"type": "number", "format": "duration", **{word: span.total_seconds() for word, span in spans.items()}}

    def bytes_schema(self, schema: Any) -> JsonSchemaValue:  # pydantic's signature
        raise TypeError("bytes have no JSON form; take text")

    def enum_schema(self, schema: Any) -> JsonSchemaValue:
        described = super().enum_schema(schema)
        described.pop("title", None)
        return described

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        return _plain(super().model_schema(schema), schema)

    def dataclass_schema(self, schema: Any) -> JsonSchemaValue:
        return _plain(super().dataclass_schema(schema), schema)

    def typed_dict_schema(self, schema: Any) -> JsonSchemaValue:
        return _plain(super().typed_dict_schema(schema), schema)

    def field_title_should_be_set(self, schema: Any) -> bool:  # pydantic's signature
        return False


def _plain(described: JsonSchemaValue, schema: Any) -> JsonSchemaValue:
    """Without the name of a class as title; closed, unless the class has settings of its own."""
    cls = schema.get("cls")
    if described.get("title") == getattr(cls, "__name__", None):
        described.pop("title", None)
    if not getattr(cls, "model_config", None) and not getattr(cls, "__pydantic_config__", None):
        described.setdefault("additionalProperties", False)
    return described


def _nodes(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        yield node
    for inner in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from _nodes(inner)


def _bare(value: Any) -> Any:
    """`value` with what pydantic alone can write, such as a path or a URL, as text."""
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(to_jsonable_python(key)): _bare(one) for key, one in value.items()}
    if isinstance(value, set | frozenset):
        value = _sorted(value)
    if isinstance(value, list | tuple):
        return [_bare(item) for item in value]
    return value if isinstance(value, _BARE) else to_jsonable_python(value)


def _sorted(value: Any) -> list[Any]:
    """A set in an order that does not change from one process to the next."""
    try:
        return sorted(value)
    except TypeError:
        return sorted(value, key=repr)


def _place(detail: ErrorDetails, value: Any) -> Iterator[int | str]:
    """Where in `value` the error is. pydantic also names the branch of a union, which is no place in the value."""
    for index, part in enumerate(detail["loc"], 1):
        if isinstance(value, Mapping) and (part in value or str(part) in value):
            value = value.get(part, value.get(str(part)))
            yield part
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
            yield part
        elif detail["type"] == "missing" and index == len(detail["loc"]):
            yield part


def _sentence(detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind == "missing":
        return messages.MISSING
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return messages.UNKNOWN
    if detail["input"] is None:
        return messages.NULL
    if kind in ("literal_error", "enum"):
        expected = str(detail["ctx"]["expected"])
        return messages.one_of(_QUOTED.findall(expected) or [expected])
    for start, word in _WORDS.items():
        if kind.startswith(start):
            return messages.not_valid(word)
    return messages.sentence(detail["msg"].removeprefix("Value error, ").replace("Input should be", "Must be", 1))


_WORDS = {
    "int_type": "integer",
    "int_parsing": "integer",
    "int_from": "integer",
    "float_type": "number",
    "float_parsing": "number",
    "decimal_type": "number",
    "decimal_parsing": "number",
    "finite_number": "number",
    "bool_": "boolean",
    "string_type": "string",
    "datetime_from": "date-time",
    "datetime_type": "date-time",
    "datetime_parsing": "date-time",
    "date_from": "date",
    "date_type": "date",
    "date_parsing": "date",
    "time_type": "time",
    "time_parsing": "time",
    "time_delta": "duration",
    "uuid_": "uuid",
    "list_type": "array",
    "tuple_type": "array",
    "set_type": "array",
    "frozen_set_type": "array",
    "dict_type": "object",
    "model_type": "object",
    "dataclass_type": "object",
}
