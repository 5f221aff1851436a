"""A fault, and what every kind of it needs: whom it may befall, what it took, and whom that cost something."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..store import drill
from . import processes
from .fleet import Fleet, Member
from .site import Site

FREEZE_ELSEWHERE = "freeze_elsewhere"
"""Of a worker that nobody can kill before its runs are taken: its children go on, until it goes on too."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that took a worker from its runs: when (microseconds since 1970), and the (run, fence) it held."""

    fault: str
    at_us: int
    held: tuple[tuple[str, int], ...]


class Fault(NamedTuple):
    """`victims` tells whom it may befall just now; `strike` does it to one, and says whether that had something to lose."""

    victims: Callable[[], Sequence[Any]]
    strike: Callable[[Any], bool]


@dataclass(slots=True)
class Scene:
    """Where faults happen, and the strikes so far."""

    site: Site
    fleet: Fleet
    random: random.Random
    strikes: list[Strike] = field(default_factory=list)
    aims: bool = True
    """Whether the next fault waits for somebody who has something to lose."""

    def held(self, pid: int | None) -> tuple[tuple[str, int], ...]:
        """(run, fence) of what the worker with this process id holds."""
        return () if pid is None else tuple(drill.held_by(self.site.deck.database, pid))

    def took(self, fault: str, worker: int | None, pids: Sequence[int], number: int) -> bool:
        """Send these a signal that takes a worker from its runs. What it holds is read when it can do nothing more."""
        for pid in pids:
            processes.strike(pid, number)
        at_us = time.time_ns() // 1000
        held = self.held(worker)
        self.strikes.append(Strike(fault, at_us, held))
        return bool(held)

    def end(self, member: Member, number: int) -> None:
        """Send who was started for a place a signal by which it ends."""
        member.is_struck = member.is_ending = True
        processes.strike(member.pid, number)

    def freeze(self, member: Member, seconds: float) -> None:
        """SIGSTOP to who was started for a place, for so long."""
        member.is_struck = True
        self.fleet.freeze(member, member.pid, seconds)

    def is_anything_due(self) -> bool:
        """Whether a planned time is not accounted for."""
        return drill.count_due(self.site.deck.database, time.time_ns() // 1000) > 0

    def cut(self, member: Member) -> bool:
        """Terminate the connections that a place has to the database; whether it had any."""
        return drill.cut(self.site.deck.database, member.name) > 0
