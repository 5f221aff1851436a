"""What becomes of runs whose worker is gone: it was seen dead on this host, or its heartbeats stood still for a lease."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..core.lease import Beat
from ..core.worker import WorkerInfo
from ..store import claims, workers
from ..store.database import Database
from . import lifecycle
from .holder import Claim, Holder

_BEATS_LIMIT = 100_000


class Rescue:
    """Reading who holds what, and taking it from who is gone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def on_host(self, host: str) -> Sequence[WorkerInfo]:
        """Workers of a host that have not said that they end."""
        with self._database.read() as connection:
            return workers.on_host(connection, host)

    def worker(self, worker_id: str) -> WorkerInfo | None:
        """A worker, whether or not it has ended."""
        with self._database.read() as connection:
            return workers.get(connection, worker_id)

    def heartbeats(self) -> list[Beat]:
        """The heartbeat of everything that is held."""
        with self._database.read() as connection:
            return claims.heartbeats(connection, _BEATS_LIMIT)

    def signs(self) -> list[Beat]:
        """When each worker that has not ended said last that it lives, as heartbeats without a run."""
        with self._database.read() as connection:
            return [("", worker_id, 0, seen_at) for worker_id, seen_at in workers.signs(connection)]

    def bury(self, worker: WorkerInfo, has_begun: Callable[[Claim], bool], now_us: int) -> tuple[int, int]:
        """Take everything from a worker that is dead for sure; how many runs had begun, and how many had not."""
        holder = Holder(id=worker.id, host=worker.host, boot_id=worker.boot_id)
        with self._database.write() as connection:
            held = claims.held_by(connection, worker.id, lock=True)
            begun = lifecycle.rescue(connection, holder, held, has_begun, now_us)
            workers.ended(connection, worker.id, now_us)
        return begun, len(held) - begun

    def take(self, silent: Sequence[Beat], worker: WorkerInfo | None, now_us: int) -> int:
        """Take runs from a worker elsewhere that was not heard of for a lease; as begun, since nobody here can know better.

        Only what still has the heartbeat that was seen; how many that were.
        """
        begun = 0
        for beat in sorted(silent):
            where = ("unknown", "") if worker is None else (worker.host, worker.boot_id)
            holder = Holder(id=beat[1], host=where[0], boot_id=where[1])
            with self._database.write() as connection:
                held = claims.silent(connection, *beat)
                begun += lifecycle.rescue(connection, holder, held, lambda _: True, now_us)
        return begun
