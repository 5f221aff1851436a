"""Trying again: how often, after how long, and on which exceptions.

A policy is declared with a job type. What a run keeps of it are `max_attempts` and `as_data`: the delays, so that
whoever ends an attempt, also a rescuer that knows nothing of the type, can say when the next one begins.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from .times import parse_span

Span = str | float | timedelta
ATTEMPTS_LIMIT = 1000
_DELAY_LIMIT_S = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`max_attempts` counts the first try too.

    `backoff` is "exponential" (from `first`, doubled each time, up to `longest`), one span (`"30s"`, the same each time)
    or a list of spans (the last one repeats). `jitter` makes each delay longer by a random part of up to this fraction.
    With `only_on` only these exceptions are tried again, those of `never_on` are not: classes, or dotted names of classes
    that need not be imported. A run that timed out or was lost with its worker is tried again whatever they say.
    ValueError for what cannot be.
    """

    max_attempts: int = 3
    backoff: Span | Sequence[Span] = "exponential"
    jitter: float = 0.1
    only_on: Any = ()
    never_on: Any = ()
    first: Span = "15s"
    longest: Span = "1h"

    def __post_init__(self) -> None:
        if isinstance(self.max_attempts, bool) or not isinstance(self.max_attempts, int):
            raise ValueError(f"max_attempts is {self.max_attempts!r}; write a whole number")
        if not 1 <= self.max_attempts <= ATTEMPTS_LIMIT:
            raise ValueError(f"max_attempts is {self.max_attempts}; write 1 to {ATTEMPTS_LIMIT}")
        if isinstance(self.jitter, bool) or not isinstance(self.jitter, int | float) or not 0 <= self.jitter <= 10:
            raise ValueError(f"jitter is {self.jitter!r}; write a fraction from 0 to 10, such as 0.1")
        for name in ("only_on", "never_on"):
            object.__setattr__(self, name, _classes(getattr(self, name), name))
        self.delays()

    def delays(self) -> list[float]:
        """Seconds after the first, second, … failed attempt; the last one repeats."""
        if self.backoff == "exponential":
            delay, longest = _seconds(self.first), _seconds(self.longest)
            found = [min(delay, longest)]
            while 0 < found[-1] < longest:
                found.append(min(found[-1] * 2, longest))
            return found[: max(1, self.max_attempts - 1)]
        several = isinstance(self.backoff, Sequence) and not isinstance(self.backoff, str)
        spans: Sequence[Any] = self.backoff if several else [self.backoff]  # type: ignore[assignment]  # a list by `several`
        if not spans:
            raise ValueError("backoff is an empty list; name at least one delay")
        return [_seconds(span) for span in spans]

    def with_attempts(self, max_attempts: int) -> RetryPolicy:
        """The same with another number of attempts."""
        return replace(self, max_attempts=max_attempts)

    def covers(self, error: BaseException) -> bool:
        """Whether an attempt that ended with this exception may be tried again."""
        if self.never_on and _is_one_of(error, self.never_on):
            return False
        return not self.only_on or _is_one_of(error, self.only_on)

    def as_data(self) -> str:
        """What a run keeps, as JSON text."""
        return json.dumps({"delays": self.delays(), "jitter": self.jitter}, separators=(",", ":"))


def policy_of(given: Any) -> RetryPolicy | None:
    """The policy that `retry=3` or `retry=RetryPolicy(…)` means; None = one attempt. ValueError otherwise."""
    if given is None or isinstance(given, RetryPolicy):
        return given
    if isinstance(given, bool) or not isinstance(given, int):
        raise ValueError(f"retry is {given!r}; write a number of attempts or a RetryPolicy")
    return RetryPolicy(given)


def delay_s(data: str | None, attempt: int, random: float) -> float:
    """Seconds from the end of attempt number `attempt` to the next; `random` from 0 to 1. Without a policy: at once."""
    if data is None:
        return 0.0
    policy = json.loads(data)
    delays = policy["delays"]
    delay: float = delays[min(attempt, len(delays)) - 1] * (1 + policy["jitter"] * random)
    return delay


def check_delay(after: Any) -> float | None:
    """Seconds of a `Retry(after=…)`; None = as the policy says. ValueError for no span."""
    return None if after is None else _seconds(after)


def _seconds(span: Any) -> float:
    try:
        seconds = parse_span(span).total_seconds()
    except (AttributeError, OverflowError):
        raise ValueError(f"{span!r} is no span; write seconds, or a text such as '90s', '15m' or '1h'") from None
    if not 0 <= seconds <= _DELAY_LIMIT_S:
        raise ValueError(f"{span!r} is out of range; a delay is 0 seconds to 30 days")
    return seconds


def _classes(given: Any, name: str) -> tuple[type[BaseException] | str, ...]:
    listed = tuple(given) if isinstance(given, tuple | list | set | frozenset) else (given,)
    for one in listed:
        if not (isinstance(one, str) or (isinstance(one, type) and issubclass(one, BaseException))):
            raise ValueError(f"{name} names {one!r}; write exception classes or their dotted names")
    return listed


def _is_one_of(error: BaseException, wanted: Sequence[type[BaseException] | str]) -> bool:
    names = {f"{one.__module__}.{one.__qualname__}" for one in type(error).__mro__}
    names |= {one.__qualname__ for one in type(error).__mro__ if one.__module__ == "builtins"}
    return any(one in names if isinstance(one, str) else isinstance(error, one) for one in wanted)
