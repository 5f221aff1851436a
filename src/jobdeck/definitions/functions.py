"""Plain functions as runs: how one is named, whether a call fits it, and its arguments as it wants them.

A run stores the name of a function and JSON. What is imported is what code has enqueued, never what a value says.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from inspect import Parameter
from typing import Any

from ..core.json_values import NotJson, to_json_value
from ..errors import DefinitionError, FieldError, InvalidInput
from . import tasks
from .arguments import messages


def function_path(function: Callable[..., Any] | str) -> str:
    """`package.module:name` of an importable function; InvalidInput says why a worker could not import it."""
    if isinstance(function, str):
        function = _found(function)
    written = tasks.written(function)
    module, name = getattr(written, "__module__", None), getattr(written, "__qualname__", None)
    shown = f"{module}.{name}" if name else repr(function)
    if wrong := tasks.problem(function):
        raise _wrong(f"{shown} {wrong}.")
    if not module or not name or "<" in name or module == "__main__":
        why = "stands in the program itself" if module == "__main__" else "has no name in a module"
        raise _wrong(f"{shown} {why}, so that a worker cannot import it; define it at the top of a module.")
    path = f"{module}:{name}"
    if not _is_same(_found(path), function):
        raise _wrong(f"{shown} is something else in its module; give the function that stands there under its name.")
    return path


def check_call(function: Callable[..., Any] | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """InvalidInput, one entry a parameter, when `function(*args, **kwargs)` does not fit its signature or types."""
    task = _found(function) if isinstance(function, str) else function
    errors = list(_misfits(tasks.signature(task), args, kwargs)) or list(_mistyped(task, args, kwargs))
    if errors:
        raise InvalidInput(errors)


def resolve_function(path: str) -> Callable[..., Any]:
    """What a worker calls for a stored path; DefinitionError when it is not there any more."""
    try:
        found = tasks.find(path)
    except LookupError as error:
        raise DefinitionError(f"The function {path} cannot be called: {error}.") from error.__cause__
    if wrong := tasks.problem(found):
        raise DefinitionError(f"The function {path} cannot be called: it {wrong}.")
    return tasks.runnable(found)


def load_call(
    call: Callable[..., Any], positional: Sequence[Any], named: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The stored arguments as the annotations of `call` want them; without an annotation they stay JSON."""
    types, parameters = _types(call), _by_position(call)
    loaded = list(positional)
    for index, value in enumerate(positional):
        name = parameters[index] if index < len(parameters) else None
        loaded[index] = types[name].read(value, name) if name in types else value
    return loaded, {name: types[name].read(value, name) if name in types else value for name, value in named.items()}


def _wrong(message: str) -> InvalidInput:
    return InvalidInput.of("function", message)


def _found(path: str) -> Any:
    try:
        return tasks.find(path)
    except LookupError as error:
        raise _wrong(messages.sentence(str(error))) from error.__cause__


def _is_same(found: Any, function: Any) -> bool:
    return found is function or bool(found == function)


def _by_position(task: Any) -> list[str]:
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return [one.name for one in tasks.signature(task).parameters.values() if one.kind in kinds]


def _misfits(signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[FieldError]:
    parameters = signature.parameters
    kinds = {one.kind for one in parameters.values()}
    positional = [n for n, one in parameters.items() if one.kind <= Parameter.POSITIONAL_OR_KEYWORD]
    if len(args) > len(positional) and Parameter.VAR_POSITIONAL not in kinds:
        yield FieldError(field="args", messages=(f"{len(args)} given; at most {len(positional)} are taken.",))
    by_position = set(positional[: len(args)])
    for name in kwargs:
        one = parameters.get(name)
        if one is None or one.kind in (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            if Parameter.VAR_KEYWORD not in kinds:
                yield FieldError(field=f"kwargs.{name}", messages=(messages.UNKNOWN,))
        elif name in by_position:
            yield FieldError(field=f"kwargs.{name}", messages=("Given twice, also by position.",))
    for name, one in parameters.items():
        is_open = one.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD) or one.default is not Parameter.empty
        is_given = name in by_position or (name in kwargs and one.kind is not Parameter.POSITIONAL_ONLY)
        if not is_open and not is_given:
            place = f"args.{positional.index(name)}" if one.kind is Parameter.POSITIONAL_ONLY else f"kwargs.{name}"
            yield FieldError(field=place, messages=(messages.MISSING,))


def _mistyped(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[FieldError]:
    types = _types(task)
    given = [*((name, value, f"args.{i}") for i, (name, value) in enumerate(zip(_by_position(task), args, strict=False))),
             *((name, value, f"kwargs.{name}") for name, value in kwargs.items())]  # fmt: skip
    for name, value, place in given:
        if name not in types:
            continue
        try:
            types[name].read(to_json_value(value), place)
        except InvalidInput as error:
            yield from error.errors
        except NotJson:
            # Whoever stores the arguments says which value has no JSON form.
            continue


@lru_cache(maxsize=1024)
def _types(task: Any) -> dict[str | None, Any]:
    """How to read each annotated parameter; one whose type is unknown or has no JSON form is left as it is."""
    found: dict[str | None, Any] = {}
    kinds = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    meant = {name for name, one in tasks.signature(task).parameters.items() if one.kind not in kinds}
    annotations = {n: a for n, a in tasks.hints(task).items() if n in meant and not isinstance(a, str)}
    if not annotations:
        return found
    # pydantic is loaded for the first function with annotations, not before.
    values = importlib.import_module(f"{__package__}.arguments.values")
    for name, annotation in annotations.items():
        try:
            found[name] = values.Typed(annotation)
        except values.NoJsonForm:
            continue
    return found
