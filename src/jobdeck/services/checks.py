"""Checks of input that jobs and runs have in common. Each raises InvalidInput for its own field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from ..config import Settings
from ..core import json_values
from ..core.job import TITLE_LIMIT
from ..core.text import clean
from ..core.times import parse_timeout
from ..errors import FieldError, InvalidInput

DESCRIPTION_LIMIT = 10_000


class Problems:
    """Collects the field errors of one request, so that all are told at once."""

    def __init__(self) -> None:
        self._errors: list[FieldError] = []

    def check(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What `function(*arguments)` returns; None when it raises InvalidInput, which is kept."""
        try:
            return function(*arguments)
        except InvalidInput as error:
            self._errors.extend(error.errors)
            return None

    def add(self, field: str, message: str) -> None:
        """Note one wrong field."""
        self._errors.append(FieldError(field=field, messages=(message,)))

    def raise_if_any(self) -> None:
        """InvalidInput with everything collected."""
        if self._errors:
            raise InvalidInput(self._errors)


def title(value: Any) -> str:
    """A title of 1 to 250 characters."""
    told = clean(value.strip()) if isinstance(value, str) else ""
    if not 1 <= len(told) <= TITLE_LIMIT:
        raise InvalidInput.of("title", f"Field cannot be blank or longer than {TITLE_LIMIT} characters.")
    return told


def optional_title(value: Any) -> str | None:
    """A title, or None when there is none."""
    return None if value is None else title(value)


def description(value: Any) -> str | None:
    """A text or None."""
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > DESCRIPTION_LIMIT:
        raise InvalidInput.of("description", f"Must be a text of at most {DESCRIPTION_LIMIT} characters.")
    return clean(value)


def active(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise InvalidInput.of("active", "Not a valid boolean.")
    return value


def queue(value: Any, settings: Settings) -> str:
    """A configured queue; None means the default one."""
    if value is None:
        return settings.default_queue
    if not isinstance(value, str) or value not in settings.queues:
        raise InvalidInput.of("queue", f"Must be one of: {', '.join(settings.queues)}.")
    return value


def timeout(value: str | float | timedelta | None) -> float | None:
    """Seconds; -1 = none; None = not said here."""
    try:
        return parse_timeout(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput.of("timeout", f"{str(error)[:1].upper()}{str(error)[1:]}.") from None


def mapping(value: Any, field: str) -> Mapping[str, Any]:
    """An object with text keys."""
    if not isinstance(value, Mapping):
        raise InvalidInput.of(field, "Must be an object of arguments by name.")
    return value


def json_text(value: Any, field: str, limit: int = json_values.ARGUMENTS_LIMIT) -> str:
    """The JSON that is stored for `value`."""
    try:
        return json_values.dumps(value, limit)
    except json_values.NotJson as error:
        raise InvalidInput.of(f"{field}.{error.path}" if error.path else field, error.problem) from None


def nothing_yet(value: Any, field: str, what: str) -> None:
    """Refuse a setting whose effect does not exist yet, rather than keep it without effect."""
    if value not in (None, [], {}, ""):
        raise InvalidInput.of(field, f"{what} are not supported yet; leave this empty (null).")
