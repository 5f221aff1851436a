"""How many runs may be at work at once, counted by what they share, and what to do when that is full."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

LIMIT_LIMIT = 10_000
PRIORITY_LIMIT = 100
KEY_LIMIT = 255
SCOPES = ("type", "job", "queue")


class WhenFull(StrEnum):
    """`wait`: others overtake; `skip`: the run ends CANCELLED(skipped); `reject`: it is not taken; `replace`: the newest wins."""

    WAIT = "wait"
    SKIP = "skip"
    REJECT = "reject"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `n` runs with the same `key` at once."""

    key: str
    n: int
    when_full: WhenFull


def check_limit(value: Any) -> int | None:
    """A limit, or None; ValueError for what is none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LIMIT_LIMIT:
        raise ValueError(f"{value!r} is no limit; write a whole number from 1 to {LIMIT_LIMIT:,}")
    return value


def check_policy(value: Any) -> WhenFull:
    """What to do when full; ValueError for an unknown word."""
    try:
        return WhenFull(value)
    except ValueError:
        raise ValueError(f"{value!r} is none of {', '.join(WhenFull)}") from None


def check_scope(value: Any) -> tuple[str, ...]:
    """`type`, `job`, `queue`, or the names of arguments whose values are counted apart; ValueError otherwise."""
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, tuple | list) or not names or not all(isinstance(one, str) and one for one in names):
        raise ValueError(f"{value!r} is no scope; write one of {', '.join(SCOPES)}, or the names of arguments")
    return tuple(names)


def limit_key(
    scope: tuple[str, ...],
    *,
    tenant: str,
    type_id: str,
    job_id: str | None,
    queue: str,
    arguments: Mapping[str, Any],
) -> str:
    """What the runs share that are counted together. A run without a job counts with its type's when the scope is `job`."""
    if scope == ("queue",):
        told = f"queue {queue}: {type_id}"
    elif scope == ("job",) and job_id is not None:
        told = f"job {job_id}"
    elif scope in (("type",), ("job",)):
        told = f"type {type_id}"
    else:
        values = json.dumps([arguments.get(name) for name in scope], sort_keys=True, ensure_ascii=False)
        told = f"type {type_id} with {', '.join(scope)} = {values[1:-1]}"
    key = f"{tenant} {told}"
    if len(key) <= KEY_LIMIT:
        return key
    return f"{key[: KEY_LIMIT - 70]}… {hashlib.sha256(key.encode('utf-8', 'backslashreplace')).hexdigest()}"
