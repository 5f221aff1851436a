"""From a JSON Schema to the fields of a form, and from what was typed to JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobdeck.errors import FieldError
from jobdeck.web.pages import form_values, forms

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=20)
NAMES = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)
INTEGERS = st.integers(-(2**53), 2**53)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


def sent(shown: tuple[forms.Field, ...]) -> dict[str, str]:
    """What a browser sends for a form that nobody touched."""
    data: dict[str, str] = {}
    for field in forms.all_fields(shown):
        if field.kind == "boolean":
            if field.checked:
                data[field.name] = "true"
        elif field.kind == "select":
            data[field.name] = next((value for value, _, selected in field.choices if selected), field.choices[0][0])
        elif field.kind != "group":
            # Line ends travel as two characters; a field of one line can hold none.
            assert field.kind in ("textarea", "lines", "json") or "\n" not in field.text
            data[field.name] = field.text.replace("\n", "\r\n")
    return data


def reread(schema: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    found, problems = forms.read(schema, sent(forms.fields(schema, values)), values)
    assert problems == []
    return found


def read_one(schema: dict[str, Any], typed: str | None, *, required: bool = False) -> Any:
    whole = {"type": "object", "properties": {"x": schema}, "required": ["x"] if required else []}
    found, problems = forms.read(whole, {} if typed is None else {"args.x": typed})
    return problems[0].messages[0] if problems else found.get("x", "nothing")


def one(schema: dict[str, Any], value: Any = form_values.MISSING, **whole: Any) -> forms.Field:
    values = {} if value is form_values.MISSING else {"x": value}
    return forms.fields({"type": "object", "properties": {"x": schema}, **whole}, values)[0]


FILLED: dict[str, tuple[dict[str, Any], st.SearchStrategy[Any]]] = {
    "text": ({"type": "string"}, TEXT.filter(bool)),
    "optional text": ({"type": ["string", "null"]}, st.none() | TEXT.filter(bool)),
    "text with a default": ({"type": "string", "default": "abc"}, TEXT),
    "long text": ({"type": "string", "x-rows": 5}, TEXT.filter(bool)),
    "integer": ({"type": "integer"}, INTEGERS),
    "number": ({"type": ["number", "null"]}, st.none() | NUMBERS),
    "boolean": ({"type": "boolean", "default": True}, st.booleans()),
    "optional boolean": ({"type": ["boolean", "null"]}, st.none() | st.booleans()),
    "choice": ({"type": "string", "enum": ["a", "b"]}, st.sampled_from(["a", "b", "no longer offered"])),
    "choice of numbers": ({"enum": [1, 2, None], "type": ["integer", "null"]}, st.sampled_from([1, 2, None])),
    "options": (
        {"x-options": [{"value": 1, "title": "One"}, {"value": "1", "title": "Text"}]},
        st.sampled_from([1, "1"]),
    ),
    "date": ({"type": "string", "format": "date"}, st.dates().map(str)),
    "time": ({"type": "string", "format": "time"}, st.times(timezones=st.none() | st.just(UTC)).map(lambda t: t.isoformat())),
    "decimal": ({"type": "string", "format": "decimal"}, st.decimals(allow_nan=False, allow_infinity=False).map(str)),
    "duration": ({"type": "number", "format": "duration"}, st.floats(-1e9, 1e9)),
    "email": ({"type": "string", "format": "email"}, st.emails()),
    "password": ({"type": "string", "format": "password"}, TEXT),
    "list of texts": ({"type": "array", "items": {"type": "string"}, "default": []}, st.lists(TEXT, max_size=4)),
    "list of numbers": ({"type": "array", "items": {"type": "number"}, "default": [1]}, st.lists(NUMBERS, max_size=4)),
    "list of objects": ({"type": "array", "items": {"type": "object"}}, st.lists(st.dictionaries(NAMES, ANY_JSON), max_size=3)),
    "anything": ({}, ANY_JSON),
    "text or number": ({"type": ["string", "integer"]}, TEXT | INTEGERS),
    "hidden": ({"type": "string", "x-hidden": True}, TEXT),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILLED)
@given(data=st.data())
def test_a_form_sent_back_unchanged_says_what_it_showed(kind: str, data: st.DataObject) -> None:
    schema, strategy = FILLED[kind]
    values = {"x": data.draw(strategy)}
    assert reread({"type": "object", "properties": {"x": schema}}, values) == values
    nested = {"type": "object", "properties": {"group": {"type": "object", "properties": {"x": schema}}}}
    assert reread({**nested, "required": ["group"]}, {"group": values}) == {"group": values}


@given(st.datetimes(timezones=st.timezones()).filter(lambda at: 1 < at.year < 9999))
def test_an_instant_stays_the_same_in_utc(at: datetime) -> None:
    schema = {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}
    found = reread(schema, {"at": at.isoformat()})["at"]
    # In a gap of its zone an instant never equals one of another zone, so both are compared as written.
    assert datetime.fromisoformat(found) == datetime.fromisoformat(at.isoformat())
    assert datetime.fromisoformat(found).utcoffset() == timedelta(0)


@given(st.dictionaries(st.sampled_from(["args.a", "args.b", "args.c", "args.d"]), TEXT))
def test_anything_may_be_typed(typed: dict[str, str]) -> None:
    properties = {
        "a": {"type": "integer"},
        "b": {"type": "array", "items": {"type": "number"}},
        "c": True,
        "d": {"type": "string", "format": "date-time"},
    }
    found, problems = forms.read({"type": "object", "properties": properties}, typed)
    assert {error.field for error in problems} <= {"args.c"}
    shown = forms.fields({"type": "object", "properties": properties}, {}, typed, problems)
    assert [field.text for field in shown] == [typed.get(field.name, "") for field in shown]
    assert found.keys() <= properties.keys()


@pytest.mark.parametrize(
    ("schema", "typed", "expected"),
    [
        ({"type": "integer"}, "12", 12),
        ({"type": "integer"}, " 12 ", 12),
        ({"type": "integer"}, "twelve", "twelve"),
        ({"type": "integer"}, "true", "true"),
        ({"type": "integer"}, "", "nothing"),
        ({"type": ["integer", "null"]}, "", None),
        ({"type": "number"}, "1e3", 1000.0),
        ({"type": "number"}, "NaN", "NaN"),
        ({"type": "string"}, "", "nothing"),
        ({"type": "string", "default": "abc"}, "", ""),
        ({"type": "string"}, " ", " "),
        ({"type": "boolean", "default": True}, None, False),
        ({"type": "boolean"}, "true", True),
        ({"type": "number", "format": "duration"}, "15m", 900.0),
        ({"type": "number", "format": "duration"}, "90", 90),
        ({"type": "number", "format": "duration", "x-unit": "milliseconds"}, "2s", 2000.0),
        ({"type": "number", "format": "duration"}, "soon", "soon"),
        ({"type": "string", "format": "date-time"}, "2026-01-02T03:04", "2026-01-02T03:04+00:00"),
        ({"type": "string", "format": "date-time"}, "2026-01-02T03:04+02:00", "2026-01-02T03:04+02:00"),
        ({"type": "string", "format": "date-time"}, "2026-01-02T03:04-0500", "2026-01-02T03:04-0500"),
        ({"type": "string", "format": "date-time"}, "2026-01-02T03:04Z", "2026-01-02T03:04Z"),
        ({"type": "string", "format": "date-time"}, "tomorrow", "tomorrow"),
        ({"type": "array", "items": {"type": "integer"}}, "1\r\n\r\n 2 \r\nx", [1, 2, "x"]),
        ({"type": "array", "items": {"type": "string"}}, '["a", "b"]', ["a", "b"]),
        ({"type": "array", "items": {"type": "string"}}, "[a]", ["[a]"]),
        ({"type": "array", "items": {"type": "string"}, "default": ["a"]}, "", []),
        ({"type": "array", "items": {"type": "object"}}, '[{"a": 1}]', [{"a": 1}]),
        ({"type": "object"}, '{"a": 1, "a": 2}', "The key 'a' stands twice in one object."),
    ],
)
def test_what_is_typed_becomes(schema: dict[str, Any], typed: str | None, expected: Any) -> None:
    assert read_one(schema, typed) == expected


def test_a_group_that_nobody_filled_in_is_not_given() -> None:
    group = {"type": ["object", "null"], "properties": {"name": {"type": "string"}, "urgent": {"type": "boolean"}}}
    schema = {"type": "object", "properties": {"contact": {**group, "required": ["name"]}}}
    assert reread(schema, {}) == {"contact": None}
    assert reread(schema, {"contact": {"name": "Ada", "urgent": False}}) == {
        "contact": {"name": "Ada", "urgent": False}
    }
    urgent, _ = forms.read(schema, {"args.contact.name": "", "args.contact.urgent": "true"})
    assert urgent == {"contact": {"urgent": True}}
    asked = {**schema, "required": ["contact"]}
    assert forms.read(asked, {"args.contact.name": ""})[0] == {"contact": {"urgent": False}}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "text"),
        ({"type": "string", "x-rows": 3}, "textarea"),
        ({"type": "string", "enum": ["a"]}, "select"),
        ({"type": "string", "writeOnly": True}, "password"),
        ({"type": "string", "format": "uri"}, "url"),
        ({"type": "string", "format": "unheard-of"}, "text"),
        ({"type": "integer"}, "integer"),
        ({"type": "boolean"}, "boolean"),
        ({"type": ["boolean", "null"]}, "select"),
        ({"type": "array", "items": {"type": "integer"}}, "lines"),
        ({"type": "array"}, "json"),
        ({"type": "object"}, "json"),
        ({"type": "object", "properties": {"a": {}}}, "group"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "json"),
        ({"$ref": "#/$defs/tree"}, "json"),
        ({"type": "string", "x-hidden": True}, "hidden"),
    ],
)
def test_a_field_has_the_kind_of_its_schema(schema: dict[str, Any], kind: str) -> None:
    assert one(schema).kind == kind


def test_a_value_that_a_control_cannot_hold_is_shown_as_text() -> None:
    assert one({"type": "string", "format": "time"}, "12:00:00+02:00").kind == "text"
    assert one({"type": "string", "format": "date"}, "someday").kind == "text"
    assert one({"type": "string", "format": "date-time"}, "2026-01-02T03:04:05.123456+00:00").kind == "text"
    assert one({"type": "string"}, "two\nlines").kind == "textarea"


def test_a_field_tells_what_is_expected() -> None:
    field = one(
        {"type": "integer", "title": "How many", "description": "Of them.", "minimum": 1, "maximum": 9}, required=["x"]
    )
    assert (field.title, field.description, field.hint, field.required) == ("How many", "Of them.", "1 to 9", True)
    assert one({"type": "number", "minimum": 0}).hint == "at least 0"
    assert one({"type": "string", "maxLength": 5}).hint == "at most 5 characters"
    assert one({"type": "string", "minLength": 1}).hint == ""
    assert "UTC" in one({"type": "string", "format": "date-time"}).hint
    assert one({"type": "string", "format": "date-time", "x-last-success": True}).hint.endswith("last successful run")
    assert one({"type": "number", "format": "duration", "default": 300.0}).text == "300"
    assert one({"type": "string", "default": "abc"}).text == "abc"


def test_a_secret_is_never_shown_and_kept_when_left_empty() -> None:
    schema = {"type": "object", "properties": {"key": {"type": "string", "format": "password"}}, "required": ["key"]}
    shown = forms.fields(schema, {"key": "s3cret"})
    assert shown[0].text == "" and not shown[0].required and "keep" in shown[0].hint
    assert forms.read(schema, {"args.key": ""}, {"key": "s3cret"})[0] == {"key": "s3cret"}
    assert forms.read(schema, {"args.key": "new"}, {"key": "s3cret"})[0] == {"key": "new"}
    assert forms.read(schema, {"args.key": ""})[0] == {}
    assert forms.fields(schema, {}, {"args.key": "typed"})[0].text == ""


def test_errors_stand_beside_their_fields() -> None:
    schema = {
        "type": "object",
        "properties": {
            "tags": {"type": "array", "items": {"type": "integer"}},
            "extra": {},
            "group": {"type": "object", "properties": {"name": {"type": "string"}}},
        },
    }
    errors = [
        FieldError(field="args.tags.1", messages=("Not a valid integer.",)),
        FieldError(field="args.extra.a.b", messages=("Too long.",)),
        FieldError(field="args.group.name", messages=("Too short.",)),
        FieldError(field="args.other", messages=("Unknown field.",)),
    ]
    shown = forms.fields(schema, {}, {}, errors)
    assert [(field.name, field.errors) for field in forms.all_fields(shown)] == [
        ("args.tags", ("Line 2: Not a valid integer.",)),
        ("args.extra", ("a.b: Too long.",)),
        ("args.group", ()),
        ("args.group.name", ("Too short.",)),
    ]
