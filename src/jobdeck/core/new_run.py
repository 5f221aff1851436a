"""A run to be queued, as it is stored: the form in which every door, and a parent for its sub-run, hands one in."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from .run import Parked

PRIORITY_US = 60_000_000
TO_BE_RUNG = 0
"""`ring_at` of a run whose engine has to be rung; that of a queue in the database is None."""


@dataclass(slots=True, kw_only=True)
class NewRun:
    """`arguments` and `positional` are JSON text; `*_at` microseconds since 1970; `retry` the policy's JSON."""

    id: str
    tenant: str
    job_id: str | None = None
    type: str | None = None
    function: str | None = None
    title: str | None = None
    arguments: str = "{}"
    positional: str | None = None
    queue: str
    trigger: str
    principal_id: str | None
    principal_name: str | None
    available_at: int
    order_at: int
    created_at: int
    expires_at: int | None = None
    timeout_s: float | None = None
    priority: int = 0
    max_attempts: int = 1
    retry: str | None = None
    limit_key: str | None = None
    limit_n: int | None = None
    limit_policy: str | None = None
    unique_key: str | None = None
    parent_id: str | None = None
    retry_of: str | None = None
    schedule_id: str | None = None
    fire_at: int | None = None
    parked: int = int(Parked.IN_LINE)
    open_dependencies: int = 0
    ring_at: int | None = None

    def row(self) -> tuple[Any, ...]:
        """The values in the order of `COLUMNS`."""
        found: tuple[Any, ...] = _values(self)
        return found


def order_of(available_at: int, priority: int) -> int:
    """Where a run stands in line: when it may begin, less a minute for each step of its priority."""
    return available_at - priority * PRIORITY_US


COLUMNS = tuple(field.name for field in fields(NewRun))
_values = attrgetter(*COLUMNS)
