"""Typed signatures: the form they give, what they refuse, and that what is stored comes back equal."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import AfterValidator, BaseModel, Field
from typing_extensions import TypedDict

from jobdeck import InvalidInput, JobType, LastSuccess, job_type
from jobdeck.core.job import Job
from jobdeck.definitions.arguments.signature import SignatureSchema, of
from jobdeck.errors import FieldError

Refused = Callable[..., dict[str, str]]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass(frozen=True)
class Point:
    x: int
    when: date | None = None


class Box(BaseModel):
    corner: Point
    label: str = "box"


class Pair(NamedTuple):
    left: int
    right: str


class Options(TypedDict, total=False):
    deep: bool


@dataclass
class Tree:
    name: str
    children: list[Tree] = field(default_factory=list)


def even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


def everything(
    text: Annotated[str, Field(max_length=20, pattern="^[a-z ]*$", description="Some text", title="A text")],
    whole: Annotated[int, Field(ge=1, le=5)] = 1,
    real: float = 0.5,
    flag: bool = False,
    maybe: bool | None = None,
    choice: Literal["a", "b"] = "a",
    only: Literal["x"] | None = None,
    colour: Colour = Colour.RED,
    level: Level = Level.LOW,
    exact: Annotated[Decimal, Field(gt=0)] = Decimal("1.50"),
    instant: datetime | None = None,
    day: date | None = None,
    hour: time = time(3, 4),
    span: timedelta = timedelta(minutes=1),
    unique: UUID | None = None,
    numbers: list[int] = [1, 2],  # noqa: B006 # as authors write it
    tags: set[str] = set(),  # noqa: B006 # as authors write it
    pair: tuple[int, str] = (1, "a"),
    table: dict[str, int] = {},  # noqa: B006 # as authors write it
    point: Point = Point(1),  # as authors write it
    box: Box | None = None,
    either: int | str = 1,
    anything: Any = None,
    place: Path | None = None,
    since: LastSuccess = None,
) -> None: ...


@pytest.fixture(scope="module")
def schema() -> SignatureSchema:
    return of(everything, {})


def test_every_parameter_has_its_place_in_the_form(schema: SignatureSchema) -> None:
    shape = schema.json_schema()
    Draft202012Validator.check_schema(shape)
    properties = {name: dict(one) for name, one in shape["properties"].items()}
    assert shape["required"] == ["text"] and shape["additionalProperties"] is False and "$defs" not in shape
    assert properties.pop("text") == {
        "type": "string", "maxLength": 20, "pattern": "^[a-z ]*$", "description": "Some text", "title": "A text",
    }  # fmt: skip
    point: dict[str, Any] = {
        "type": "object",
        "properties": {
            "x": {"type": "integer", "title": "X"},
            "when": {"type": ["string", "null"], "format": "date", "title": "When", "default": None},
        },
        "required": ["x"],
        "additionalProperties": False,
    }
    titles = {name: one.pop("title") for name, one in properties.items()}
    assert (titles["whole"], titles["colour"], titles["point"]) == ("Whole", "Colour", "Point")
    box = properties.pop("box")
    assert (box["type"], box["properties"]["corner"]["properties"]) == (["object", "null"], point["properties"])
    assert properties == {
        "whole": {"type": "integer", "minimum": 1, "maximum": 5, "default": 1},
        "real": {"type": "number", "default": 0.5},
        "flag": {"type": "boolean", "default": False},
        "maybe": {"type": ["boolean", "null"], "default": None},
        "choice": {"type": "string", "enum": ["a", "b"], "default": "a"},
        "only": {"type": ["string", "null"], "enum": ["x", None], "default": None},
        "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "level": {"type": "integer", "enum": [1, 2], "default": 1},
        "exact": {"type": "string", "format": "decimal", "exclusiveMinimum": 0.0, "default": "1.50"},
        "instant": {"type": ["string", "null"], "format": "date-time", "default": None},
        "day": {"type": ["string", "null"], "format": "date", "default": None},
        "hour": {"type": "string", "format": "time", "default": "03:04:00"},
        "span": {"type": "number", "format": "duration", "default": 60.0},
        "unique": {"type": ["string", "null"], "format": "uuid", "default": None},
        "numbers": {"type": "array", "items": {"type": "integer"}, "default": [1, 2]},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "default": []},
        "pair": {
            "type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "minItems": 2, "maxItems": 2, "default": [1, "a"],
        },
        "table": {"type": "object", "additionalProperties": {"type": "integer"}, "default": {}},
        "point": {**point, "default": {"x": 1, "when": None}},
        "either": {"anyOf": [{"type": "integer"}, {"type": "string"}], "default": 1},
        "anything": {"default": None},
        "place": {"type": ["string", "null"], "format": "path", "default": None},
        "since": {
            "type": ["string", "null"], "format": "date-time", "default": None, "x-last-success": True,
            "description": "Left empty: the start of the last successful run.",
        },
    }  # fmt: skip


def test_a_recursive_type_keeps_its_reference() -> None:
    def task(tree: Tree) -> None: ...

    shape = of(task, {}).json_schema()
    Draft202012Validator.check_schema(shape)
    assert shape["properties"]["tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}
    assert set(shape["$defs"]) == {"Tree"}
    tree = {"name": "a", "children": [{"name": "b", "children": []}]}
    Draft202012Validator(shape).validate({"tree": tree})
    assert of(task, {}).load({"tree": tree}) == {"tree": Tree("a", [Tree("b")])}


@pytest.mark.parametrize(
    ("wrong", "errors"),
    [
        ({"text": None}, {"text": "Field may not be null."}),
        ({"text": 3}, {"text": "Not a valid string."}),
        ({"text": "X"}, {"text": "String should match pattern '^[a-z ]*$'."}),
        ({"foo": 1, "bar": 2}, {"foo": "Unknown field.", "bar": "Unknown field."}),
        ({"whole": "many"}, {"whole": "Not a valid integer."}),
        ({"whole": True}, {"whole": "Not a valid integer."}),
        ({"whole": 1.5}, {"whole": "Not a valid integer."}),
        ({"whole": 6}, {"whole": "Must be less than or equal to 5."}),
        ({"real": "x"}, {"real": "Not a valid number."}),
        ({"flag": "perhaps"}, {"flag": "Not a valid boolean."}),
        ({"choice": "c"}, {"choice": "Must be one of: a, b."}),
        ({"colour": "green"}, {"colour": "Must be one of: red, blue."}),
        ({"exact": "one"}, {"exact": "Not a valid number."}),
        ({"exact": "NaN"}, {"exact": "Not a valid number."}),
        ({"instant": "soon"}, {"instant": "Not a valid datetime."}),
        ({"instant": 5}, {"instant": "Not a valid datetime."}),
        (
            {"instant": "2026-01-02T03:04:05"},
            {"instant": "A datetime without an offset names no instant; give one with a time zone."},
        ),
        ({"day": "2026-02-30"}, {"day": "Not a valid date."}),
        ({"day": 86400}, {"day": "Not a valid date."}),
        ({"hour": "25:00"}, {"hour": "Not a valid time."}),
        ({"span": "long"}, {"span": "Not a valid number of seconds."}),
        ({"unique": "x"}, {"unique": "Not a valid UUID."}),
        ({"numbers": [1, "x", 3, None]}, {"numbers.1": "Not a valid integer.", "numbers.3": "Field may not be null."}),
        ({"numbers": 3}, {"numbers": "Not a valid list."}),
        ({"table": {"int": "x"}}, {"table.int": "Not a valid integer."}),
        ({"point": {"when": "x"}}, {"point.x": "Missing data for required field.", "point.when": "Not a valid date."}),
        ({"point": {"x": 1, "y": 2}}, {"point.y": "Unknown field."}),
        ({"box": {"corner": {"x": 1}, "lid": 1}}, {"box.lid": "Unknown field."}),
        ({"box": {"corner": {"x": "q"}}}, {"box.corner.x": "Not a valid integer."}),
        ({"either": None}, {"either": "Field may not be null. Field may not be null."}),
    ],
)
def test_what_does_not_fit_is_named(wrong: Any, errors: Any, schema: SignatureSchema, refused: Refused) -> None:
    assert refused(schema.load, {"text": "a", **wrong}) == errors


def test_a_validator_of_the_author_speaks_for_itself(refused: Refused) -> None:
    def task(size: Annotated[int, AfterValidator(even)]) -> None: ...

    assert refused(of(task, {}).load, {"size": 3}) == {"size": "Must be even."}
    assert refused(of(task, {}).load, {}) == {"size": "Missing data for required field."}


def test_an_empty_last_success_is_filled_in(job: Job, last_success: datetime) -> None:
    @job_type
    def task(after: LastSuccess, since: datetime | None = None) -> None: ...

    made: Any = task
    arguments = made.job_type.prepare({}, job, last_success)
    assert arguments == {"after": "2026-01-02T03:04:05+00:00", "since": None}
    assert made.job_type.restore(arguments) == {"after": last_success, "since": None}
    assert made.job_type.prepare({}, job, None) == {"after": None, "since": None}
    chosen = "2025-01-01T00:00:00+01:00"
    assert made.job_type.prepare({"after": chosen}, job, last_success)["after"] == chosen
    assert "required" not in made.job_type.schema().json_schema()


def test_a_class_may_name_a_function_as_its_schema(job: Job) -> None:
    class Named(JobType):
        id = "named"
        task = everything
        arguments_schema = everything

    stored = Named.prepare({"text": "a", "day": "2026-01-02"}, job, None)
    assert Named.restore(stored)["day"] == date(2026, 1, 2)


def test_defaults_are_not_shared_between_runs(schema: SignatureSchema) -> None:
    schema.load({"text": "a"})["numbers"].append(3)
    assert schema.load({"text": "a"})["numbers"] == [1, 2]


def test_stored_names_that_are_gone_are_left_to_python(schema: SignatureSchema) -> None:
    assert schema.restore({"gone": 1, "whole": 2}) == {"gone": 1, "whole": 2}


def test_a_password_is_hidden_when_shown() -> None:
    def task(user: str, key: Annotated[str, Field(json_schema_extra={"format": "password"})]) -> None: ...

    assert of(task, {}).redact({"user": "a", "key": "k"}) == {"user": "a", "key": "••••••"}


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
INSTANTS = st.datetimes(timezones=st.just(UTC))
POINTS = st.builds(Point, st.integers(-(2**53), 2**53), st.none() | st.dates())
TYPED: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, TEXTS),
    (int, st.integers(-(2**53), 2**53)),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (bool, st.booleans()),
    (bool | None, st.booleans() | st.none()),
    (Literal["a", "b"], st.sampled_from(["a", "b"])),
    (Colour, st.sampled_from(Colour)),
    (Level | None, st.sampled_from(Level) | st.none()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (datetime, INSTANTS),
    (datetime | None, INSTANTS | st.none()),
    (date, st.dates()),
    (time, st.times()),
    (timedelta, st.timedeltas(timedelta(days=-9999), timedelta(days=9999))),
    (UUID, st.uuids()),
    (list[int], st.lists(st.integers(-9, 9), max_size=4)),
    (set[str], st.sets(TEXTS, max_size=4)),
    (frozenset[int], st.frozensets(st.integers(-9, 9), max_size=4)),
    (tuple[int, str], st.tuples(st.integers(-9, 9), TEXTS)),
    (tuple[date, ...], st.lists(st.dates(), max_size=3).map(tuple)),
    (dict[str, Decimal], st.dictionaries(TEXTS, st.decimals(allow_nan=False, allow_infinity=False), max_size=3)),
    (dict[int, str], st.dictionaries(st.integers(-9, 9), TEXTS, max_size=3)),
    (dict[date, int], st.dictionaries(st.dates(), st.integers(-9, 9), max_size=3)),
    (Point, POINTS),
    (list[Point] | None, st.lists(POINTS, max_size=2) | st.none()),
    (Box, st.builds(Box, corner=POINTS, label=TEXTS)),
    (Pair, st.builds(Pair, st.integers(-9, 9), TEXTS)),
    (Options, st.just({}) | st.booleans().map(lambda deep: {"deep": deep})),
    (Path, st.sampled_from([Path("/a/b"), Path("c")])),
]


def one(kind: Any) -> SignatureSchema:
    def task(value: Any) -> None: ...

    task.__annotations__["value"] = kind
    return of(task, {})


SCHEMAS = [(one(kind), values) for kind, values in TYPED]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_what_is_stored_comes_back_equal(data: st.DataObject) -> None:
    schema, values = data.draw(st.sampled_from(SCHEMAS))
    value = data.draw(values)
    stored = json.loads(json.dumps(schema.dump({"value": value})))
    assert schema.restore(stored) == {"value": value}
    assert type(schema.restore(stored)["value"]) is type(value) or isinstance(value, Path)
    assert schema.dump(schema.load(stored)) == stored
    Draft202012Validator(schema.json_schema()).validate(stored)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_json_is_taken_and_kept_or_refused_by_name(data: st.DataObject) -> None:
    schema, _ = data.draw(st.sampled_from(SCHEMAS))
    given = {"value": data.draw(JSON)}
    errors: tuple[FieldError, ...] = ()
    try:
        stored = schema.dump(schema.load(given))
    except InvalidInput as error:
        errors = error.errors
    else:
        assert schema.dump(schema.restore(stored)) == stored
    assert all(wrong.field.partition(".")[0] == "value" for wrong in errors)
    assert all(text.endswith(".") for wrong in errors for text in wrong.messages)
