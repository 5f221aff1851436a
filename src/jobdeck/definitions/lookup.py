"""From what somebody names to job types: a class, a decorated function, a module, or the dotted path of one."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from ..errors import DefinitionError
from . import tasks
from .job_type import JobType


def job_types_of(thing: Any) -> list[type[JobType]]:
    """The job types behind `thing`; DefinitionError when there are none."""
    if isinstance(thing, str):
        thing = _named(thing)
    if (found := _job_type(thing)) is not None:
        return [found]
    if not isinstance(thing, ModuleType):
        shown = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', repr(thing))}".lstrip(".")
        raise DefinitionError(
            f"{shown} is no job type; put @job_type above the function, or make it a subclass of JobType."
        )
    in_module = list(dict.fromkeys(_of_module(thing)))
    if not in_module:
        raise DefinitionError(
            f"The module {thing.__name__} has no job type; declare one in it, or name those it imports in __all__."
        )
    return in_module


def _job_type(thing: Any) -> type[JobType] | None:
    if isinstance(thing, type):
        return thing if issubclass(thing, JobType) and thing is not JobType else None
    try:
        made = getattr(thing, "job_type", None)
    except Exception:  # a proxy of something that is not there raises what it likes
        return None
    return made if isinstance(made, type) and issubclass(made, JobType) else None


def _of_module(module: ModuleType) -> Iterator[type[JobType]]:
    """What is declared in the module, or below it and imported into it, or stands in its `__all__`."""
    listed = set(getattr(module, "__all__", ()))
    for name, thing in list(vars(module).items()):
        found = None if isinstance(thing, ModuleType) else _job_type(thing)
        if found is None:
            continue
        is_own = f"{found.__module__}.".startswith(f"{module.__name__}.")
        is_meant = bool(found.id) or found.task is not None
        if is_meant and (is_own or name in listed):
            yield found


def _named(path: str) -> Any:
    try:
        return _module(path) if ":" not in path else tasks.find(path)
    except LookupError as error:
        raise DefinitionError(f"Job types {path!r}: {error}.") from error.__cause__


def _module(path: str) -> Any:
    """A module, or what a module has under the last name of `path`."""
    try:
        return tasks.find_module(path)
    except LookupError as error:
        if not isinstance(error.__cause__, ModuleNotFoundError) or "." not in path or error.__cause__.name != path:
            raise
        return tasks.find(path)
