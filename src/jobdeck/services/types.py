"""Job types, as whoever asks may see them; pausing and resuming them."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.permissions import Action
from ..core.queue import Pause
from ..definitions.job_type import JobType
from ..store import lines
from . import checks
from .office import Service
from .queues import pause_of


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

    def paused(self) -> Mapping[str, Pause]:
        """Every paused type by its id, also one that is not registered here."""
        self._require(Action.TYPES_READ)
        with self._database.read() as connection:
            found = {name: pause_of(told) for name, told in lines.paused(connection, "type", self._tenant).items()}
        return {name: pause for name, pause in found.items() if pause is not None}

    def pause(self, type_id: str, reason: str | None = None) -> None:
        """Let no run of the type begin until `resume`; what runs goes on. Pausing again changes nothing."""
        self._require(Action.TYPES_UPDATE, f"type:{type_id}")
        self._office.registry.get(type_id)
        told = checks.reason(reason)
        with self._database.write() as connection:
            if lines.pause(connection, "type", self._tenant, type_id, (self._now_us(), self._principal.name, told)):
                self._audit(connection, Action.TYPES_UPDATE, f"type:{type_id}", after={"paused": True, "reason": told})

    def resume(self, type_id: str) -> None:
        """Let its runs begin again, also after a quarantine."""
        self._require(Action.TYPES_UPDATE, f"type:{type_id}")
        if type_id not in self.paused():
            self._office.registry.get(type_id)
        with self._database.write() as connection:
            if lines.resume(connection, "type", self._tenant, type_id):
                self._audit(connection, Action.TYPES_UPDATE, f"type:{type_id}", after={"paused": False})
        self._office.bell.ring()
