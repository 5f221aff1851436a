"""Workers: registering them, and seeing who lives. What dead ones held is in `services.rescue`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..core.permissions import Action
from ..core.principal import DEFAULT_TENANT
from ..core.worker import DispatcherInfo, SchedulerInfo, WorkerInfo
from ..store import dispatchers, schedulers, workers
from ..store.database import Database
from ..store.statements import lightly
from .office import Office, Service

SCHEDULER_SILENCE_S = 30.0
"""A scheduler says three times as often that it lives."""
DISPATCHER_SILENCE_S = 30.0
"""So does a dispatcher."""
HELD_SHOWN = 8


class Workers(Service):
    """Which workers there are."""

    def list(self) -> Sequence[WorkerInfo]:
        """Workers that were heard of within twice the lease, oldest first, each with what it is at."""
        self._require(Action.WORKERS_READ)
        live = live_workers(self._office, self._tenant)
        if not live:
            return live
        ids = [one.id for one in live]
        with self._database.read() as connection:
            busy = workers.busy(connection, ids)
            holds = workers.holds(connection, self._tenant, ids, HELD_SHOWN)
        return [replace(one, busy=min(busy.get(one.id, 0), one.processes), holds=tuple(holds.get(one.id, ())))
                for one in live]  # fmt: skip

    def schedulers(self) -> Sequence[SchedulerInfo]:
        """Schedulers that were heard of within the last half minute, oldest first."""
        self._require(Action.WORKERS_READ)
        since_us = self._now_us() - int(SCHEDULER_SILENCE_S * 1_000_000)
        with self._database.read() as connection:
            return schedulers.live(connection, since_us, self._tenant)

    def dispatchers(self) -> Sequence[DispatcherInfo]:
        """Dispatchers that were heard of within the last half minute, oldest first."""
        self._require(Action.WORKERS_READ)
        since_us = self._now_us() - int(DISPATCHER_SILENCE_S * 1_000_000)
        with self._database.read() as connection:
            return dispatchers.live(connection, since_us, self._tenant)


def live_workers(office: Office, tenant: str) -> Sequence[WorkerInfo]:
    """A tenant's workers that were heard of within twice the lease, oldest first."""
    since_us = office.clock.now_us() - int(2 * office.settings.lease_s * 1_000_000)
    with office.database.read() as connection:
        return workers.of_tenant(connection, tenant, since_us)


class Presence:
    """A worker's own row, from its start to its end."""

    def __init__(self, database: Database, worker: WorkerInfo) -> None:
        self._database = database
        self._worker = worker

    def begin(self, now_us: int) -> None:
        """Register."""
        with self._database.write() as connection:
            workers.add(connection, DEFAULT_TENANT, self._worker, now_us)

    def renew(self, now_us: int, stale_writes: int) -> None:
        """Say that the worker lives, and how often it spoke about runs that it held no more."""
        with self._database.write() as connection:
            workers.seen(connection, self._worker.id, now_us, stale_writes)

    def set_idle(self, idle: bool) -> None:
        """Say whether it wants to be woken when a run is queued."""
        with self._database.write_quickly() as connection:
            # Nobody minds when a crash forgets it.
            lightly(connection)
            workers.set_idle(connection, self._worker.id, idle)

    def end(self, now_us: int) -> None:
        """Say that it is gone."""
        with self._database.write() as connection:
            workers.ended(connection, self._worker.id, now_us)

    def vanish(self) -> None:
        """As `end`, of a worker that was there for one run: nobody will look for it."""
        with self._database.write() as connection:
            workers.remove(connection, self._worker.id)
