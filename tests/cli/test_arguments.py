"""What a typed text means, by the JSON Schema of the argument."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobdeck.cli.arguments import Given, parse

OPTIONAL_DATE = {"type": ["string", "null"], "format": "date-time"}


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("5", {"type": "integer"}, 5),
        ("5", {"type": "string"}, "5"),
        ("5", {}, 5),
        ("5", None, 5),
        ("5", {"anyOf": [{"type": "integer"}, {"type": "string"}]}, 5),
        ("five", {"type": "integer"}, "five"),
        ("1e3", {"type": "number"}, 1000.0),
        ("NaN", {"type": "number"}, "NaN"),
        ("true", {"type": "boolean"}, True),
        ("Yes", {"type": "boolean"}, True),
        ("0", {"type": "boolean"}, False),
        ("perhaps", {"type": "boolean"}, "perhaps"),
        ("true", {"type": "string"}, "true"),
        ('["a", 1]', {"type": "array"}, ["a", 1]),
        ("a", {"type": "array"}, "a"),
        ('{"a": 1}', {"type": "object"}, {"a": 1}),
        ('{"a": 1}', {"type": "string"}, '{"a": 1}'),
        ('{"a": 1, "a": 2}', {"type": "object"}, '{"a": 1, "a": 2}'),
        ("", OPTIONAL_DATE, None),
        ("null", OPTIONAL_DATE, None),
        ("2026-01-01T00:00:00Z", OPTIONAL_DATE, "2026-01-01T00:00:00Z"),
        ("", {"type": ["string", "null"]}, ""),
        ("null", {"type": ["string", "null"]}, "null"),
        ("", {"type": ["number", "null"]}, None),
        ("", {"type": "number"}, ""),
        ("kind", {"enum": ["kind", "gruff"]}, "kind"),
        ("2", {"enum": [1, 2]}, 2),
        ("@/etc/passwd", {"type": "string"}, "@/etc/passwd"),
        ("@/etc/passwd", {"type": "object"}, "@/etc/passwd"),
    ],
)
def test_what_a_text_means(text: str, schema: Any, value: object) -> None:
    found = parse(text, schema)
    assert (found, type(found)) == (value, type(value))


@given(st.text())
def test_a_text_stays_as_it_is_typed(text: str) -> None:
    assert parse(text, {"type": "string"}) == text


@given(st.recursive(st.booleans() | st.integers(-(2**53), 2**53) | st.text("abcXYZ"),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner), max_leaves=8))  # fmt: skip
def test_json_arrives_as_it_is_meant(value: Any) -> None:
    assert parse(json.dumps([value]), {"type": "array"}) == [value]


def test_one_argument_changes_the_saved_ones_and_an_object_replaces_them() -> None:
    schema = {"properties": {"a": {"type": "integer"}}}
    saved = {"a": 1, "b": 2}
    assert Given(whole=None, single={}).over(saved, schema) is None
    assert Given(whole=None, single={"a": "3"}).over(saved, schema) == {"a": 3, "b": 2}
    assert Given(whole={"c": 4}, single={}).over(saved, schema) == {"c": 4}
    assert Given(whole={"c": 4}, single={"a": "3"}).over(saved, schema) == {"c": 4, "a": 3}
    assert Given(whole={}, single={}).over(saved, None) == {}
