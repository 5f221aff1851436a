"""`celery -A app beat -S jobdeck.engines.celery:Scheduler`: our scheduler within Celery's beat, for sites that deploy that.

The site's own `beat_schedule` goes on. Any number of beats may serve jobdeck's schedules; of the site's own entries, each beat
sends all, as ever.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from celery.beat import PersistentScheduler

from ..errors import StoreError
from ..processes import scheduler
from . import host

logger = logging.getLogger(__name__)


class Scheduler(PersistentScheduler):  # type: ignore[misc]  # Celery has no types
    """Takes our turns between those of Celery. For beat's main thread."""

    def __init__(self, *args: Any, lazy: bool = False, **kwargs: Any) -> None:
        self._ours: scheduler.Scheduler | None = None
        self._is_at_it = False
        self._next_at = 0.0
        self._told = ""
        super().__init__(*args, lazy=lazy, **kwargs)
        if not lazy:
            # A wrong setting ends beat here, with what is wrong.
            host.deck()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """What is due in jobdeck, and one task that is due in Celery; how long to sleep (seconds)."""
        self._take_turn()
        theirs: float = super().tick(*args, **kwargs)
        return max(0.0, min(theirs, self._next_at - time.monotonic()))

    def close(self) -> None:
        """Also called where a signal has interrupted a turn; then that is over before it is called again."""
        try:
            if self._ours is not None and not self._is_at_it:
                ours, self._ours = self._ours, None
                ours.end()
                host.deck().close()
        finally:
            super().close()

    def _take_turn(self) -> None:
        if time.monotonic() < self._next_at or self._is_at_it:
            return
        self._is_at_it = True
        try:
            self._ours = self._ours or self._begun()
            wait_s = scheduler.RETRY_S if self._ours is None else self._ours.turn()
        finally:
            self._is_at_it = False
        self._next_at = time.monotonic() + wait_s

    def _begun(self) -> scheduler.Scheduler | None:
        """None when the database does not serve; what keeps it from that is told once."""
        deck = host.deck()
        ours = scheduler.Scheduler(deck.office, deck.authority, deck.context)
        try:
            deck.check_schema()
            ours.begin()
        except StoreError as error:
            if str(error) != self._told:
                self._told = str(error)
                logger.error("jobdeck's schedules are not served: %s", error)
            return None
        self._told = ""
        return ours

    def _ensure_connected(self) -> Any:
        """As Celery's own, which waits for a broker that is away, but with our turns meanwhile."""

        def tell(error: Exception, interval: float) -> None:
            logger.error("beat: Connection error: %s. Trying again in %s seconds...", error, interval)

        retries = self.app.conf.broker_connection_max_retries
        return self.connection.ensure_connection(tell, retries, callback=self._take_turn)
