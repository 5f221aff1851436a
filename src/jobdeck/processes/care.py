"""What a worker does for all from time to time: looking after other workers, and what time alone makes due."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

from ..config import Settings
from ..core.worker import WorkerInfo
from ..errors import StoreError
from ..services.followups import Declared, carry_out
from ..services.retention import prune_slice
from ..services.upkeep import tend
from ..store.database import Database
from .rescuer import Rescuer

logger = logging.getLogger(__name__)

REAP_S = 5.0
PRUNE_AFTER_START_S, PRUNE_S, PRUNE_ON_S = 60.0, 3600.0, 1.0


class Care:
    """Its own clockwork, wound by the worker's loop: when `due_at` (monotonic seconds) has come, `look`.

    That is so at once: who died on this host before is known before the first claim.
    """

    def __init__(self, settings: Settings, database: Database, me: WorkerInfo, declared: Declared) -> None:
        self._settings = settings
        self._database = database
        self._declared = declared
        self._rescuer = Rescuer(database, me, settings.lease_s)
        self._every_s = min(REAP_S, settings.lease_s / 4)
        self._prune_at = time.monotonic() + PRUNE_AFTER_START_S
        self.due_at = 0.0

    def start_over(self) -> None:
        """Count silence from now on, as the database did not serve; who was stopped, perhaps amid a write, is ended in time."""
        self._rescuer.start_over()
        with contextlib.suppress(StoreError):
            _done(lambda: self._rescuer.end_stopped(time.monotonic()))

    def look(self, now: float) -> bool:
        """Do what is due; whether that made work for somebody. StoreError when the database cannot serve."""
        self.due_at = now + self._every_s
        duties: tuple[Callable[[], object], ...] = (
            self._rescuer.bury_dead,
            lambda: self._rescuer.note_stopped(now),
            lambda: self._rescuer.watch(now),
            lambda: tend(self._database, _now_us()),
            lambda: carry_out(self._database, self._settings, self._declared, _now_us()),
            lambda: self._prune(now),
        )
        found = [_done(duty) for duty in duties]
        return any(found)

    def follow_up(self) -> bool:
        """Start the jobs whose turn has come; whether there were any."""
        return _done(lambda: carry_out(self._database, self._settings, self._declared, _now_us()))

    def _prune(self, now: float) -> None:
        """Delete some of what need not be kept any longer; soon again while there is more."""
        if self._settings.retention is not None and now >= self._prune_at:
            more = prune_slice(self._database, self._settings, _now_us()) > 0
            self._prune_at = now + (PRUNE_ON_S if more else PRUNE_S)


def _done(duty: Callable[[], object]) -> bool:
    """Whether a duty found something to do. One that fails keeps the worker neither from its others nor from its runs."""
    try:
        return bool(duty())
    except StoreError:
        raise
    except Exception:  # whatever a duty did not think of
        logger.exception("something that was to be done for all could not be done")
        return False


def _now_us() -> int:
    return time.time_ns() // 1000
