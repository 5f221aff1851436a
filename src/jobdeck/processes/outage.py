"""An outage of the database, as one loop meets it: told once, and so is its end."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)


class Outage:
    """Whether there is one. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._since: float | None = None

    @property
    def is_on(self) -> bool:
        """Whether the database did not serve when it was last asked."""
        return self._since is not None

    def length_s(self, now: float) -> float:
        """For how many seconds it has not served; 0 while it serves."""
        return 0.0 if self._since is None else now - self._since

    def note(self, message: str, now: float) -> None:
        """It does not serve: `message` is written to the log the first time."""
        if self._since is None:
            self._since = now
            logger.error("%s", message)

    def end(self, now: float) -> None:
        """It serves: written to the log when it did not before."""
        if self._since is not None:
            logger.info("the database serves again, after %.0f s", now - self._since)
            self._since = None
