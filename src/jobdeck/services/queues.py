"""Queues: how full they are and who serves them, pausing and resuming them, limiting how much of them is at work at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.filters import COUNT_LIMIT
from ..core.permissions import Action
from ..core.queue import Alert, Carrier, Pause, Queue
from ..core.text import clean
from ..core.times import from_us
from ..errors import NotFound
from ..store import lines
from . import checks, engines, unserved
from .office import Service
from .unserved import staff


class Queues(Service):
    """The configured queues, as the principal's tenant uses them."""

    def list(self) -> Sequence[Queue]:
        """All of them, in the order of the settings."""
        self._require(Action.QUEUES_READ)
        settings, who = self._office.settings, staff(self._office, self._tenant)
        carriers, trouble = engines.carriers(self._office), engines.trouble(self._office)
        now_us = self._now_us()
        with self._database.read() as connection:
            paused = lines.paused(connection, "queue", self._tenant)
            limits = lines.limits(connection, self._tenant)
            queued = {name: lines.count_queued(connection, self._tenant, name, COUNT_LIMIT) for name in carriers}
            running = lines.count_running(connection, self._tenant, COUNT_LIMIT)
            oldest = {name: lines.oldest(connection, self._tenant, name, now_us) for name in carriers if queued[name]}
        found = []
        for name, carrier in carriers.items():
            serving, oldest_us = who.serving(name, carrier.engine), oldest.get(name)
            found.append(Queue(
                name=name, title=settings.queues[name], carrier=carrier, queued=queued[name],
                running=running.get(name, 0), oldest_at=None if oldest_us is None else from_us(oldest_us),
                depth=who.depth(name) if carrier.is_rung else None, workers=len(serving),
                processes=sum(worker.processes for worker in serving),
                limit=limits.get(name), pause=pause_of(paused.get(name)), cannot=engines.cannot(self._office, carrier.engine),
                problem=trouble if carrier.isolation is None else who.problem(carrier.engine),
                alert=unserved.alert(name, carrier, who, oldest_us, now_us),
            ))  # fmt: skip
        return found

    def alerts(self) -> Sequence[Alert]:
        """Queues that nobody serves though runs wait there, the longest first; those that the settings name no more too."""
        self._require(Action.QUEUES_READ)
        now_us = self._now_us()
        with self._database.read() as connection:
            used = lines.in_use(connection)
            oldest = {name: lines.oldest(connection, self._tenant, name, now_us) for name in used}
        waiting = {name: since_us for name, since_us in oldest.items() if since_us is not None}
        if not waiting:
            return []
        carriers, who = engines.carriers(self._office), staff(self._office, self._tenant)
        found = [
            unserved.alert(name, carriers.get(name, Carrier()), who, since_us, now_us)
            for name, since_us in waiting.items()
        ]
        return sorted((one for one in found if one is not None), key=lambda one: one.since)

    def carriers(self) -> Mapping[str, Carrier]:
        """What carries the runs of each queue."""
        return engines.carriers(self._office)

    def get(self, name: str) -> Queue:
        """One queue; NotFound names those there are."""
        self._known(name)
        return next(queue for queue in self.list() if queue.name == name)

    def pause(self, name: str, reason: str | None = None) -> Queue:
        """Let no run of the queue begin until `resume`; what runs goes on. Pausing again changes nothing."""
        self._require(Action.QUEUES_UPDATE, f"queue:{name}")
        self._known(name)
        told = checks.reason(reason)
        now_us = self._now_us()
        with self._database.write() as connection:
            if lines.pause(connection, "queue", self._tenant, name, (now_us, self._principal.name, told)):
                self._audit(connection, Action.QUEUES_UPDATE, f"queue:{name}", after={"paused": True, "reason": told})
        return self.get(name)

    def resume(self, name: str) -> Queue:
        """Let its runs begin again."""
        self._require(Action.QUEUES_UPDATE, f"queue:{name}")
        self._known(name)
        with self._database.write() as connection:
            if lines.resume(connection, "queue", self._tenant, name):
                self._audit(connection, Action.QUEUES_UPDATE, f"queue:{name}", after={"paused": False})
        self._office.bell.ring()
        return self.get(name)

    def limit(self, name: str, limit: int | None) -> Queue:
        """How many runs of the queue may be at work at once, over all workers; None: any number."""
        self._require(Action.QUEUES_UPDATE, f"queue:{name}")
        self._known(name)
        checked = checks.limit(limit)
        with self._database.write() as connection:
            before = lines.limits(connection, self._tenant).get(name)
            lines.set_limit(connection, self._tenant, name, checked)
            self._audit(connection, Action.QUEUES_UPDATE, f"queue:{name}", before={"limit": before},
                        after={"limit": checked})  # fmt: skip
        self._office.bell.ring()
        return self.get(name)

    def _known(self, name: str) -> None:
        if name not in self._office.settings.queues:
            known = ", ".join(self._office.settings.queues)
            raise NotFound(f"There is no queue {clean(name, 100)!r}; the queues are {known}.")


def pause_of(told: tuple[Any, ...] | None) -> Pause | None:
    """The pause of a row of `store.lines.paused`."""
    return None if told is None else Pause(at=from_us(told[0]), by=told[1], reason=told[2])
