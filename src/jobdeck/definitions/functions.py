"""Plain functions as runs: how one is named, whether a call fits it, and its arguments as it wants them.

A run stores the name of a function and JSON. What is imported is what code has enqueued, never what a value says.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from inspect import Parameter
from types import FunctionType
from typing import Any

from ..core.json_values import NotJson, to_json_value
from ..errors import DefinitionError, FieldError, InvalidInput
from . import tasks
from .arguments import messages


def function_path(function: Callable[..., Any] | str) -> str:
    """`package.module:name` of an importable function; InvalidInput says why a worker could not import it."""
    if isinstance(function, FunctionType):
        return _path_once(function)
    return _path(_found(function) if isinstance(function, str) else function)


def _path(function: Callable[..., Any]) -> str:
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


_path_once = lru_cache(maxsize=1024)(_path)


def check_call(function: Callable[..., Any] | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """InvalidInput, one entry a parameter, when `function(*args, **kwargs)` does not fit its signature or types."""
    known = _known(_found(function) if isinstance(function, str) else function)
    errors = list(_misfits(known, args, kwargs)) or list(_mistyped(known, args, kwargs))
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
    known = _known(call)
    by_position = [known.read(name, value) for name, value in zip(known.names_of(positional), positional, strict=True)]
    return by_position, {name: known.read(name, value) for name, value in named.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The parameters of a function, and how to read those with a usable annotation."""

    parameters: Mapping[str, Parameter]
    positional: tuple[str, ...]
    types: Mapping[str, Any]

    def names_of(self, args: Sequence[Any]) -> list[str | None]:
        """The parameter of each positional argument; None for those that `*args` takes."""
        return [*self.positional, *[None] * len(args)][: len(args)]

    def read(self, name: str | None, value: Any, place: str | None = None) -> Any:
        """The value as its annotation wants it; as it is without one."""
        if name is None or name not in self.types:
            return value
        return self.types[name].read(value, place or name)


def _wrong(message: str) -> InvalidInput:
    return InvalidInput.of("function", message)


def _found(path: str) -> Any:
    try:
        return tasks.find(path)
    except LookupError as error:
        raise _wrong(messages.sentence(str(error))) from error.__cause__


def _is_same(found: Any, function: Any) -> bool:
    return found is function or bool(found == function)


def _misfits(known: _Known, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[FieldError]:
    parameters, positional = known.parameters, known.positional
    kinds = {one.kind for one in parameters.values()}
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


def _mistyped(known: _Known, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[FieldError]:
    given = [
        (name, value, f"args.{index}")
        for index, (name, value) in enumerate(zip(known.names_of(args), args, strict=True))
    ]
    for name, value, place in [*given, *((name, value, f"kwargs.{name}") for name, value in kwargs.items())]:
        try:
            known.read(name, to_json_value(value), place)
        except InvalidInput as error:
            yield from error.errors
        except NotJson:
            # Whoever stores the arguments says which value has no JSON form.
            continue


@lru_cache(maxsize=1024)
def _known(task: Any) -> _Known:
    parameters = tasks.signature(task).parameters
    return _Known(
        parameters=parameters,
        positional=tuple(name for name, one in parameters.items() if one.kind <= Parameter.POSITIONAL_OR_KEYWORD),
        types=_types(parameters, tasks.hints(task)),
    )


def _types(parameters: Mapping[str, Parameter], annotations: Mapping[str, Any]) -> dict[str, Any]:
    """How to read each annotated parameter; one whose type is unknown or has no JSON form is left as it is."""
    several = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    meant = {
        name: annotations[name] for name, one in parameters.items() if name in annotations and one.kind not in several
    }
    found: dict[str, Any] = {}
    for name, annotation in meant.items():
        # pydantic is loaded for the first function with annotations, not before.
        values = importlib.import_module(f"{__package__}.arguments.values")
        with suppress(values.NoJsonForm):
            if not isinstance(annotation, str):
                found[name] = values.Typed(annotation)
    return found
