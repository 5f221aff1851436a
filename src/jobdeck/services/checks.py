"""Checks of input that jobs and runs have in common. Each raises InvalidInput for its own field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ..config import Settings
from ..core import json_values
from ..core.ids import is_id
from ..core.job import TITLE_LIMIT
from ..core.limits import LIMIT_LIMIT, PRIORITY_LIMIT, WhenFull, check_limit
from ..core.retry import ATTEMPTS_LIMIT, RetryPolicy, policy_of
from ..core.text import clean
from ..core.times import parse_span, parse_timeout, to_us
from ..errors import FieldError, InvalidInput

DESCRIPTION_LIMIT = 10_000
REASON_LIMIT = 1000
UNIQUE_POLICIES = ("reject", "existing", "replace")
NEEDS = ("success", "end")
KEY_LIMIT = 255
AFTER_LIMIT = 1000
_FAR_US = 366 * 86_400 * 1_000_000


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

    @property
    def are_any(self) -> bool:
        """Whether anything is wrong so far."""
        return bool(self._errors)

    def raise_if_any(self) -> None:
        """InvalidInput with everything collected."""
        if self._errors:
            raise InvalidInput(self._errors)


def reason(value: Any) -> str | None:
    """Why somebody does something, in words; None without."""
    if value is not None and (not isinstance(value, str) or len(value) > REASON_LIMIT):
        raise InvalidInput.of("reason", f"Must be a text of at most {REASON_LIMIT} characters.")
    return clean(value) if value else None


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


def one_of(value: Any, field: str, choices: Sequence[str | None]) -> Any:
    """One of a few words."""
    if not (value is None or isinstance(value, str)) or value not in choices:
        raise InvalidInput.of(field, f"Must be one of: {', '.join(one for one in choices if one)}.")
    return value


def priority(value: Any) -> int | None:
    """A head start in minutes, -100 to 100; None = not said."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > PRIORITY_LIMIT:
        raise InvalidInput.of("priority", f"Must be a whole number from -{PRIORITY_LIMIT} to {PRIORITY_LIMIT}.")
    return value


def retry(value: Any) -> RetryPolicy | int | None:
    """A number of attempts or a policy; None = not said."""
    try:
        policy = policy_of(value)
    except ValueError as error:
        raise InvalidInput.of("retry", f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    return value if isinstance(value, int) else policy


def attempts(value: Any) -> int | None:
    """A number of attempts; None = as the type says."""
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= ATTEMPTS_LIMIT
    ):
        raise InvalidInput.of("max_attempts", f"Must be a whole number from 1 to {ATTEMPTS_LIMIT}.")
    return None if value is None else int(value)


def limit(value: Any, field: str = "limit") -> int | None:
    """How many runs at once; None = any number."""
    try:
        return check_limit(value)
    except ValueError:
        raise InvalidInput.of(field, f"Must be a whole number from 1 to {LIMIT_LIMIT:,}, or empty.") from None


def limit_policy(value: Any) -> str | None:
    """What to do when the limit is full; None = wait."""
    return None if value is None else one_of(value, "limit_policy", tuple(WhenFull))


def unique_key(value: Any) -> str | None:
    """A text that only one live run has."""
    if value is None:
        return None
    told = clean(value) if isinstance(value, str) else ""
    if not 1 <= len(told) <= KEY_LIMIT:
        raise InvalidInput.of("unique_key", f"Must be a text of 1 to {KEY_LIMIT} characters.")
    return told


def run_ids(value: Sequence[Any]) -> tuple[str, ...]:
    """Ids of runs."""
    if isinstance(value, str) or len(value) > AFTER_LIMIT:
        raise InvalidInput.of("after", f"Must be a list of at most {AFTER_LIMIT:,} runs.")
    for one in value:
        if not isinstance(one, str) or not is_id(one):
            raise InvalidInput.of("after", f"{clean(str(one), 100)!r} is not the ID of a run.")
    return tuple(value)


def moment(at: Any, span: Any, now_us: int, word: str) -> int | None:
    """Microseconds since 1970 of `start_at` or `start_in` (`word` = "start"); None when neither is given."""
    if at is not None and span is not None:
        raise InvalidInput.of(f"{word}_in", f"Give {word}_at or {word}_in, not both.")
    if at is not None:
        return _instant(at, f"{word}_at", now_us)
    if span is None:
        return None
    try:
        us = parse_span(span) // timedelta(microseconds=1)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise InvalidInput.of(f"{word}_in", "Write seconds, or a text such as '90s', '15m' or '1h'.") from None
    if not 0 <= us <= _FAR_US:
        raise InvalidInput.of(f"{word}_in", "Must be from 0 seconds to 366 days.")
    return now_us + us


def _instant(at: Any, field: str, now_us: int) -> int:
    try:
        us = to_us(datetime.fromisoformat(at) if isinstance(at, str) else at)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise InvalidInput.of(field, "Must be a time with its offset, such as 2027-01-31T02:00:00+00:00.") from None
    if us > now_us + _FAR_US:
        raise InvalidInput.of(field, "Must be within 366 days from now.")
    return us
