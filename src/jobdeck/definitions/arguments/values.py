"""One typed value: JSON in, what its annotation says out, and back. pydantic does the work; the words are ours."""

from __future__ import annotations

from collections.abc import Mapping
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


class NoJsonForm(TypeError):
    """A type whose values cannot be kept as JSON; the message is the reason."""


class Typed:
    """A type, and how its values are read from JSON and written to it."""

    def __init__(self, annotation: Any) -> None:
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)
            described = self._adapter.json_schema(schema_generator=_Shape)
        except (PydanticUserError, PydanticSchemaGenerationError, PydanticUndefinedAnnotation, TypeError) as error:
            raise NoJsonForm(str(error).strip().partition("\n")[0]) from None
        self.json_schema: dict[str, Any] = _untitled(described)
        whole = shape.simplify({"properties": {"it": self.json_schema}, "$defs": described.get("$defs", {})})
        self._kinds = shape.types_of(whole["properties"]["it"]) - {"null"}
        self._format = whole["properties"]["it"].get("format")

    def read(self, value: Any, *path: object) -> Any:
        """The typed value; InvalidInput names each place that does not fit, below `path`."""
        if isinstance(value, bool) and self._kinds and self._kinds <= {"integer", "number"}:
            raise InvalidInput.of(messages.path_of(*path), messages.not_valid(min(self._kinds)))
        if isinstance(value, int | float) and self._format in ("date-time", "date", "time"):
            raise InvalidInput.of(messages.path_of(*path), messages.not_valid(self._format))
        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            found: dict[str, list[str]] = {}
            for detail in error.errors(include_url=False, include_context=True):
                found.setdefault(messages.path_of(*path, *_place(detail)), []).append(_sentence(detail))
            raise InvalidInput.from_mapping(found) from None

    def write(self, value: Any, *path: object) -> Any:
        """The JSON of a typed value; InvalidInput names what has none."""
        return messages.json_of(_bare(self._adapter.dump_python(value, warnings=False)), *path)


class _Shape(GenerateJsonSchema):
    """JSON Schema as jobdeck stores values: Decimal as text, timedelta in seconds; no bytes, no secrets."""

    def decimal_schema(self, schema: Any) -> JsonSchemaValue:
        bounds = {word: float(schema[bound]) for bound, word in _BOUNDS.items() if schema.get(bound) is not None}
        return {"type": "string", "format": "decimal", **bounds}

    def timedelta_schema(self, schema: Any) -> JsonSchemaValue:
        given = {word: schema[bound] for bound, word in _BOUNDS.items() if schema.get(bound) is not None}
        return {"type": "number", "format": "duration", **{w: span.total_seconds() for w, span in given.items()}}

    def bytes_schema(self, schema: Any) -> JsonSchemaValue:  # noqa: ARG002 # the signature is pydantic's
        raise TypeError("bytes have no JSON form; take text")

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 # the signature is pydantic's
        return False


def _untitled(described: dict[str, Any]) -> dict[str, Any]:
    """Without the names of classes as titles, which are for programmers."""
    if described.get("format") == "password":
        raise NoJsonForm("a secret is not kept with a run; let the task read it from its environment")
    titles = [one.pop("title", None) for one in described.get("$defs", {}).values()]
    if "properties" in described or described.get("title") in titles:
        described.pop("title", None)
    return described


def _bare(value: Any) -> Any:
    """`value` with what pydantic alone can write, such as a path or a URL, as text."""
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(_bare_key(key)): _bare(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_bare(item) for item in value]
    return value if isinstance(value, _BARE) else to_jsonable_python(value)


def _bare_key(key: Any) -> Any:
    return to_jsonable_python(key)


def _place(detail: ErrorDetails) -> tuple[int | str, ...]:
    """Where the error is, without the names of a union's branches."""
    place = detail["loc"]
    # Of a union, pydantic names the branch after the place; such a name is no key of the value.
    return tuple(part for part in place if not (isinstance(part, str) and part in _BRANCHES))


_BRANCHES = {"int", "str", "float", "bool", "date", "datetime", "time", "timedelta", "decimal", "uuid", "none"}


def _sentence(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return messages.MISSING
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return messages.UNKNOWN
    if kind in ("literal_error", "enum"):
        return f"Must be one of: {str(context['expected']).replace(' or ', ', ')}."
    if detail["input"] is None:
        return messages.NULL
    for start, word in _WORDS.items():
        if kind.startswith(start):
            return messages.not_valid(word)
    return messages.sentence(detail["msg"].removeprefix("Value error, "))


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
