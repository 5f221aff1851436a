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


def read(job_type: type[JobType]) -> Given:
    """What was sent."""
    given = Given()
    schema = job_type.schema()
    if schema is not None:
        given.arguments, given.problems = forms.read(schema.json_schema(), request.form)
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
    job_type: type[JobType],
    values: Mapping[str, Any] | None,
    custom: Mapping[str, Any] | None,
    errors: Sequence[FieldError] = (),
) -> dict[str, Any]:
    """Template values: the fields, the custom arguments' text, and every message for the summary on top."""
    schema = job_type.schema()
    typed = request.form if request.method == "POST" else None
    made = () if schema is None else forms.fields(schema.json_schema(), values or {}, typed, errors)
    text = "" if custom is None else json.dumps(custom, ensure_ascii=False, indent=2)
    known = [(one.id, one.title, message) for one, message in forms.all_errors(made)]
    rest = [
        (error.field.replace(".", "-"), error.field.replace("_", " ").capitalize(), message)
        for error in errors
        if not error.field.startswith(f"{forms.ROOT}.") or error.field.endswith("_schema")
        for message in error.messages
    ]
    return {
        "fields": made,
        "custom_text": text if typed is None else typed.get(CUSTOM, ""),
        "summary": [*rest, *known],
        "wrong": {error.field: " ".join(error.messages) for error in errors},
    }


def refused(error: InvalidInput, given: Given) -> list[FieldError]:
    """The service's complaints, and those of the form."""
    read_already = {one.field for one in given.problems}
    return [*given.problems, *(one for one in error.errors if one.field not in read_already)]
