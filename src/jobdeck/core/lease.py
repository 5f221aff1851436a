"""Who fell silent: a pure observer of heartbeats, on the observer's own monotonic clock.

Nothing here compares a time of one machine with a time of another, so that a clock that jumps harms nobody.
"""

from __future__ import annotations

from collections.abc import Iterable

_MARGIN_S = 5.0
Beat = tuple[str, str, int, int]
"""(run, owner, fence, heartbeat number)"""


def silence_s(lease_s: float) -> float:
    """After how many seconds without a word from the database a worker ends its work by itself: before anybody may take it
    for lost, as whoever takes a run must find nobody at it.
    """
    return lease_s - min(_MARGIN_S, lease_s / 6)


class Watch:
    """Remembers since when each heartbeat has been the same."""

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._since: dict[Beat, float] = {}
        self._looked = 0.0

    def observe(self, beats: Iterable[Beat], now_s: float) -> list[Beat]:
        """Take what was read at `now_s` (monotonic seconds); those that have not changed for a whole lease.

        Whoever has not looked for half a lease was held up, by something that may hold up the others too, and counts anew.
        """
        if now_s - self._looked > self._lease_s / 2:
            self.forget()
        self._looked = now_s
        self._since = {beat: self._since.get(beat, now_s) for beat in beats}
        return [beat for beat, since in self._since.items() if now_s - since >= self._lease_s]

    def forget(self) -> None:
        """Count anew, after a look or a write that failed: nobody knows what happened meanwhile."""
        self._since = {}
