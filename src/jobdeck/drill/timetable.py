"""The drill's schedules: made when everybody serves, paused when the load is over, so that the drill comes to its end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ..core.times import to_us
from .oracle import Timed
from .site import Site


class Wish(NamedTuple):
    """One schedule that is asked for: in words, as the service takes it, and how long from one time to the next."""

    what: str
    recurrence: dict[str, Any]
    every_ms: int
    seconds: float
    options: dict[str, Any]
    is_paused: bool = False

    def at_pace(self, pace: int) -> Wish:
        """The same with intervals so many times as long; a cron expression says itself when it is."""
        if self.recurrence["type"] != "interval":
            return self
        return self._replace(recurrence=_every(self.every_ms * pace), every_ms=self.every_ms * pace)


def _every(ms: int) -> dict[str, Any]:
    return {"type": "interval", "milliseconds": ms}


_ALL = {"misfire": "all", "overlap": "allow"}
WISHES = (
    Wish("every 200 ms", _every(200), 200, 0.01, _ALL),
    Wish("every 500 ms", _every(500), 500, 0.05, _ALL),
    Wish("every 300 ms unless it is going", _every(300), 300, 0.4, {"misfire": "all", "overlap": "skip"}),
    Wish("every 400 ms, paused", _every(400), 400, 0.01, _ALL, is_paused=True),
    # A zone without whole hours to UTC, in which every second is a whole one all the same.
    Wish("every second", {"type": "cron", "expression": "* * * * * *"}, 1000, 0.01,
         {**_ALL, "time_zone": "Asia/Kathmandu"}),
)  # fmt: skip


@dataclass(slots=True)
class Timetable:
    """The schedules of one drill; `ended_us` is when the last of them was paused."""

    site: Site
    schedules: Sequence[Timed] = field(default_factory=list)
    ended_us: int = 0

    def begin(self) -> None:
        """Make them."""
        self.schedules = [self._make(wish.at_pace(self.site.carrier.pace)) for wish in WISHES]

    def end(self) -> None:
        """From now on their times are skipped; those up to now must have been served, or be served soon."""
        self.ended_us = time.time_ns() // 1000
        for timed in self.schedules:
            self.site.deck.schedules.pause(timed.id, "The drill's load is over.")

    def _make(self, wish: Wish) -> Timed:
        deck = self.site.deck
        job = deck.jobs.create(title=wish.what, type="brief", arguments={"seconds": wish.seconds, "lines": 1})
        anchor = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
        made = deck.schedules.create(str(job.id), wish.recurrence, starts_at=anchor, **wish.options)
        paused_us = None
        if wish.is_paused:
            deck.schedules.pause(made.id, "To be paused is what it is for.")
            paused_us = time.time_ns() // 1000
        return Timed(
            id=made.id, what=wish.what, anchor_us=to_us(anchor), every_us=wish.every_ms * 1000,
            created_us=to_us(made.created_at), paused_us=paused_us,
        )  # fmt: skip
