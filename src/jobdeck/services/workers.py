"""Workers: registering them, seeing who lives, and ending what dead ones held."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..core.permissions import Action
from ..core.principal import DEFAULT_TENANT
from ..core.worker import WorkerInfo
from ..store import workers
from ..store.database import Database
from . import lifecycle
from .holder import Holder
from .office import Service


class Workers(Service):
    """Which workers there are."""

    def list(self) -> Sequence[WorkerInfo]:
        """Workers that were heard of within twice the lease, oldest first."""
        self._require(Action.WORKERS_READ)
        since_us = self._now_us() - int(2 * self._office.settings.lease_s * 1_000_000)
        with self._database.read() as connection:
            return workers.of_tenant(connection, self._tenant, since_us)


class Presence:
    """A worker's own row, from its start to its end."""

    def __init__(self, database: Database, worker: WorkerInfo) -> None:
        self._database = database
        self._worker = worker

    def begin(self, now_us: int) -> None:
        """Register."""
        with self._database.write() as connection:
            workers.add(connection, DEFAULT_TENANT, self._worker, now_us)

    def renew(self, now_us: int) -> None:
        """Say that the worker lives."""
        with self._database.write() as connection:
            workers.seen(connection, self._worker.id, now_us)

    def end(self, now_us: int) -> None:
        """Say that it is gone."""
        with self._database.write() as connection:
            workers.ended(connection, self._worker.id, now_us)


def bury_dead(
    database: Database, host: str, is_dead: Callable[[WorkerInfo], bool], now_us: int
) -> list[tuple[WorkerInfo, int]]:
    """End what dead workers of this host held as FAILED(lost); who they are and how many runs each had held.

    `is_dead` looks at the process itself, so that a restart needs to wait for no lease.
    """
    with database.read() as connection:
        dead = [worker for worker in workers.on_host(connection, host) if is_dead(worker)]
    buried = []
    for worker in dead:
        with database.write() as connection:
            holder = Holder(id=worker.id, host=worker.host, boot_id=worker.boot_id)
            buried.append((worker, lifecycle.lose(connection, holder, now_us)))
            workers.ended(connection, worker.id, now_us)
    return buried
