"""The typed signature of a function as an argument schema: parameters by name, each validated as its annotation says."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, get_args

from pydantic.fields import FieldInfo

from ...errors import DefinitionError, FieldError, InvalidInput
from .. import tasks
from ..last_success import SinceLastSuccess
from . import messages, shape
from .values import NoJsonForm, Typed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Argument:
    name: str
    typed: Typed
    default: Any
    is_since: bool

    @property
    def is_required(self) -> bool:
        return self.default is Parameter.empty and not self.is_since

    def filled(self) -> Any:
        """The value when none is given."""
        return None if self.default is Parameter.empty else copy.deepcopy(self.default)


def of(function: Any, names: Mapping[str, Any]) -> SignatureSchema:
    """The argument schema behind a function; `names` are known to its annotations beside those of its module."""
    hints = tasks.hints(function, names)
    parameters = tasks.signature(function).parameters
    return SignatureSchema([_argument(one, hints.get(name, Parameter.empty)) for name, one in parameters.items()])


class SignatureSchema:
    """Values are what the annotations say; the task gets them back typed."""

    def __init__(self, arguments: Sequence[_Argument]) -> None:
        self._arguments = {one.name: one for one in arguments}
        self._json_schema = _describe(arguments)
        self.last_success_fields = tuple(one.name for one in arguments if one.is_since)
        """Parameters annotated `LastSuccess`."""

    def load(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """One value for every parameter."""
        errors = [FieldError(field=n, messages=(messages.UNKNOWN,)) for n in data if n not in self._arguments]
        values: dict[str, Any] = {}
        for name, one in self._arguments.items():
            try:
                if name in data:
                    values[name] = one.typed.read(data[name], name)
                    # A value may fit its type and still have no JSON form, as a datetime without an offset.
                    one.typed.write(values[name], name)
                elif one.is_required:
                    raise InvalidInput.of(name, messages.MISSING)
                else:
                    values[name] = one.filled()
            except InvalidInput as error:
                errors.extend(error.errors)
        if errors:
            raise InvalidInput(errors)
        return values

    def dump(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """JSON, from which `restore` makes equal values."""
        return {name: self._arguments[name].typed.write(value, name) for name, value in values.items()}

    def restore(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Typed values; a name that the signature does not have is left to Python to refuse."""
        known = self._arguments
        return {n: known[n].typed.read(value, n) if n in known else value for n, value in stored.items()}

    def json_schema(self) -> dict[str, Any]:
        """The plain shape of the parameters."""
        return self._json_schema

    def redact(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Texts marked as a password are hidden."""
        return shape.redact(self._json_schema, data)


def _argument(parameter: Parameter, annotation: Any) -> _Argument:
    name = parameter.name
    _check_kind(parameter, annotation)
    try:
        typed = Typed(annotation)
    except NoJsonForm as error:
        raise DefinitionError(f"the type of its parameter {name!r} cannot be an argument: {error}") from None
    is_since = any(isinstance(mark, SinceLastSuccess) for mark in get_args(annotation)[1:])
    made = _Argument(name=name, typed=typed, default=parameter.default, is_since=is_since)
    if made.default is not Parameter.empty:
        _check_default(made)
    return made


def _check_kind(parameter: Parameter, annotation: Any) -> None:
    name = parameter.name
    if parameter.kind in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL):
        stars = "**" if parameter.kind is Parameter.VAR_KEYWORD else "*"
        raise DefinitionError(f"its parameter {stars}{name} names no arguments; write each one as a parameter.")
    if parameter.kind is Parameter.POSITIONAL_ONLY:
        raise DefinitionError(f"its parameter {name!r} is positional-only; arguments are given by name.")
    if annotation is Parameter.empty:
        raise DefinitionError(f"its parameter {name!r} has no type; write for instance {name}: str.")
    if isinstance(annotation, str):
        raise DefinitionError(
            f"the type {annotation!r} of its parameter {name!r} is not known; import it where jobs can see it."
        )
    if isinstance(parameter.default, FieldInfo):
        raise DefinitionError(
            f"the default of its parameter {name!r} is a Field; write {name}: Annotated[…, Field(…)] = the default."
        )


def _check_default(one: _Argument) -> None:
    try:
        one.typed.read(one.typed.write(one.default, one.name), one.name)
    except InvalidInput as error:
        hint = " Write `| None` to allow None." if one.default is None else ""
        told = " ".join(text for wrong in error.errors for text in wrong.messages)
        raise DefinitionError(
            f"the default {one.default!r} of its parameter {one.name!r} does not fit its type: {told}{hint}"
        ) from None


def _describe(arguments: Sequence[_Argument]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for one in arguments:
        described = dict(one.typed.json_schema)
        definitions.update(described.pop("$defs", {}))
        if not one.is_required:
            described["default"] = one.typed.write(one.filled(), one.name)
        if one.is_since:
            described["x-last-success"] = True
            described.setdefault("description", "Left empty: the start of the last successful run.")
        properties[one.name] = described
    whole = {"properties": properties, "$defs": definitions, "additionalProperties": False}
    required = [one.name for one in arguments if one.is_required]
    return shape.simplify({**whole, "required": required} if required else whole)
