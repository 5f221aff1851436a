"""From what somebody gave to what a task is called with: the one place where arguments are decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..core.job import Job
from ..definitions.job_type import JobType
from ..errors import InvalidInput
from . import checks


def saved_arguments(job_type: type[JobType] | None, given: Any) -> str | None:
    """The JSON text kept with a job; None when nothing is saved. Checked against the type's schema."""
    if given is None:
        return None
    data = checks.mapping(given, "args")
    if job_type is not None:
        data = _below_args(job_type.check, data)
    return checks.json_text(data, "args")


def custom_arguments(given: Any) -> str | None:
    """The JSON text of keyword arguments that replace whatever the type would build; None clears them."""
    return None if given is None else checks.json_text(checks.mapping(given, "custom_args"), "custom_args")


def task_arguments(
    job_type: type[JobType],
    job: Job,
    given: Mapping[str, Any] | None,
    custom: Mapping[str, Any] | None,
    since: datetime | None,
) -> dict[str, Any]:
    """The keyword arguments of a run: custom ones as they are, else built from those given, else from the job's.

    `since` is when the last successful run started.
    """
    if custom is None and given is None:
        custom = job.custom_arguments
    if custom is not None:
        return job_type.custom(checks.mapping(custom, "custom_args"))
    data = checks.mapping((job.arguments or {}) if given is None else given, "args")
    return _below_args(job_type.prepare, data, job=job, last_success=since)


def _below_args(function: Any, data: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    try:
        result: dict[str, Any] = function(data, **options)
    except InvalidInput as error:
        raise error.under("args") from None
    return result
