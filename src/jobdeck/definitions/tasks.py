"""What stands behind a task: a plain function, an async one, a Celery task, or the dotted path of one of these.

Celery is never imported: its task objects are known by what they can do, and run in this process without a broker.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, get_type_hints

from ..errors import Retry

_UNKNOWN = inspect.Signature(
    [
        inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
        inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
    ]
)


def find(path: str) -> Any:
    """What stands at `package.module:name` or `package.module.name`; LookupError says what is not there."""
    module_name, colon, name = path.partition(":")
    if not colon:
        module_name, _, name = path.rpartition(".")
    if not module_name or not name:
        raise LookupError(f"{path!r} is no path of a function; write 'package.module:name'")
    found = find_module(module_name)
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise LookupError(f"{module_name} has no {name!r}") from None
    return found


def find_module(name: str) -> Any:
    """The module of this name; LookupError says why it cannot be imported."""
    try:
        return importlib.import_module(name)
    except Exception as error:  # a module may fail in any way while it is imported
        raise LookupError(f"{name} cannot be imported ({type(error).__name__}: {error})") from error


def problem(task: object) -> str | None:
    """Why `task` cannot be run; None when it can."""
    if isinstance(task, type) or not callable(task):
        return f"is {task!r}, not a function, a Celery task, or the dotted path of one"
    function = written(task)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return "is a generator, which would not run; let it do its work without yield"
    return None


def runnable(task: Any) -> Callable[..., Any]:
    """A plain callable: an async function gets an event loop of its own, a Celery task runs right here."""
    function: Callable[..., Any] = functools.partial(_apply, task) if is_celery(task) else task

    def call(*args: Any, **kwargs: Any) -> Any:
        value = function(*args, **kwargs)
        return asyncio.run(value) if inspect.iscoroutine(value) else value

    return functools.update_wrapper(call, _called(task))


def signature(task: Any) -> inspect.Signature:
    """The parameters a task is called with, without `self` for a bound Celery task; `(*args, **kwargs)` when unknown."""
    try:
        return inspect.signature(_called(task))
    except ValueError:
        # Some functions written in C do not tell.
        return _UNKNOWN


def hints(task: Any, names: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The annotations of a task's parameters, resolved; `names` holds what its module does not.

    One that cannot be resolved stays the text that it is.
    """
    function = written(task)
    found = dict(getattr(function, "__annotations__", {}))
    found.pop("return", None)
    known = getattr(function, "__globals__", {})
    for name, annotation in found.items():
        one = SimpleNamespace(__annotations__={name: annotation})
        try:
            found.update(get_type_hints(one, known, dict(names or {}), include_extras=True))
        except Exception:  # an annotation may be any expression
            found[name] = annotation if isinstance(annotation, str) else repr(annotation)
    return found


def written(task: Any) -> Any:
    """The function in which the code of a task is written."""
    function = inspect.unwrap(_called(task))
    while isinstance(function, functools.partial):
        function = inspect.unwrap(function.func)
    function = getattr(function, "__func__", function)
    if callable(function) and not inspect.isroutine(function) and not isinstance(function, type):
        return type(function).__call__
    return function


def is_celery(task: object) -> bool:
    """Whether it is a task of Celery, or stands for one."""
    return not isinstance(task, type) and all(
        callable(getattr(task, name, None)) for name in ("run", "apply", "apply_async")
    )


def _apply(task: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return task.apply(args, kwargs, throw=True).get(disable_sync_subtasks=False)
    except Exception as error:
        if not _asks_for_retry(error):
            raise
        raise Retry(_why(error), after=_wait_s(error)) from getattr(error, "exc", None)


def _asks_for_retry(error: Exception) -> bool:
    """Whether the task has said `self.retry()`."""
    asks = getattr(sys.modules.get("celery.exceptions"), "Retry", None)
    return asks is not None and isinstance(error, asks)


def _why(error: Any) -> str:
    if error.message:
        return str(error.message)
    return "The task asked to be tried again." if error.exc is None else f"{type(error.exc).__name__}: {error.exc}"


def _wait_s(error: Any) -> float | None:
    """Celery tells seconds or a time, and its default when the task says nothing."""
    if not isinstance(error.when, datetime):
        seconds: float | None = error.when
        return seconds
    when = error.when if error.when.tzinfo else error.when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _called(task: Any) -> Any:
    return task.run if is_celery(task) else task
