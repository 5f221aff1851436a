"""From the arguments of a body to those of the services: `args`, `custom_args` and a job's `run_args`."""

from __future__ import annotations

from typing import Any

from ...core import json_values
from ...errors import InvalidInput

Given = dict[str, Any]
_NO_OBJECT = "Must be an object of arguments by name."


def of_run(body: Given) -> Given:
    """`arguments` and `custom_arguments` for a new run; both None when the body names neither."""
    given: Given = {"arguments": None, "custom_arguments": None}
    if "args" in body:
        given |= _split(body["args"], "args", nullable=False)
    if "custom_args" in body:
        given["custom_arguments"] = _custom(body["custom_args"], "custom_args")
    return given


def of_again(body: Given) -> Given | None:
    """The other arguments of a run again; None when the body names none."""
    if "args" not in body:
        return None
    given: Given | None = body["args"]
    if not isinstance(given, dict):
        raise InvalidInput.of("args", _NO_OBJECT)
    return given


def of_job(body: Given) -> Given:
    """What the body says about a job's saved arguments; names that it leaves out are missing."""
    given: Given = {}
    # A job as a GET gave it names both, with {} as `args` where nothing is saved.
    untouched = "run_args" in body and body.get("args") == (body["run_args"] or {})
    if "args" in body and not untouched:
        given = _split(body["args"], "args", nullable=False)
    elif "run_args" in body:
        given = _split(body["run_args"], "run_args", nullable=True)
    if "custom_args" in body:
        given["custom_arguments"] = _custom(body["custom_args"], "custom_args")
    return given


def of_schedule(body: Given) -> Given:
    """What the body says about the arguments of a schedule, which go before its job's; null clears them."""
    given: Given = {}
    if "args" in body:
        given["arguments"] = body["args"]
    if "custom_args" in body:
        given["custom_arguments"] = _custom(body["custom_args"], "custom_args")
    return given


def _split(value: Any, field: str, *, nullable: bool) -> Given:
    if value is None and nullable:
        return {"arguments": None}
    if value is None:
        raise InvalidInput.of(field, "Field may not be null.")
    if not isinstance(value, dict):
        raise InvalidInput.of(field, _NO_OBJECT)
    rest = {name: item for name, item in value.items() if name != "custom_args"}
    if "custom_args" not in value:
        return {"arguments": rest}
    custom = _custom(value["custom_args"], f"{field}.custom_args")
    return {"arguments": None if custom is not None and not rest else rest, "custom_arguments": custom}


def _custom(value: Any, field: str) -> Any:
    """An object, or the JSON text of one; None and an empty text clear it."""
    if isinstance(value, str):
        try:
            value = json_values.loads(value) if value.strip() else None
        except json_values.NotJson as error:
            raise InvalidInput.of(field, str(error)) from None
    if value is not None and not isinstance(value, dict):
        raise InvalidInput.of(field, "Must be an object of arguments by name, or the JSON text of one.")
    return value
