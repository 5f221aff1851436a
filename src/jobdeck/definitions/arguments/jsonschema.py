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

_ASIDE = ("$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas")
_CLOSING = ("additionalProperties", "unevaluatedProperties")
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
        raise DefinitionError(f"its arguments_schema is no valid JSON Schema at {place}: {error.message}.") from None
    _check(schema)
    made = JsonSchema(schema)
    for name, one in made.json_schema()["properties"].items():
        if isinstance(one, Mapping) and "default" in one and (wrong := made.problems({name: one["default"]}, name)):
            raise DefinitionError(f"the default of {name!r} does not fit its own schema: {' '.join(wrong)}")
    return made


def _check(schema: dict[str, Any]) -> None:
    version = schema.get("$schema", "")
    if version and "2020-12" not in version:
        raise DefinitionError(f"its arguments_schema is written for {version}; write JSON Schema 2020-12.")
    if shape.types_of(schema) - {"object"} or not schema.keys() & {"type", "properties", *_ASIDE}:
        raise DefinitionError('its arguments_schema describes no object; give {"type": "object", "properties": …}.')
    for reference in _references(schema):
        if not reference.startswith("#"):
            raise DefinitionError(
                f"its arguments_schema refers to {reference}; only references into itself (#/…) work."
            )
        if shape.resolve(schema, reference) is None:
            raise DefinitionError(f"its arguments_schema refers to {reference}, which it does not have.")


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
        if not schema.keys() & set(_CLOSING):
            # Beside a reference or a choice, only "unevaluated" knows which names have been described.
            word = _CLOSING[bool(schema.keys() & set(_ASIDE))]
            schema, self._shape[word] = {**schema, word: False}, False
        self._validator = _Validator(schema, format_checker=_FORMATS)

    @cached_property
    def last_success_fields(self) -> tuple[str, ...]:
        """Properties with `"x-last-success": true`."""
        named = self._shape["properties"].items()
        return tuple(name for name, one in named if isinstance(one, Mapping) and one.get("x-last-success"))

    def load(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """`data` with defaults filled in."""
        if long := list(_long_names(data)):
            raise InvalidInput.from_mapping({name: [_TOO_LONG] for name in long})
        values: dict[str, Any] = _with_defaults(self._shape, data)
        errors = list(self._validator.iter_errors(values))
        # Where a branch does not fit, all of its names count as unevaluated; its own errors say more.
        telling = [error for error in errors if error.validator != "unevaluatedProperties"] or errors
        found: dict[str, list[str]] = {}
        for error in telling:
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
        """The same JSON; a datetime filled in as ISO 8601."""
        dumped: dict[str, Any] = messages.json_of(values)
        return dumped

    def restore(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """The same JSON."""
        return dict(stored)

    def json_schema(self) -> dict[str, Any]:
        """The plain shape of what the author wrote."""
        return self._shape

    def redact(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What is marked as a password or write-only is hidden."""
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


def _long_names(value: Any, *path: object) -> Iterator[str]:
    """Where a name is too long to be matched against a pattern."""
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        if isinstance(name, str) and len(name) > shape.PATTERN_LIMIT:
            yield messages.path_of(*path, f"{name[:30]}…")
        else:
            yield from _long_names(inner, *path, name)


def _told(error: Any) -> Iterator[tuple[str, str]]:
    """(field, message) pairs of one jsonschema error, in words for people."""
    path, word, said = error.absolute_path, error.validator, error.validator_value
    if word == "required":
        # One error a missing name, which stands first in its message.
        missing = [name for name in said if name not in error.instance and error.message.startswith(repr(name))]
        yield from ((messages.path_of(*path, name), messages.MISSING) for name in missing)
    elif word in _CLOSING and said is False:
        extra = [name for name in error.instance if repr(name) in error.message]
        yield from ((messages.path_of(*path, name), messages.UNKNOWN) for name in extra)
    elif word == "type" and error.instance is None:
        yield messages.path_of(*path), messages.NULL
    else:
        say = _SENTENCES.get(word, lambda _: messages.sentence(error.message[:300]))
        yield messages.path_of(*path), say(said)


def _type(wanted: Any) -> str:
    return messages.not_valid(wanted if isinstance(wanted, str) else next(t for t in wanted if t != "null"))


_TOO_LONG = f"Longer than maximum length {shape.PATTERN_LIMIT}."
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


_extend: Any = validators.extend
_Validator = _extend(Draft202012Validator, {"pattern": _bounded})


def _format(name: str, read: Callable[[str], object]) -> None:
    """Register a format: a text is right when `read` takes it and what it gives is true."""
    raises = (ValueError, InvalidOperation)
    _FORMATS.checks(name, raises=raises)(lambda value: not isinstance(value, str) or bool(read(value)))


_format("date-time", lambda text: len(text) > 10 and datetime.fromisoformat(text).tzinfo is not None)
_format("date", lambda text: len(text) == 10 and date.fromisoformat(text))
_format("time", lambda text: isinstance(time.fromisoformat(text), time))
_format("decimal", lambda text: Decimal(text).is_finite())
_format("uri", lambda text: urlsplit(text).scheme)
for _name in ("email", "uuid", "ipv4", "ipv6", "regex"):
    _FORMATS.checkers[_name] = FormatChecker.checkers[_name]
