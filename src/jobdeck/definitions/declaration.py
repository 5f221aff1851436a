"""Checks of a declaration, at the start of the program: one sentence says what is wrong and what would be right."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..core.ids import is_id
from ..core.limits import PRIORITY_LIMIT, check_limit, check_policy, check_scope
from ..core.retry import policy_of
from ..core.times import parse_timeout
from ..errors import DefinitionError
from . import tasks

OPTIONS = ("id", "title", "description", "queue", "timeout", "priority", "retry", "limit", "limit_scope", "limit_policy",
           "restartable", "fresh_process", "warn_on_errors", "capture_output")  # fmt: skip
# Words of later versions. A setting that is accepted and does nothing would be worse than this refusal.
RESERVED = ("hidden", "create_permissions", "cancel_permissions", "view_permissions", "secret_fields")
ID_LIMIT = 255
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")


def _check_priority(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > PRIORITY_LIMIT:
        raise ValueError(f"{value!r} is no priority; write a whole number from -{PRIORITY_LIMIT} to {PRIORITY_LIMIT}")


_CHECKS: Mapping[str, Callable[[Any], object]] = {
    "priority": _check_priority,
    "retry": policy_of,
    "limit": check_limit,
    "limit_scope": check_scope,
    "limit_policy": check_policy,
}


def option_problem(name: str) -> str | None:
    """Why an option of this name cannot be given; None when it can."""
    if name in OPTIONS:
        return None
    if name in RESERVED:
        return f"{name} is not supported yet; leave it out."
    return f"there is no option {name!r}; the options are {', '.join(OPTIONS)}."


def check(job_type: Any, task: Any) -> None:
    """DefinitionError when the type cannot be registered; `task` is the callable behind it."""
    _check_id(job_type.id)
    for base in job_type.__mro__:
        for name in RESERVED:
            if name in vars(base):
                raise DefinitionError(str(option_problem(name)))
    if wrong := tasks.problem(task):
        raise DefinitionError(f"its task {wrong}.")
    _check_options(job_type)
    builder = inspect.getattr_static(job_type, "build_task_arguments")
    if not isinstance(builder, classmethod | staticmethod):
        raise DefinitionError("its build_task_arguments gets no class; put @classmethod above it.")


def _check_id(type_id: Any) -> None:
    if not type_id:
        raise DefinitionError('it has no id; give it one, such as id = "export_records".')
    if not isinstance(type_id, str) or len(type_id) > ID_LIMIT or not _ID.fullmatch(type_id):
        raise DefinitionError(
            f"its id {type_id!r} is no text of letters, digits and _ . : - ({ID_LIMIT} at most, not starting with . : -)."
        )
    if is_id(type_id):
        raise DefinitionError(f"its id {type_id!r} looks like that of a job; give it a name.")


def _check_options(job_type: Any) -> None:
    try:
        parse_timeout(job_type.timeout)
    except (ValueError, OverflowError) as error:
        raise DefinitionError(f"its timeout {job_type.timeout!r} cannot be used: {error}.") from None
    except (TypeError, AttributeError):
        raise DefinitionError(f"its timeout is {job_type.timeout!r}; write seconds, or a text such as '1h'.") from None
    if job_type.queue is not None and not (isinstance(job_type.queue, str) and job_type.queue):
        raise DefinitionError(f"its queue {job_type.queue!r} is no name of a queue.")
    for name, check_option in _CHECKS.items():
        try:
            check_option(getattr(job_type, name))
        except ValueError as error:
            raise DefinitionError(f"its {name} cannot be used: {error}.") from None
    for name in ("restartable", "fresh_process", "warn_on_errors", "capture_output"):
        if not isinstance(getattr(job_type, name), bool):
            raise DefinitionError(f"its {name} is {getattr(job_type, name)!r}; write True or False.")
    for name in ("title", "description"):
        if isinstance(getattr(job_type, name), tuple | list | Mapping):
            raise DefinitionError(f"its {name} is {getattr(job_type, name)!r}; write a text.")
