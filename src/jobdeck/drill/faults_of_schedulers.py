"""What befalls schedulers. They hold nothing, so a fault hits one when it was at work and a planned time was due that nobody had
accounted for: looked up right after the blow, or right before it where the victim may go on.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..store import drill
from .faults import Fault, Scene
from .fleet import SCHEDULER, Member
from .site import LEASE_S

FREEZE_S = LEASE_S / 2
"""Nobody kills it meanwhile, and on SQLite it may keep everybody else from writing; not for so long that leases end."""
_AIM_S = 0.4
_SCATTER_S = 0.004


@dataclass(frozen=True, slots=True)
class FaultsOfSchedulers:
    """Those of one scene."""

    scene: Scene

    def all(self) -> Mapping[str, Fault]:
        """By name."""
        found: dict[str, Callable[[Member], bool]] = {
            "kill_scheduler": self._kill,
            "freeze_scheduler": self._freeze,
            "shutdown_scheduler": self._shut_down,
        }
        if not self.scene.site.is_sqlite:
            found["cut_scheduler"] = self._cut
        return {name: Fault(self._victims, strike) for name, strike in found.items()}

    def _victims(self) -> Sequence[Member]:
        """Those at work, as soon as something is due."""
        fleet = self.scene.fleet
        found = [one for one in fleet.alive(SCHEDULER) if fleet.has_served(one)]
        due = drill.next_due(self.scene.site.deck.database)
        left_us = 0 if due is None else due - time.time_ns() // 1000
        wait_s = left_us / 1_000_000 + self.scene.random.uniform(0, _SCATTER_S)
        if wait_s > _AIM_S:
            return []
        time.sleep(max(0.0, wait_s))
        return found

    def _kill(self, member: Member) -> bool:
        self.scene.end(member, signal.SIGKILL)
        return self.scene.is_anything_due()

    def _freeze(self, member: Member) -> bool:
        self.scene.freeze(member, FREEZE_S)
        return self.scene.is_anything_due()

    def _shut_down(self, member: Member) -> bool:
        is_hit = self.scene.is_anything_due()
        self.scene.end(member, signal.SIGTERM)
        return is_hit

    def _cut(self, member: Member) -> bool:
        is_hit = self.scene.is_anything_due()
        return self.scene.cut(member) and is_hit
