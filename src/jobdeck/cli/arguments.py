"""From `--arg NAME=VALUE` and `--arguments JSON` to the arguments of a job or a run.

A VALUE becomes what the type's JSON Schema takes by that name: a number, true or false, null, a JSON list or object; a
text stays as it is typed, also one that begins with `@`. Whether it fits is for the service to say, so a value that
cannot be read as anything else is handed on as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from ..core import json_values
from ..errors import FieldError, InvalidInput

Command = TypeVar("Command", bound=Callable[..., Any])

_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_TEXT, _TRUTH, _NOTHING = "string", "boolean", "null"


@dataclass(frozen=True, slots=True)
class Given:
    """What was typed. `whole` is the object of `--arguments`, `single` the texts of `--arg` by name."""

    whole: Mapping[str, Any] | None
    single: Mapping[str, str]

    def over(self, saved: Mapping[str, Any] | None, schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """The arguments: `--arguments` replaces the saved ones, every `--arg` changes one. None: nothing was typed."""
        if self.whole is None and not self.single:
            return None
        properties = (schema or {}).get("properties", {})
        base = (saved or {}) if self.whole is None else self.whole
        return {**base, **{name: parse(text, properties.get(name)) for name, text in self.single.items()}}


def parse(text: str, schema: object) -> Any:
    """The JSON value of a typed text, for a property with this JSON Schema (None: nothing is known about it)."""
    types = _types(schema) if isinstance(schema, Mapping) else set()
    plain_text = _TEXT in types and not (isinstance(schema, Mapping) and ("format" in schema or "enum" in schema))
    if _NOTHING in types and not plain_text and text in ("", "null"):
        return None
    if types and not types - {_TEXT, _NOTHING}:
        return text
    if _TRUTH in types and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        value = json_values.loads(text)
    except json_values.NotJson:
        return text
    return text if isinstance(value, str) or (_TEXT in types and value is None) else value


def schema_of(job_type: Any) -> Mapping[str, Any] | None:
    """The JSON Schema of a type's arguments; None when it takes none."""
    schema = None if job_type is None else job_type.schema()
    return None if schema is None else schema.json_schema()


@contextmanager
def naming_arguments(schema: Mapping[str, Any] | None) -> Iterator[None]:
    """Has a refusal of an argument that nobody knows say which ones there are."""
    try:
        yield
    except InvalidInput as error:
        names = ", ".join((schema or {}).get("properties", {}))
        hint = f"The arguments are {names}." if names else "No arguments are taken."
        raise InvalidInput(
            FieldError(field=wrong.field, messages=(*wrong.messages, *((hint,) if _is_unknown(wrong) else ())))
            for wrong in error.errors
        ) from None


def _is_unknown(wrong: FieldError) -> bool:
    return wrong.field.startswith("args.") and wrong.messages == ("Unknown field.",)


def argument_options(command: Command) -> Command:
    """Adds `--arg` (as `single`), `--arguments` (as `whole`) and `--custom-arguments`."""
    for option in reversed(_options()):
        command = option(command)
    return command


def again_argument_options(command: Command) -> Command:
    """Adds `--arg` and `--arguments` alone."""
    for option in reversed(_options()[:2]):
        command = option(command)
    return command


def _options() -> list[Callable[[Command], Command]]:
    return [
        click.option("--arg", "single", metavar="NAME=VALUE", multiple=True, callback=_pairs,
                     help="One argument; can be given several times."),
        click.option("--arguments", "whole", metavar="JSON", callback=_object,
                     help="All arguments, as one JSON object."),
        click.option("--custom-arguments", metavar="JSON", callback=_object,
                     help="An object handed to the task as it is, in place of what the type would build."),
    ]  # fmt: skip


def _pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Mapping[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{value!r} is not of the form NAME=VALUE.", context, parameter)
        if name in pairs:
            raise click.BadParameter(
                f"{name!r} is given twice; a list is written as NAME='[…, …]'.", context, parameter
            )
        pairs[name] = text
    return pairs


def _object(context: click.Context, parameter: click.Parameter, value: str | None) -> Mapping[str, Any] | None:
    if value is None:
        return None
    try:
        found = json_values.loads(value)
    except json_values.NotJson as error:
        raise click.BadParameter(str(error), context, parameter) from None
    if not isinstance(found, dict):
        raise click.BadParameter(
            'Give an object of arguments by name, such as \'{"name": "Ada"}\'.', context, parameter
        )
    return found


def _types(schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a property takes, also those of its branches and choices."""
    told = schema.get("type", [])
    types = {told} if isinstance(told, str) else set(told)
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if isinstance(branch, Mapping):
            types |= _types(branch)
    if not types:
        types = {_type_of(choice) for choice in schema.get("enum", ())}
    return types


def _type_of(value: Any) -> str:
    if value is None:
        return _NOTHING
    if isinstance(value, bool):
        return _TRUTH
    kinds = {str: _TEXT, int: "integer", float: "number", list: "array", dict: "object"}
    return kinds[type(value)]
