"""Query parameters: what they mean, and a field error when they mean nothing. Unknown ones are ignored."""

from __future__ import annotations

import uuid
from typing import Any

from flask import request

from ...core.filters import DEFAULT_SIZE, Page
from ...core.run import SHOWN_STATUSES
from ...errors import InvalidInput

_WORDS = {"true": True, "1": True, "false": False, "0": False}
_NUMBER_DIGITS = 12


def text(name: str) -> str | None:
    """The parameter, None when it is missing or empty; given twice, it is refused."""
    values = request.args.getlist(name)
    if len(values) > 1:
        raise InvalidInput.of(name, "Given more than once.")
    return (values[0].strip() or None) if values else None


def integer(name: str, default: int) -> int:
    """A whole number."""
    given = text(name)
    if given is None:
        return default
    if not given.lstrip("-").isdecimal() or len(given) > _NUMBER_DIGITS:
        raise InvalidInput.of(name, "Not a valid integer.")
    return int(given)


def boolean(name: str) -> bool | None:
    """true, false, 1 or 0; None when it is missing."""
    given = text(name)
    if given is not None and given.lower() not in _WORDS:
        raise InvalidInput.of(name, "Not a valid boolean.")
    return None if given is None else _WORDS[given.lower()]


def statuses(name: str = "status") -> tuple[str, ...]:
    """Statuses, repeated or separated by commas, in either case."""
    given = [part.strip().upper() for value in request.args.getlist(name) for part in value.split(",") if part.strip()]
    if any(status not in SHOWN_STATUSES for status in given):
        raise InvalidInput.of(name, f"Must be one of: {', '.join(SHOWN_STATUSES)}.")
    return tuple(dict.fromkeys(given))


def identifier(value: str, field: str) -> str:
    """A UUID in canonical form."""
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise InvalidInput.of(field, "Not a valid UUID.") from None


def optional_identifier(name: str) -> str | None:
    """A UUID parameter, None when it is missing."""
    given = text(name)
    return None if given is None else identifier(given, name)


def run_ids(run_id: str, job_id: str | None) -> tuple[str, str | None]:
    """The id of a run in an address, and that of its job when the address names one."""
    of_job = None if job_id is None else identifier(job_id, "job_id")
    return identifier(run_id, "run_id"), of_job


def page() -> Page:
    """Which part of a list is asked for."""
    return Page(number=integer("page", 1), size=integer("size", DEFAULT_SIZE), before=optional_identifier("before"))


def kept(*names: str) -> dict[str, Any]:
    """The parameters of these names as they were given, for links to other pages."""
    return {name: request.args.getlist(name) for name in names if request.args.getlist(name)}
