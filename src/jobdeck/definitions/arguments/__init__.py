"""Argument schemas of every kind, behind one socket: `contracts.ArgumentSchema`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from ...contracts import ArgumentSchema
from ...errors import DefinitionError


def schema_of(declared: Any, names: Mapping[str, Any]) -> ArgumentSchema | None:
    """The schema behind what an author wrote as `arguments_schema`; DefinitionError when it is none.

    `names` resolves annotations of a typed signature that its module does not know.
    """
    if declared is None:
        return None
    kind = _kind(declared)
    # Each kind loads a library of its own; a process pays only for those that its job types use.
    module = importlib.import_module(f"{__name__}.{kind}")
    schema: ArgumentSchema = module.of(declared, names) if kind == "signature" else module.of(declared)
    return schema


def _kind(declared: Any) -> str:
    if isinstance(declared, tuple):
        raise DefinitionError("its arguments_schema is a tuple; remove the comma at the end of the line.")
    if isinstance(declared, Mapping):
        return "jsonschema" if declared and not any(map(_is_field, declared.values())) else "marshmallow"
    if _is_marshmallow(declared):
        return "marshmallow"
    if callable(declared) and not isinstance(declared, type):
        return "signature"
    raise DefinitionError(
        f"its arguments_schema is {declared!r}; give a marshmallow Schema class, a dict of marshmallow fields, a JSON "
        "Schema, a function with typed parameters, or None for no arguments."
    )


def _is_field(value: Any) -> bool:
    """A marshmallow field, also one that a comma has made a tuple."""
    return _is_marshmallow(value[0] if isinstance(value, tuple) and value else value)


def _is_marshmallow(thing: Any) -> bool:
    kind = thing if isinstance(thing, type) else type(thing)
    return any(base.__module__.partition(".")[0] == "marshmallow" for base in kind.__mro__)
