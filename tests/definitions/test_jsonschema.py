"""JSON Schemas written by hand: defaults, messages, what is closed, and bounded patterns."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from jobdeck import JobType
from jobdeck.core.job import Job
from jobdeck.definitions.arguments.jsonschema import of

Refused = Callable[..., dict[str, str]]
EVERYTHING: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 5},
        "size": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
        "ratio": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "multipleOf": 0.25},
        "mode": {"enum": ["a", "b", None], "default": "a"},
        "fixed": {"const": 7},
        "when": {"type": ["string", "null"], "format": "date-time"},
        "day": {"type": "string", "format": "date"},
        "hour": {"type": "string", "format": "time"},
        "exact": {"type": "string", "format": "decimal"},
        "mail": {"type": "string", "format": "email"},
        "link": {"type": "string", "format": "uri"},
        "unique": {"type": "string", "format": "uuid"},
        "code": {"type": "string", "pattern": "^(a+)+$"},
        "list": {"type": "array", "items": {"$ref": "#/$defs/item"}, "minItems": 1, "maxItems": 2},
        "deep": {"type": "object", "properties": {"a": {"type": "integer", "default": 1}}, "required": ["a"]},
        "either": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]},
    },
    "required": ["name"],
    "$defs": {"item": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}},
}


def test_defaults_are_filled_in() -> None:
    schema = of(EVERYTHING)
    assert schema.load({"name": "ab", "deep": {}}) == {"name": "ab", "size": 3, "mode": "a", "deep": {"a": 1}}
    assert schema.load({"name": "ab", "size": 4, "mode": None})["mode"] is None
    stored = schema.dump(schema.load({"name": "ab"}))
    assert schema.restore(stored) == stored == {"name": "ab", "size": 3, "mode": "a"}


@pytest.mark.parametrize(
    ("wrong", "errors"),
    [
        ({"name": 3}, {"name": "Not a valid string."}),
        ({"name": None}, {"name": "Field may not be null."}),
        ({"name": "a"}, {"name": "Shorter than minimum length 2."}),
        ({"name": "abcdef"}, {"name": "Longer than maximum length 5."}),
        ({"size": True}, {"size": "Not a valid integer."}),
        ({"size": 0}, {"size": "Must be greater than or equal to 1."}),
        ({"size": 10}, {"size": "Must be less than or equal to 9."}),
        ({"ratio": 0}, {"ratio": "Must be greater than 0."}),
        ({"ratio": 1}, {"ratio": "Must be less than 1."}),
        ({"ratio": 0.3}, {"ratio": "Must be a multiple of 0.25."}),
        ({"mode": "c"}, {"mode": "Must be one of: a, b."}),
        ({"fixed": 8}, {"fixed": "Must be one of: 7."}),
        ({"when": "2026-01-02T03:04:05"}, {"when": "Not a valid datetime."}),
        ({"when": "2026-01-02"}, {"when": "Not a valid datetime."}),
        ({"when": 3}, {"when": "Not a valid string."}),
        ({"day": "2026-02-30"}, {"day": "Not a valid date."}),
        ({"day": "20260203"}, {"day": "Not a valid date."}),
        ({"hour": "25:00"}, {"hour": "Not a valid time."}),
        ({"exact": "1,5"}, {"exact": "Not a valid number."}),
        ({"exact": "NaN"}, {"exact": "Not a valid number."}),
        ({"mail": "x"}, {"mail": "Not a valid email address."}),
        ({"link": "x"}, {"link": "Not a valid URL."}),
        ({"unique": "x"}, {"unique": "Not a valid UUID."}),
        ({"code": "b"}, {"code": "Does not match the pattern ^(a+)+$."}),
        ({"list": []}, {"list": "Must have at least 1 items."}),
        ({"list": [{"n": 1}, {"n": "x"}]}, {"list.1.n": "Not a valid integer."}),
        ({"list": [{}]}, {"list.0.n": "Missing data for required field."}),
        ({"deep": 3}, {"deep": "Not a valid object."}),
        ({"either": "x"}, {"either": "'x' is not valid under any of the given schemas."}),
        ({"foo": 1, "bar": 2}, {"foo": "Unknown field.", "bar": "Unknown field."}),
    ],
)
def test_what_does_not_fit_is_named(wrong: Any, errors: dict[str, str], refused: Refused) -> None:
    assert refused(of(EVERYTHING).load, {"name": "ab", **wrong}) == errors


def test_what_is_missing_is_named(refused: Refused) -> None:
    schema = of({"type": "object", "required": ["a", "b"], "properties": {"a": {}, "b": {}}})
    missing = "Missing data for required field."
    assert refused(schema.load, {}) == {"a": missing, "b": missing}


def test_right_values_are_taken() -> None:
    given = {
        "name": "ab", "ratio": 0.5, "when": "2026-01-02T03:04:05Z", "day": "2026-01-02", "hour": "03:04", "exact": "1.5",
        "mail": "a@b.example", "link": "https://x.example", "unique": "01890000-0000-7000-8000-000000000000",
        "code": "aaa", "list": [{"n": 1}], "either": True, "fixed": 7,
    }  # fmt: skip
    assert of(EVERYTHING).load(given) == {**given, "size": 3, "mode": "a"}
    assert of(EVERYTHING).load({"name": "ab", "when": None})["when"] is None


def test_a_pattern_never_takes_long(refused: Refused) -> None:
    evil = "a" * 2000 + "!"
    schema = of({"type": "object", "patternProperties": {"^(a+)+$": {}}, "properties": {
        "a": {"anyOf": [{"type": "string", "pattern": "^(a+)+$"}]}}})  # fmt: skip
    started = time.monotonic()
    assert "a" in refused(schema.load, {"a": evil})
    assert refused(schema.load, {evil: 1}) == {f"{'a' * 30}…": "Longer than maximum length 1024."}
    assert refused(of(EVERYTHING).load, {"name": "ab", "code": evil}) == {"code": "Longer than maximum length 1024."}
    assert time.monotonic() - started < 1


def test_a_schema_is_closed_unless_it_says_otherwise(refused: Refused) -> None:
    unknown = {"foo": "Unknown field."}
    a = {"properties": {"a": {"type": "integer"}}}
    assert refused(of(a).load, {"foo": 1}) == unknown
    assert refused(of({"allOf": [a]}).load, {"a": 1, "foo": 1}) == unknown
    assert of({"allOf": [a]}).load({"a": 1}) == {"a": 1}
    assert refused(of({"allOf": [a]}).load, {"a": "x"}) == {"a": "Not a valid integer."}
    assert refused(of({"$ref": "#/$defs/A", "$defs": {"A": a}}).load, {"foo": 1}) == unknown
    assert of({**a, "additionalProperties": True}).load({"foo": 1}) == {"foo": 1}
    named = {**a, "patternProperties": {"^x-": {}}}
    assert of(named).load({"x-1": 1}) == {"x-1": 1}
    assert refused(of(named).load, {"foo": 1}) == unknown


def test_the_form_sees_references_in_place() -> None:
    shape = of(EVERYTHING).json_schema()
    assert shape["properties"]["list"]["items"]["properties"] == {"n": {"type": "integer", "title": "N"}}
    assert shape["properties"]["fixed"]["enum"] == [7]
    assert "$defs" not in shape and shape["additionalProperties"] is False
    whole = of({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"a": {}}}}}).json_schema()
    assert whole["properties"] == {"a": {"title": "A"}}


def test_a_recursive_schema_keeps_its_reference(refused: Refused) -> None:
    tree = {"type": "object", "properties": {"next": {"$ref": "#"}, "n": {"type": "integer"}}}
    assert of(tree).json_schema()["properties"]["next"] == {"$ref": "#", "title": "Next"}
    assert of(tree).load({"next": {"next": {"n": 1}}}) == {"next": {"next": {"n": 1}}}
    assert refused(of(tree).load, {"next": {"n": "x"}}) == {"next.n": "Not a valid integer."}


def test_properties_are_in_the_order_they_ask_for() -> None:
    shape = of(
        {"properties": {"a": {"x-order": 2}, "b": {"x-order": 1}, "default": {}, "properties": {}}}
    ).json_schema()
    assert list(shape["properties"]) == ["b", "a", "default", "properties"]


def test_a_property_may_ask_for_the_last_success(job: Job, last_success: datetime) -> None:
    schema = {"properties": {"after": {"type": ["string", "null"], "format": "date-time", "x-last-success": True}}}
    made = JobType.create("J", schema, "j", lambda after: after, None, None)
    assert made.prepare({}, job, last_success) == {"after": "2026-01-02T03:04:05+00:00"}
    assert made.prepare({"after": None}, job, None) == {"after": None}


def test_secrets_are_hidden_when_shown() -> None:
    schema = of({"properties": {"a": {"format": "password"}, "b": {"properties": {"c": {"writeOnly": True}}}}})
    assert schema.redact({"a": "x", "b": {"c": "y", "d": 1}}) == {"a": "••••••", "b": {"c": "••••••", "d": 1}}
