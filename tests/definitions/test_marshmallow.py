"""marshmallow schemas: the form they give, and the JSON they store. Passes with marshmallow 3.26 and 4."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import UTC, date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator
from marshmallow import EXCLUDE, Schema, fields, post_load, validate

from jobdeck import PredefinedArgsSchema
from jobdeck.definitions.arguments.marshmallow import of
from jobdeck.definitions.fields import fields_of
from jobdeck.errors import DefinitionError

Refused = Callable[..., dict[str, str]]


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Part(Schema):
    size = fields.Integer(required=True, validate=validate.Range(1, 5))
    name = fields.String(load_default="x")


class Everything(Schema):
    text = fields.String(required=True, validate=validate.Length(1, 20), metadata={"title": "Some text", "rows": 5})
    secret = fields.String(load_only=True)
    hidden = fields.String(load_default="h", metadata={"type": "hidden"})
    choice = fields.String(validate=validate.OneOf(["a", "b"], labels=["Ay", "Bee"]), allow_none=True)
    options = fields.String(metadata={"options": [{"id": "x", "title_l10n": "Ex"}, ("y", "Why"), "z"], "order": 1})
    whole = fields.Integer(validate=validate.Range(min=0, min_inclusive=False), allow_none=True)
    real = fields.Float(load_default=0)
    exact = fields.Decimal(validate=validate.Range(max=Decimal("9.5")))
    flag = fields.Boolean(load_default=False)
    instant = fields.DateTime()
    day = fields.Date(load_default=date(2026, 1, 2))
    hour = fields.Time()
    span = fields.TimeDelta(precision="seconds")
    millis = fields.TimeDelta(precision="milliseconds")
    unique = fields.UUID()
    mail = fields.Email()
    link = fields.Url()
    coded = fields.String(validate=validate.Regexp("^[a-c]+$"))
    colour = fields.Enum(Colour, by_value=True)
    part = fields.Nested(Part)
    parts = fields.List(fields.Nested(Part), validate=validate.Length(max=2))
    many = fields.Nested(Part, many=True)
    numbers = fields.List(fields.Integer())
    table = fields.Dict(keys=fields.String(), values=fields.Integer())
    raw = fields.Raw()
    shown = fields.String(dump_only=True)
    late = fields.Integer(load_default=lambda: 3)
    renamed = fields.Integer(data_key="wire")


EXPECTED = {
    "text": {"type": "string", "title": "Some text", "minLength": 1, "maxLength": 20, "x-rows": 5},
    "secret": {"type": "string", "writeOnly": True},
    "hidden": {"type": "string", "default": "h", "x-hidden": True},
    "choice": {
        "type": ["string", "null"],
        "enum": ["a", "b", None],
        "x-options": [{"value": "a", "title": "Ay"}, {"value": "b", "title": "Bee"}],
    },
    "options": {
        "type": "string",
        "x-order": 1,
        "x-options": [
            {"value": "x", "title": "Ex"},
            {"value": "y", "title": "Why"},
            {"value": "z", "title": "z"},
        ],
    },
    "whole": {"type": ["integer", "null"], "exclusiveMinimum": 0},
    "real": {"type": "number", "default": 0.0},
    "exact": {"type": "string", "format": "decimal", "maximum": 9.5},
    "flag": {"type": "boolean", "default": False},
    "instant": {"type": "string", "format": "date-time"},
    "day": {"type": "string", "format": "date", "default": "2026-01-02"},
    "hour": {"type": "string", "format": "time"},
    "span": {"format": "duration"},
    "millis": {"format": "duration", "x-unit": "milliseconds"},
    "unique": {"type": "string", "format": "uuid"},
    "mail": {"type": "string", "format": "email"},
    "link": {"type": "string", "format": "uri"},
    "coded": {"type": "string", "pattern": "^[a-c]+$"},
    "colour": {"enum": ["r", "b"]},
    "numbers": {"type": "array", "items": {"type": "integer"}},
    "table": {"type": "object", "additionalProperties": {"type": "integer"}},
    "raw": {},
    "late": {"type": "integer"},
    "wire": {"type": "integer"},
}
PART = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "title": "Size", "minimum": 1, "maximum": 5},
        "name": {"type": "string", "title": "Name", "default": "x"},
    },
    "required": ["size"],
    "additionalProperties": False,
}


def test_every_field_has_its_place_in_the_form() -> None:
    shape = of(Everything).json_schema()
    Draft202012Validator.check_schema(shape)
    properties = {name: dict(one) for name, one in shape["properties"].items()}
    assert shape["required"] == ["text"] and shape["additionalProperties"] is False
    assert next(iter(properties)) == "options"
    nested = {name: properties.pop(name) for name in ("part", "parts", "many")}
    assert nested["part"] == {**PART, "title": "Part"}
    assert nested["parts"] == {"type": "array", "items": PART, "maxItems": 2, "title": "Parts"}
    assert nested["many"] == {"type": "array", "items": PART, "title": "Many"}
    titles = {name: one.pop("title") for name, one in properties.items() if name != "text"}
    assert titles["wire"] == "Wire" and titles["late"] == "Late"
    # marshmallow 3 counts whole units unless told otherwise.
    assert {properties[name].pop("type") for name in ("span", "millis")} <= {"number", "integer"}
    assert properties == EXPECTED


def test_the_enum_of_python_has_its_choices() -> None:
    shape = of(
        {"colour": fields.Enum(Colour, by_value=True), "name": fields.Enum(Colour, allow_none=True)}
    ).json_schema()
    assert shape["properties"]["colour"]["enum"] == ["r", "b"]
    assert shape["properties"]["name"]["enum"] == ["RED", "BLUE", None]


def test_values_are_stored_as_marshmallow_dumps_them() -> None:
    schema = of(Everything)
    given: dict[str, Any] = {
        "text": "t", "exact": "1.50", "instant": "2026-01-02T03:04:05", "hour": "03:04:05", "span": 90,
        "unique": "01890000-0000-7000-8000-000000000000", "colour": "r", "parts": [{"size": 2}], "wire": 4,
    }  # fmt: skip
    values = schema.load(given)
    assert (values["exact"], values["hour"], values["span"]) == (Decimal("1.50"), time(3, 4, 5), timedelta(seconds=90))
    assert (values["unique"], values["colour"], values["renamed"]) == (UUID(given["unique"]), Colour.RED, 4)
    assert (values["day"], values["late"]) == (date(2026, 1, 2), 3)
    stored = schema.dump(values)
    assert stored["instant"] == "2026-01-02T03:04:05+00:00"
    assert (stored["exact"], stored["day"], stored["span"], stored["wire"]) == ("1.50", "2026-01-02", 90, 4)
    assert (stored["parts"], stored["colour"]) == ([{"size": 2, "name": "x"}], "r")
    assert schema.restore(stored) == stored


def test_errors_have_dotted_places(refused: Refused) -> None:
    given = {
        "text": "", "choice": "c", "whole": 0, "coded": "d", "part": {"size": 9}, "mail": "x",
        "parts": [{"size": 1}, {"odd": 1}], "foo": 1, "table": {"a": "x"}, "real": None, "shown": "x",
    }  # fmt: skip
    told = refused(of(Everything).load, given)
    assert set(told) == {
        "text", "choice", "whole", "coded", "part.size", "mail", "parts.1.size", "parts.1.odd", "foo",
        "table.a.value", "real", "shown",
    }  # fmt: skip
    assert told["choice"] == "Must be one of: a, b." and told["real"] == "Field may not be null."
    assert told["parts.1.size"] == "Missing data for required field." and told["foo"] == "Unknown field."


def test_a_text_for_a_pattern_is_bounded(refused: Refused) -> None:
    schema = of({"a": fields.String(validate=validate.Regexp("^(a+)+$")),
                 "b": fields.List(fields.String(validate=validate.Regexp("^(a+)+$")))})  # fmt: skip
    evil = "a" * 5000 + "!"
    told = refused(schema.load, {"a": evil, "b": ["a", evil]})
    assert told == {"a": "Longer than maximum length 1024.", "b.1": "Longer than maximum length 1024."}


def test_what_a_schema_says_about_unknown_names_holds() -> None:
    class Loose(Schema):
        class Meta:
            unknown = EXCLUDE

        a = fields.Integer()

    assert of(Loose).load({"a": 1, "b": 2}) == {"a": 1}


def test_a_schema_that_loads_no_dict_is_named() -> None:
    class Object(Schema):
        a = fields.Integer()

        @post_load
        def make(self, data: Any, **_: Any) -> object:
            return object()

    with pytest.raises(DefinitionError, match="Object loads object"):
        of(Object).load({"a": 1})


def test_since_is_marked_where_it_is_an_instant() -> None:
    assert of(PredefinedArgsSchema).last_success_fields == ("since",)
    assert of({"since": fields.AwareDateTime(default_timezone=UTC)}).last_success_fields == ("since",)
    assert of({"since": fields.Date(), "until": fields.DateTime()}).last_success_fields == ()
    assert of({}).json_schema()["properties"] == {}


def test_secrets_are_hidden_when_shown() -> None:
    assert of(Everything).redact({"text": "t", "secret": "s"}) == {"text": "t", "secret": "••••••"}


def test_predefined_arguments_as_clients_know_them() -> None:
    class Mine(PredefinedArgsSchema):
        pass

    shown = fields_of(of(Mine).json_schema())
    assert set(shown) == {"job_arg_schema", "since"}
    name = shown["job_arg_schema"]
    assert (name["type"], name["metadata"], name["dump_default"], name["load_default"]) == (
        "string", {"type": "hidden"}, "Mine", "Mine",
    )  # fmt: skip
    assert (shown["since"]["type"], shown["since"]["required"]) == ("datetime", False)
    assert "last successful run" in shown["since"]["metadata"]["description"]


def test_fields_as_clients_know_them() -> None:
    shown = fields_of(of(Everything).json_schema())
    types = {name: one["type"] for name, one in shown.items()}
    assert types == {
        "text": "string", "secret": "string", "hidden": "string", "choice": "string", "options": "string",
        "whole": "integer", "real": "float", "exact": "decimal", "flag": "bool", "instant": "datetime", "day": "date",
        "hour": "time", "span": "timedelta", "millis": "timedelta", "unique": "uuid", "mail": "email", "link": "url",
        "coded": "string", "colour": "string", "part": "nested", "parts": "list", "many": "list", "numbers": "list",
        "table": "dict", "raw": "dict", "late": "integer", "wire": "integer",
    }  # fmt: skip
    assert shown["text"]["required"] is True and shown["text"]["title"] == "Some text"
    assert shown["text"]["metadata"] == {"rows": 5}
    assert shown["choice"]["enum"] == ["a", "b"]
    assert shown["part"]["properties"]["name"]["load_default"] == "x"
    assert shown["parts"]["items"]["type"] == "nested" and shown["numbers"]["items"]["type"] == "integer"
    assert shown["day"]["load_default"] == "2026-01-02"
