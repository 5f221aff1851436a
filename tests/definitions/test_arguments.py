"""From what a client sends to what a task is called with, for types with and without a builder."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from marshmallow import Schema, ValidationError, fields, validates_schema

from jobdeck import InvalidInput, JobType, PredefinedArgsSchema
from jobdeck.core.job import Job

Refused = Callable[..., dict[str, str]]
LAST_TEXT = "2026-01-02T03:04:05+00:00"


def anything(**arguments: Any) -> dict[str, Any]:
    return arguments


class Renamed(PredefinedArgsSchema):
    until = fields.Date()
    serializer = fields.String(required=True)


class Plain(JobType):
    id = "plain"
    task = anything


class Export(JobType):
    id = "export"
    task = anything
    arguments_schema = Renamed

    @classmethod
    def build_task_arguments(cls, job_obj: Job, since: datetime | None = None, **kwargs: Any) -> dict[str, Any]:
        return {"title": job_obj.title, "since": since, **kwargs}


class NoForm(JobType):
    id = "no-form"
    task = anything
    arguments_schema = None

    @classmethod
    def build_task_arguments(cls, job_obj: Job, since: datetime | None = None, **kwargs: Any) -> dict[str, Any]:
        return {"since": since, **kwargs}


def building(schema: Any, builder: Any) -> type[JobType]:
    return JobType.create(
        "Built", schema, "built", anything, None, "Built", {"build_task_arguments": classmethod(builder)}
    )


@pytest.mark.parametrize(
    "given", [{}, {"job_arg_schema": "PredefinedArgsSchema"}, {"job_arg_schema": "custom"}, {"since": None}]
)
def test_an_empty_since_is_the_start_of_the_last_success(given: Any, job: Job, last_success: datetime) -> None:
    assert Plain.prepare(given, job, last_success) == {"since": LAST_TEXT}
    assert Plain.prepare(given, job, None) == {"since": None}
    assert NoForm.prepare({}, job, last_success) == {"since": LAST_TEXT}


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ({"foo": 1}, {"foo": "Unknown field."}),
        ({"job_arg_schema": "PredefinedArgsSchema", "foo": 1}, {"foo": "Unknown field."}),
        ({"job_arg_schema": "Nope"}, {"job_arg_schema": "Unsupported value: Nope"}),
        ({"job_arg_schema": "Schema"}, {"job_arg_schema": "Unsupported value: Schema"}),
        (
            {"job_arg_schema": ["PredefinedArgsSchema"]},
            {"job_arg_schema": "Unsupported value: ['PredefinedArgsSchema']"},
        ),
        ({"since": "yesterday"}, {"since": "Not a valid datetime."}),
        ({"since": 5.5}, {"since": "Not a valid datetime."}),
        ({"since": float("nan")}, {"since": "NaN and Infinity have no JSON form."}),
    ],
)
def test_what_does_not_fit_is_named(given: Any, errors: dict[str, str], job: Job, refused: Refused) -> None:
    assert refused(Plain.prepare, given, job, None) == errors


def test_a_type_without_a_form_takes_nothing(job: Job, refused: Refused) -> None:
    assert NoForm.schema() is None
    assert refused(NoForm.prepare, {"a": 1, "b": 2}, job, None) == {"a": "Unknown field.", "b": "Unknown field."}
    assert NoForm.check({}) == {}


@pytest.mark.parametrize("name", [None, "Renamed", "PredefinedArgsSchema", "custom"])
def test_the_schemas_name_may_be_left_out_or_inherited(name: str | None, job: Job) -> None:
    given = {"serializer": "json"} if name is None else {"serializer": "json", "job_arg_schema": name}
    assert Export.prepare(given, job, None) == {"title": "Nightly", "since": None, "serializer": "json"}
    assert Export.check(given) == {"serializer": "json"}


def test_a_naive_since_is_utc_and_another_zone_is_converted(job: Job) -> None:
    for since in ("2026-01-02T03:04:05", "2026-01-02T05:04:05+02:00", "2026-01-02T03:04:05Z", LAST_TEXT):
        assert Plain.prepare({"since": since}, job, None) == {"since": LAST_TEXT}
        assert Export.prepare({"since": since, "serializer": "a"}, job, None)["since"] == LAST_TEXT


def test_code_may_give_values_that_are_not_json_yet(job: Job) -> None:
    since = datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    given = {"since": since, "until": date(2026, 2, 1), "serializer": "a"}
    assert Export.prepare(given, job, None) == {
        "title": "Nightly", "since": LAST_TEXT, "until": "2026-02-01", "serializer": "a",
    }  # fmt: skip


def test_a_builder_gets_loaded_values_also_from_what_is_saved(job: Job) -> None:
    seen: list[Any] = []

    def build(cls: Any, job_obj: Job, since: Any = None, until: Any = None) -> dict[str, Any]:
        seen.append((since, until))
        return {"days": (until - since.date()).days}

    made = building(Renamed, build)
    saved = made.check({"since": "2026-01-01T00:00", "until": "2026-01-31", "serializer": "a"})
    assert saved == {"since": "2026-01-01T00:00:00+00:00", "until": "2026-01-31", "serializer": "a"}
    assert made.prepare(saved, job, None) == {"days": 30}
    assert seen == [(datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 31))]


def test_a_builder_gets_what_it_names(job: Job, last_success: datetime) -> None:
    given = {"serializer": "a", "until": "2026-01-31"}

    def nothing(cls: Any, job_obj: Job) -> dict[str, Any]:
        return {"nothing": True}

    def one(cls: Any, job_obj: Job, serializer: str) -> dict[str, Any]:
        return {"serializer": serializer}

    def schema_name(cls: Any, job_obj: Job, since: Any = None, job_arg_schema: str = "") -> dict[str, Any]:
        return {"name": job_arg_schema, "since": since}

    assert building(Renamed, nothing).prepare(given, job, last_success) == {"nothing": True}
    assert building(Renamed, one).prepare(given, job, last_success) == {"serializer": "a"}
    assert building(Renamed, schema_name).prepare(given, job, last_success) == {"name": "Renamed", "since": LAST_TEXT}


def test_a_static_builder_works(job: Job) -> None:
    class Static(JobType):
        id = "static"
        task = anything

        @staticmethod
        def build_task_arguments(job_obj: Job, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override] # as authors do
            return {"title": job_obj.title}

    assert Static.prepare({}, job, None) == {"title": "Nightly"}


def test_what_a_builder_returns_becomes_json_in_utc(job: Job) -> None:
    def build(cls: Any, job_obj: Job, **kwargs: Any) -> dict[str, Any]:
        naive = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 # as authors write it
        return {"a": naive, "b": {"c": [naive.replace(tzinfo=timezone(timedelta(hours=1)))]}, "d": {1}, "e": date.min}

    assert building(None, build).prepare({}, job, None) == {
        "a": LAST_TEXT, "b": {"c": ["2026-01-02T02:04:05+00:00"]}, "d": [1], "e": "0001-01-01",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("result", "field", "words"),
    [
        (ValueError("no such set"), "_schema", "build_task_arguments of built raised ValueError: no such set."),
        (KeyError("x"), "_schema", "raised KeyError: 'x'"),
        (ValidationError({"until": ["Too late."]}), "until", "Too late."),
        (InvalidInput.of("until", "Too late."), "until", "Too late."),
        (None, "_schema", "returned NoneType, not a dict"),
        ({"a": {"b": object()}}, "a.b", "A value of type object has no JSON form."),
        ({1: 2}, "_schema", "The key 1 is not a text."),
    ],
)
def test_a_builder_that_fails_refuses_the_run(
    result: Any, field: str, words: str, job: Job, refused: Refused, caplog: pytest.LogCaptureFixture
) -> None:
    def build(cls: Any, job_obj: Job, **kwargs: Any) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    caplog.set_level(logging.CRITICAL + 1)
    told = refused(building(None, build).prepare, {}, job, None)
    assert list(told) == [field] and words in told[field]


def test_without_a_builder_the_task_gets_what_it_takes(job: Job, last_success: datetime) -> None:
    def made(task: Any) -> dict[str, Any]:
        fields_: Any = {"since": fields.DateTime(allow_none=True), "size": fields.Integer(load_default=3)}
        return JobType.create("T", fields_, "t", task, None, None).prepare({}, job, last_success)

    assert made(lambda: None) == {}
    assert made(lambda size: None) == {"size": 3}
    assert made(lambda *, since=None, other=1: None) == {"since": LAST_TEXT}
    assert made(lambda size, **rest: None) == {"size": 3, "since": LAST_TEXT}


def test_saved_arguments_may_be_incomplete_but_not_wrong(refused: Refused) -> None:
    assert Export.check({}) == {}
    assert Export.check({"until": "2026-01-31"}) == {"until": "2026-01-31"}
    assert Export.check({"since": None}) == {"since": None}
    assert refused(Export.check, {"until": "soon"}) == {"until": "Not a valid date."}
    assert refused(Export.check, {"a.b": 1}) == {"a.b": "Unknown field."}
    assert refused(Export.check, {"foo": 1, "until": "2026-01-31"}) == {"foo": "Unknown field."}


def test_what_is_saved_has_no_defaults_added() -> None:
    made = JobType.create(
        "D", {"a": fields.Integer(load_default=1, dump_default=2), "b": fields.Integer()}, "d", anything, None, None
    )
    assert made.check({"b": "3"}) == {"b": 3}


def test_custom_arguments_are_handed_on_as_they_are() -> None:
    assert Export.custom({"odd": [1, {"x": None}]}) == {"odd": [1, {"x": None}]}
    assert Export.restore({"odd": 1}) == {"odd": 1}


class Rules(Schema):
    low = fields.Integer()
    high = fields.Integer()

    @validates_schema
    def in_order(self, data: Any, **_: Any) -> None:
        if data["low"] > data["high"]:
            raise ValidationError("The wrong way round.")


def test_rules_between_fields(job: Job, refused: Refused, caplog: pytest.LogCaptureFixture) -> None:
    made = JobType.create("R", Rules, "rules", anything, None, None)
    assert made.prepare({"low": 1, "high": 2}, job, None) == {"low": 1, "high": 2}
    assert refused(made.prepare, {"low": 2, "high": 1}, job, None) == {"_schema": "The wrong way round."}
    assert refused(made.check, {"low": 2, "high": 1}) == {"_schema": "The wrong way round."}
    told = refused(made.prepare, {"low": 2}, job, None)
    assert told == {"_schema": "The arguments schema of rules raised KeyError: 'high'."}
    assert "KeyError" in caplog.text
