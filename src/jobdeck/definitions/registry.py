"""Every job type of one deck, by id. There is no registry for all: each deck has its own."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from ..core.text import clean
from ..errors import DefinitionError, NotFound
from .job_type import JobType
from .lookup import job_types_of


class Registry:
    """Iterates by title."""

    def __init__(self) -> None:
        self._types: dict[str, type[JobType]] = {}

    def register(self, *things: Any) -> None:
        """Add job types: classes, decorated functions, modules, dotted names. DefinitionError when one is declared
        wrongly, or when another type has its id. The same type twice is no mistake.
        """
        for thing in things:
            for job_type in job_types_of(thing):
                self._add(job_type)

    def find(self, type_id: str) -> type[JobType] | None:
        """The job type of this id, if there is one."""
        return self._types.get(type_id)

    def get(self, type_id: str) -> type[JobType]:
        """The job type of this id; NotFound with a suggestion."""
        found = self._types.get(type_id)
        if found is None:
            close = difflib.get_close_matches(str(type_id)[:255], self._types, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise NotFound(f"The job type {clean(str(type_id), 200)!r} is not registered.{hint}")
        return found

    def __iter__(self) -> Iterator[type[JobType]]:
        return iter(sorted(self._types.values(), key=lambda one: (str(one.title).casefold(), one.id)))

    def __len__(self) -> int:
        return len(self._types)

    def __contains__(self, type_id: object) -> bool:
        return type_id in self._types

    def _add(self, job_type: type[JobType]) -> None:
        job_type.verify()
        other = self._types.setdefault(job_type.id, job_type)
        if other is not job_type:
            raise DefinitionError(
                f"Two job types have the id {job_type.id!r}: {other.place()} and {job_type.place()}; give one another id."
            )
