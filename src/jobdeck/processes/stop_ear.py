"""The ear for stop requests of a process whose runs are mostly over before anybody asks: it is open while one takes long."""

from __future__ import annotations

from ..store.database import Database
from ..store.doorbell import Doorbell, doorbell

LISTEN_FOR_S = 5.0


class StopEar:
    """Holds a doorbell of this worker's while it is open. Times are monotonic seconds."""

    def __init__(self, database: Database, worker_id: str) -> None:
        self._database = database
        self._worker_id = worker_id
        self._doorbell: Doorbell | None = None
        self._until = 0.0
        self.has_rung = False

    def fileno(self) -> int | None:
        """What becomes readable when it rings; None while it is closed, or without a connection."""
        return None if self._doorbell is None else self._doorbell.fileno()

    def heard(self) -> None:
        """It rings."""
        if self._doorbell is not None:
            self._doorbell.drain()
            self.has_rung = True

    def is_due(self, now: float, *, has_long: bool) -> bool:
        """Whether requests are to be read now. `has_long`: a run takes long, so that it listens for a while."""
        if has_long:
            self._until = now + LISTEN_FOR_S
        elif now > self._until:
            self.close()
        if self._doorbell is None and now < self._until:
            self._doorbell = doorbell(self._database, self._worker_id)
            self.has_rung = True
        if self._doorbell is None or not (self._doorbell.mend() or self.has_rung):
            return False
        self.has_rung = False
        return True

    def close(self) -> None:
        """Listen no more."""
        if self._doorbell is not None:
            self._doorbell.close()
            self._doorbell = None
