"""Calling an author's `build_task_arguments`: with what it names, and with its mistakes told as such."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..core.job import Job
from ..errors import InvalidInput, JobdeckError
from .arguments.messages import flat, json_of

if TYPE_CHECKING:
    from .job_type import JobType

DISCRIMINATOR = "job_arg_schema"
logger = logging.getLogger("jobdeck.definitions")


def build(job_type: type[JobType], job: Job, values: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON that the type's builder makes of loaded `values`; InvalidInput when it fails or makes no JSON."""
    builder = job_type.build_task_arguments
    given = _named(builder, {**values, DISCRIMINATOR: getattr(job_type.arguments_schema, "__name__", "custom")})
    try:
        built = builder(job, **given)
    except JobdeckError:
        raise
    except Exception as error:  # the author's code may raise anything, and a list of jobs must not break on it
        if callable(tell := getattr(error, "normalized_messages", None)):
            raise InvalidInput.from_mapping(flat(tell())) from error
        logger.exception("build_task_arguments of the job type %s failed.", job_type.id)
        raise _failed(job_type, f"raised {type(error).__name__}: {error}") from error
    if not isinstance(built, Mapping):
        raise _failed(job_type, f"returned {type(built).__name__}, not a dict")
    kept: dict[str, Any] = json_of(_in_utc(built))
    return kept


def _named(builder: Any, values: dict[str, Any]) -> dict[str, Any]:
    """What the builder names, or, when it takes any name, everything but the schema's name."""
    parameters = inspect.signature(builder).parameters
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    return {name: value for name, value in values.items()
            if name in parameters or (takes_any and name != DISCRIMINATOR)}  # fmt: skip


def _in_utc(value: Any) -> Any:
    """Datetimes in UTC; one without a zone counts as UTC, which is what a form shows."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, Mapping):
        return {name: _in_utc(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_in_utc(item) for item in value]
    return value


def _failed(job_type: type[JobType], what: str) -> InvalidInput:
    return InvalidInput.of("_schema", f"build_task_arguments of {job_type.id} {what}.")
