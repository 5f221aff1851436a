"""A JSON Schema (2020-12) of an object as an argument schema. Values and what is stored are the same JSON."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker, SchemaError, ValidationError, validators

from ...core.json_values import NotJson, to_json_value
from ...errors import DefinitionError, InvalidInput
from . import messages, shape

_OPEN = ("additionalProperties", "unevaluatedProperties", "patternProperties", "allOf", "anyOf", "oneOf", "$ref",
         "if", "dependentSchemas")  # fmt: skip
_FORMATS = FormatChecker(())


def of(declared: Mapping[str, Any]) -> JsonSchema:
    """The argument schema behind a JSON Schema; DefinitionError says what is wrong with it."""
    try:
        schema = to_json_value(declared)
        Draft202012Validator.check_schema(schema)
    except NotJson as error:
        raise DefinitionError(f"its arguments_schema is no JSON Schema: {error}") from None
    except SchemaError as error:
        place = ".".join(map(str, error.absolute_path)) or "its root"
        raise DefinitionError(f"its arguments_schema is no valid JSON Schema at {place}: {error.message}") from None
    if shape.types_of(schema) - {"object"} or not schema.keys() & {"type", "properties", "$ref", "allOf"}:
        raise DefinitionError('its arguments_schema describes no object; give {"type": "object", "properties": …}.')
    for reference in _references(schema):
        if not reference.startswith("#"):
            raise DefinitionError(
                f"its arguments_schema refers to {reference}; only references into itself (#/…) work."
            )
    made = JsonSchema(schema)
    for name, one in made.json_schema()["properties"].items():
        if isinstance(one, Mapping) and "default" in one and (wrong := made.problems({name: one["default"]}, name)):
            raise DefinitionError(f"the default of {name!r} does not fit its own schema: {' '.join(wrong)}")
    return made


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from _references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _references(inner)


class JsonSchema:
    """What the schema leaves open stays open, except that unknown names are refused unless it allows them."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._shape = shape.simplify(schema)
        if not schema.keys() & set(_OPEN):
            schema = {**schema, "additionalProperties": False}
            self._shape["additionalProperties"] = False
        self._validator = _Validator(schema, format_checker=_FORMATS)

    @cached_property
    def last_success_fields(self) -> tuple[str, ...]:
        named = self._shape["properties"].items()
        return tuple(name for name, one in named if isinstance(one, Mapping) and one.get("x-last-success"))

    def load(self, data: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = _with_defaults(self._shape, data)
        found: dict[str, list[str]] = {}
        for error in self._validator.iter_errors(values):
            for field, text in _told(error):
                found.setdefault(field, []).append(text)
        if found:
            raise InvalidInput.from_mapping(found)
        return values

    def problems(self, data: Mapping[str, Any], name: str) -> list[str]:
        """What is wrong with the property `name` of `data`, the others aside."""
        told = (pair for error in self._validator.iter_errors(data) for pair in _told(error))
        return [text for field, text in told if field.partition(".")[0] == name]

    def dump(self, values: Mapping[str, Any]) -> dict[str, Any]:
        dumped: dict[str, Any] = messages.json_of(values)
        return dumped

    def restore(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        return dict(stored)

    def json_schema(self) -> dict[str, Any]:
        return self._shape

    def redact(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return shape.redact(self._shape, data)


def _with_defaults(schema: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    filled = copy.deepcopy(dict(data))
    for name, one in schema.get("properties", {}).items():
        if not isinstance(one, Mapping):
            continue
        if name not in filled and "default" in one:
            filled[name] = copy.deepcopy(one["default"])
        elif isinstance(filled.get(name), Mapping):
            filled[name] = _with_defaults(one, filled[name])
    return filled


def _told(error: ValidationError) -> Iterator[tuple[str, str]]:
    """(field, message) pairs of one error, in words for people."""
    path = error.absolute_path
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        # jsonschema raises one error a missing name, which stands first in its message.
        yield from (
            (messages.path_of(*path, n), messages.MISSING) for n in missing if error.message.startswith(repr(n))
        )
    elif error.validator == "additionalProperties" and error.validator_value is False:
        known = error.schema.get("properties", {})
        yield from ((messages.path_of(*path, name), messages.UNKNOWN) for name in error.instance if name not in known)
    elif error.validator == "type" and error.instance is None:
        yield messages.path_of(*path), messages.NULL
    else:
        say = _SENTENCES.get(str(error.validator), lambda _: messages.sentence(error.message[:300]))
        yield messages.path_of(*path), say(error.validator_value)


def _type(wanted: Any) -> str:
    return messages.not_valid(wanted if isinstance(wanted, str) else next(t for t in wanted if t != "null"))


_SENTENCES: dict[str, Callable[[Any], str]] = {
    "type": _type,
    "format": messages.not_valid,
    "enum": messages.one_of,
    "const": lambda value: messages.one_of([value]),
    "minimum": lambda limit: f"Must be greater than or equal to {limit}.",
    "maximum": lambda limit: f"Must be less than or equal to {limit}.",
    "exclusiveMinimum": lambda limit: f"Must be greater than {limit}.",
    "exclusiveMaximum": lambda limit: f"Must be less than {limit}.",
    "multipleOf": lambda step: f"Must be a multiple of {step}.",
    "minLength": lambda limit: f"Shorter than minimum length {limit}.",
    "maxLength": lambda limit: f"Longer than maximum length {limit}.",
    "minItems": lambda limit: f"Must have at least {limit} items.",
    "maxItems": lambda limit: f"Must have at most {limit} items.",
    "pattern": lambda pattern: f"Does not match the pattern {pattern}.",
}


def _bounded(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """The keyword `pattern`, which reads no more than a bounded text."""
    if isinstance(instance, str) and len(instance) > shape.PATTERN_LIMIT:
        limit = ValidationError("too long to be matched against a pattern")
        limit.validator, limit.validator_value = "maxLength", shape.PATTERN_LIMIT
        yield limit
        return
    yield from Draft202012Validator.VALIDATORS["pattern"](validator, pattern, instance, schema) or ()


_Validator = validators.extend(Draft202012Validator, {"pattern": _bounded})


def _check(name: str, read: Callable[[str], object]) -> None:
    """Register a format: a text is right when `read` takes it and what it gives is true."""
    raises = (ValueError, InvalidOperation)
    _FORMATS.checks(name, raises=raises)(lambda value: not isinstance(value, str) or bool(read(value)))


_check("date-time", lambda text: len(text) > 10 and datetime.fromisoformat(text).tzinfo is not None)
_check("date", lambda text: len(text) == 10 and date.fromisoformat(text))
_check("time", lambda text: isinstance(time.fromisoformat(text), time))
_check("decimal", lambda text: Decimal(text).is_finite())
_check("uri", lambda text: urlsplit(text).scheme)
for _name in ("email", "uuid", "ipv4", "ipv6", "regex"):
    _FORMATS.checkers[_name] = FormatChecker.checkers[_name]
