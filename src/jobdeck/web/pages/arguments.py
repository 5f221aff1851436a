"""The arguments part of a form, for jobs and for runs: fields of the type's schema, and custom arguments as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import request

from ...core import json_values
from ...definitions.job_type import JobType
from ...errors import FieldError, InvalidInput
from . import forms

CUSTOM = "custom_args"


@dataclass(slots=True)
class Given:
    """What a form says: `arguments` and `custom` as the services take them, and what could not be read."""

    arguments: dict[str, Any] | None = None
    custom: dict[str, Any] | None = None
    problems: list[FieldError] = field(default_factory=list)


def read(job_type: type[JobType], saved: Mapping[str, Any] | None = None) -> Given:
    """What was sent; of secrets that were left empty, what is `saved`."""
    given = Given()
    schema = job_type.schema()
    if schema is not None:
        given.arguments, given.problems = forms.read(schema.json_schema(), request.form, saved)
    text = request.form.get(CUSTOM, "").strip()
    if text:
        try:
            value = json_values.loads(text)
        except json_values.NotJson as error:
            given.problems.append(FieldError(field=CUSTOM, messages=(str(error),)))
        else:
            if isinstance(value, dict):
                given.custom = value
            else:
                given.problems.append(FieldError(field=CUSTOM, messages=('Must be an object: {"name": value}.',)))
    return given


def shown(
    job_type: type[JobType] | None,
    values: Mapping[str, Any] | None,
    custom: Mapping[str, Any] | None,
    errors: Sequence[FieldError] = (),
) -> dict[str, Any]:
    """Template values: the fields, the custom arguments' text, and every message for the summary on top."""
    schema = None if job_type is None else job_type.schema()
    typed = request.form if request.method == "POST" else None
    made = () if schema is None else forms.fields(schema.json_schema(), values or {}, typed, errors)
    text = "" if custom is None else json.dumps(custom, ensure_ascii=False, indent=2)
    return {
        "fields": made,
        "custom_text": text if typed is None else typed.get(CUSTOM, ""),
        "summary": _summary(made, errors),
        "wrong": {error.field: " ".join(error.messages) for error in errors},
    }


def refused(error: InvalidInput, given: Given) -> list[FieldError]:
    """The service's complaints, and those of the form."""
    read_already = {one.field for one in given.problems}
    return [*given.problems, *(one for one in error.errors if one.field not in read_already)]


def without_secrets(job_type: type[JobType] | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments fit to be shown."""
    schema = None if job_type is None else job_type.schema()
    return dict(values) if schema is None else schema.redact(values)


def _summary(made: Sequence[forms.Field], errors: Sequence[FieldError]) -> list[tuple[str, str, str]]:
    """(id of the field, its title, message) of everything that is wrong, first what no field of the form is told."""
    listed = [field for field in forms.all_fields(made) if field.kind != "hidden"]
    elsewhere = [
        error for error in errors if not any(forms.concerns(field.name, field.kind, error) for field in listed)
    ]
    return [
        *((_anchor(error.field), _title(error.field), message) for error in elsewhere for message in error.messages),
        *((field.id, field.title, message) for field in listed for message in field.errors),
    ]


def _anchor(name: str) -> str:
    return "arguments" if name.startswith(f"{forms.ROOT}.") or name == forms.ROOT else name.partition(".")[0]


def _title(name: str) -> str:
    words = name.removeprefix(f"{forms.ROOT}.").replace("_schema", "").strip("._").replace("_", " ")
    return f"{words[:1].upper()}{words[1:]}" or "Arguments"
