"""What may be asked of a list, the same from every door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..errors import FieldError, InvalidInput
from .ids import is_id
from .text import clean

T = TypeVar("T")
DEFAULT_SIZE = 25
SIZE_LIMIT = 100
COUNT_LIMIT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list: page `number` (from 1) of `size` items, or the items after the id `before`.

    Lists run from newest to oldest; `before` continues after the last item of the page one has, at the
    same cost at any depth.
    """

    number: int = 1
    size: int = DEFAULT_SIZE
    before: str | None = None

    def __post_init__(self) -> None:
        problems = []
        if self.number < 1 or self.number * self.size > COUNT_LIMIT + self.size:
            problems.append(FieldError(field="page", messages=(
                f"Must be from 1 to {max(1, COUNT_LIMIT // max(self.size, 1))}; use `before` to go deeper.",)))  # fmt: skip
        if not 1 <= self.size <= SIZE_LIMIT:
            problems.append(FieldError(field="size", messages=(f"Must be from 1 to {SIZE_LIMIT}.",)))
        if self.before is not None and not is_id(self.before):
            problems.append(FieldError(field="before", messages=("Not a valid UUID.",)))
        if problems:
            raise InvalidInput(problems)

    @property
    def offset(self) -> int:
        """How many items come before the page."""
        return 0 if self.before else (self.number - 1) * self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[T]):
    """One page of a list. `total` counts up to `COUNT_LIMIT` items and says so in `total_is_exact`."""

    items: Sequence[T]
    total: int
    page: Page
    has_more: bool
    total_is_exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Runs to list; everything given must fit. `statuses` are shown ones (`core.run.SHOWN_STATUSES`).

    With `parent_id` only the sub-runs of that run.
    """

    job_id: str | None = None
    parent_id: str | None = None
    type: str | None = None
    queue: str | None = None
    statuses: tuple[str, ...] = ()
    text: str | None = None

    def __post_init__(self) -> None:
        _write_as_stored(self, "job_id", "parent_id", "type", "queue", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Jobs to list; `text` is looked for in title and description, whatever the case."""

    type: str | None = None
    active: bool | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        _write_as_stored(self, "type", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFilter:
    """Schedules to list; `text` is looked for in the titles of their jobs, whatever the case."""

    job_id: str | None = None
    paused: bool | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        _write_as_stored(self, "job_id", "text")


def _write_as_stored(wanted: object, *names: str) -> None:
    """What is looked for has the form of stored text, so that any characters may be asked for."""
    for name in names:
        value = getattr(wanted, name)
        if value is not None:
            object.__setattr__(wanted, name, clean(value))
