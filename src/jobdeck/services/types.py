"""Job types, as whoever asks may see them."""

from __future__ import annotations

from ..core.permissions import Action
from ..definitions.job_type import JobType
from .office import Service


class Types(Service):
    """What can be run."""

    def list(self) -> list[type[JobType]]:
        """Every registered job type, by title."""
        self._require(Action.TYPES_READ)
        return list(self._office.registry)

    def get(self, type_id: str) -> type[JobType]:
        """One job type; NotFound with a suggestion."""
        self._require(Action.TYPES_READ, type_id)
        return self._office.registry.get(type_id)
