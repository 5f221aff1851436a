"""Declaring a job type: three ways that give the same, and what is said about a wrong declaration."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from typing import Annotated, Any

import pytest
from marshmallow import Schema, fields
from pydantic import Field, SecretStr

from jobdeck import JobType, LastSuccess, PredefinedArgsSchema, job_type
from jobdeck.definitions.registry import Registry
from jobdeck.errors import ConfigurationError, DefinitionError


def add(a: int, b: int = 2) -> int:
    return a + b


class Sum(Schema):
    a = fields.Integer(required=True, strict=True)
    b = fields.Integer(load_default=2, strict=True)


class Add(JobType):
    id = "add"
    title = "Add"
    description = "Adds."
    task = add
    arguments_schema = Sum


CREATED = JobType.create("Add2", Sum, "add", add, "Adds.", "Add", {"queue": "fast"})


@job_type(title="Add", description="Adds.", id="add")
def decorated(a: int, b: int = 2) -> int:
    return a + b


PLAIN = {
    "queue": None, "timeout": None, "priority": 0, "max_attempts": 1, "retry": None, "limit": None,
    "limit_scope": ["type"], "limit_policy": "wait", "restartable": False, "fresh_process": False, "warn_on_errors": False, "capture_output": True,
}  # fmt: skip


@pytest.mark.parametrize("declared", [Add, CREATED, decorated])
def test_all_ways_give_the_same(declared: Any, job: Any) -> None:
    registry = Registry()
    registry.register(declared)
    made = registry.get("add")
    assert (made.id, made.title, made.description) == ("add", "Add", "Adds.")
    arguments = made.prepare({"a": 1}, job, None)
    assert arguments == {"a": 1, "b": 2}
    assert made.callable()(**made.restore(arguments)) == 3
    schema = made.schema()
    assert schema is not None
    shape = schema.json_schema()
    assert {name: (one["type"], one["title"]) for name, one in shape["properties"].items()} == {
        "a": ("integer", "A"),
        "b": ("integer", "B"),
    }
    assert (shape["required"], shape["properties"]["b"]["default"]) == (["a"], 2)
    assert made.options() == PLAIN | {"queue": made.queue}


def test_a_created_type_has_the_attributes_it_was_given() -> None:
    assert (CREATED.__name__, CREATED.queue, CREATED.__module__) == ("Add2", "fast", __name__)
    assert issubclass(CREATED, JobType)


def test_a_decorated_function_stays_a_function() -> None:
    @job_type
    def export_all_records(since: LastSuccess = None) -> datetime | None:
        """Write all records.

        Into one file.
        """
        return since

    made: Any = export_all_records
    assert export_all_records() is None
    assert issubclass(made.job_type, JobType)
    assert (made.job_type.id, made.job_type.title) == ("export_all_records", "Export all records")
    assert made.job_type.description == "Write all records."


@pytest.mark.parametrize(
    ("timeout", "seconds"), [("1h", 3600), (90, 90), (timedelta(minutes=1), 60), (-1, -1), (None, None)]
)
def test_a_job_type_has_the_options_it_was_declared_with(timeout: Any, seconds: float | None) -> None:
    @job_type(timeout=timeout, warn_on_errors=True, capture_output=False, queue="slow")
    def task() -> None: ...

    made: Any = task
    told = {"queue": "slow", "timeout": seconds, "warn_on_errors": True, "capture_output": False}
    assert made.job_type.options() == PLAIN | told
    assert made.job_type.queue == "slow"


def test_the_schema_of_a_class_that_names_none_is_the_predefined_one() -> None:
    class Plain(JobType):
        id = "plain"
        task = add

    assert Plain.arguments_schema is PredefinedArgsSchema is JobType.arguments_schema
    assert Plain.title == "Plain"


def test_declaring_loads_no_library() -> None:
    code = (
        "import sys\n"
        "from jobdeck import JobType, LastSuccess, job_type\n"
        "@job_type(title='A')\n"
        "def a(since: LastSuccess = None) -> None: ...\n"
        "class B(JobType):\n"
        "    id, task = 'b', a\n"
        "print(sorted({'marshmallow', 'pydantic', 'sqlalchemy', 'flask', 'jsonschema'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def declared(**attributes: Any) -> type[JobType]:
    return type("Wrong", (JobType,), {"__module__": "my_site.jobs", "id": "wrong", "task": add, **attributes})


class Lost(Schema):
    a = (fields.String(),)


def generator() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"id": ""}, ["no id", 'id = "']),
        ({"id": "two words"}, ["'two words'", "letters"]),
        ({"id": "a/b"}, ["'a/b'"]),
        ({"id": "x" * 256}, ["255"]),
        ({"id": "01890000-0000-7000-8000-000000000000"}, ["looks like"]),
        ({"task": None}, ["no task"]),
        ({"task": 3}, ["task is 3"]),
        ({"task": JobType}, ["not a function"]),
        ({"task": "nowhere.at:all"}, ["nowhere.at", "cannot be imported"]),
        ({"task": "json:nothing"}, ["json has no 'nothing'"]),
        ({"task": "nothing"}, ["package.module:name"]),
        ({"task": generator}, ["generator", "yield"]),
        ({"timeout": "soon"}, ["timeout 'soon'", "90s"]),
        ({"timeout": -2}, ["timeout"]),
        ({"timeout": object()}, ["timeout"]),
        ({"queue": ("slow",)}, ["queue"]),
        ({"warn_on_errors": "yes"}, ["warn_on_errors", "True or False"]),
        ({"title": ("A",)}, ["title"]),
        ({"retry": 0}, ["retry cannot be used", "1 to 1000"]),
        ({"retry": "often"}, ["retry cannot be used", "RetryPolicy"]),
        ({"limit": -1}, ["limit cannot be used", "1 to 10,000"]),
        ({"limit": 1, "limit_scope": ""}, ["limit_scope", "names of arguments"]),
        ({"limit_policy": "queue"}, ["limit_policy", "wait, skip, reject, replace"]),
        ({"priority": 101}, ["priority", "-100 to 100"]),
        ({"restartable": 1}, ["restartable", "True or False"]),
        ({"fresh_process": 1}, ["fresh_process", "True or False"]),
        ({"secret_fields": ["a"]}, ["secret_fields is not supported yet"]),
        ({"arguments_schema": (Sum,)}, ["tuple", "comma"]),
        ({"arguments_schema": Lost}, ["Lost.a is a tuple", "comma"]),
        ({"arguments_schema": {"a": (fields.String(),)}}, ["'a'", "comma"]),
        ({"arguments_schema": {"a": fields.String(), "b": str}}, ["'b'", "fields.String()"]),
        ({"arguments_schema": Sum(many=True)}, ["one object"]),
        ({"arguments_schema": fields.String}, ["Schema class"]),
        ({"arguments_schema": "Sum"}, ["'Sum'", "JSON Schema", "None"]),
        ({"arguments_schema": int}, ["int"]),
        ({"arguments_schema": {"type": "array"}}, ["object"]),
        ({"arguments_schema": {"type": "objekt"}}, ["no valid JSON Schema"]),
        ({"arguments_schema": {"type": "object", "properties": {"a": {"$ref": "http://x.example"}}}}, ["http://x.example"]),
        ({"arguments_schema": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}}, ["#/$defs/A"]),
        ({"arguments_schema": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}}, ["2020-12"]),
        (
            {"arguments_schema": {"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}}},
            ["default of 'a'", "Not a valid integer"],
        ),
        ({"build_task_arguments": lambda self, job_obj: {}}, ["@classmethod"]),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_named(attributes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(DefinitionError) as caught:
        Registry().register(declared(**attributes))
    told = str(caught.value)
    assert told.startswith("Job type Wrong (my_site.jobs): ") and told.endswith(".")
    assert all(word in told for word in words), told
    assert isinstance(caught.value, ConfigurationError)


def untyped(a) -> None: ...  # type: ignore[no-untyped-def] # the mistake that is tested


def stars(*a: int) -> None: ...


def named(**a: int) -> None: ...


def positional(a: int, /) -> None: ...


def unknown(a: Nowhere) -> None: ...  # type: ignore[name-defined] # noqa: F821 # the mistake that is tested


def no_json(a: Schema) -> None: ...


def takes_bytes(a: bytes = b"") -> None: ...


def nested_bytes(a: list[bytes]) -> None: ...


def secret(a: SecretStr) -> None: ...


def secrets(a: dict[str, SecretStr]) -> None: ...


def wrong_default(a: int = "x") -> None: ...  # type: ignore[assignment] # the mistake that is tested


def hidden_none(a: int = None) -> None: ...  # type: ignore[assignment] # noqa: RUF013 # the mistake that is tested


def naive(a: datetime = datetime(2026, 1, 1)) -> None: ...  # noqa: DTZ001 # the mistake that is tested


def field_default(a: int = Field(3, ge=1)) -> None: ...


def too_small(a: Annotated[int, Field(ge=1)] = 0) -> None: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (untyped, ["'a' has no type", "a: str"]),
        (stars, ["*a"]),
        (named, ["**a"]),
        (positional, ["positional-only"]),
        (unknown, ["'Nowhere'", "'a'"]),
        (no_json, ["'a'", "Schema"]),
        (takes_bytes, ["bytes", "take text"]),
        (nested_bytes, ["bytes", "take text"]),
        (secret, ["secret", "environment"]),
        (secrets, ["secret", "environment"]),
        (wrong_default, ["'x'", "Not a valid integer"]),
        (hidden_none, ["None", "| None"]),
        (naive, ["offset"]),
        (field_default, ["Annotated["]),
        (too_small, ["default 0", "greater than or equal to 1"]),
    ],
)
def test_a_signature_that_cannot_be_a_form_is_named(function: Any, words: list[str]) -> None:
    with pytest.raises(DefinitionError) as caught:
        Registry().register(job_type(function))
    assert str(caught.value).startswith(f"Job type {function.__name__} ({__name__}): ")
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_wrong_options_of_the_decorator_are_named_where_they_stand() -> None:
    wrong: Any = job_type
    for option, words in (({"hidden": True}, "not supported yet"), ({"tittle": "A"}, "no option 'tittle'")):
        with pytest.raises(DefinitionError, match=words):
            wrong(**option)(add)
    for thing in (generator, 3, Add, "json:loads"):
        with pytest.raises(DefinitionError, match="above a named function"):
            wrong(thing)


def test_types_known_only_inside_a_function_can_be_used(job: Any) -> None:
    from enum import Enum

    class Colour(Enum):
        RED = "red"

    @job_type
    def paint(colour: Colour = Colour.RED) -> str:
        return colour.name

    made: Any = paint
    arguments = made.job_type.prepare({}, job, None)
    assert arguments == {"colour": "red"}
    assert made.job_type.restore(arguments) == {"colour": Colour.RED}


def test_arguments_that_reach_nobody_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    made = declared(task=lambda: None, arguments_schema=Sum)
    made.verify()
    assert "neither its task nor a build_task_arguments takes a, b." in caplog.text
