"""The nemesis: strikes at random, and counts how often and whether it hit."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from .faults import Fault, Scene, Strike
from .faults_of_schedulers import FaultsOfSchedulers
from .faults_of_servers import FaultsOfServers
from .faults_of_workers import FaultsOfWorkers
from .fleet import Fleet
from .site import Site

_TO_ANYBODY = 0.1
"""How many faults may befall who has nothing to lose."""
_AGAIN_S = 0.1
"""When it looks again after it has found nobody."""


@dataclass(slots=True)
class Nemesis:
    """Strikes one victim after another."""

    site: Site
    fleet: Fleet
    random: random.Random
    pause_s: tuple[float, float]
    attempts: dict[str, int] = field(default_factory=dict)
    hits: dict[str, int] = field(default_factory=dict)
    _scene: Scene = field(init=False)
    _of_servers: FaultsOfServers = field(init=False)
    _faults: Mapping[str, Fault] = field(init=False)
    _next_at: float = 0.0

    def __post_init__(self) -> None:
        self._scene = Scene(self.site, self.fleet, self.random)
        self._of_servers = FaultsOfServers(self._scene)
        others = {**FaultsOfWorkers(self._scene).all(), **FaultsOfSchedulers(self._scene).all()}
        self._faults = {**others, **self._of_servers.all()}
        self.attempts, self.hits = dict.fromkeys(self._faults, 0), dict.fromkeys(self._faults, 0)

    @property
    def strikes(self) -> list[Strike]:
        """Those that took a worker from its runs."""
        return self._scene.strikes

    @property
    def has_hit_with_all(self) -> bool:
        """Whether every kind of fault has hit."""
        return all(self.hits.values())

    def look(self, now: float) -> None:
        """Strike when it is time: first with what has not hit yet."""
        self._of_servers.look(now)
        if now < self._next_at:
            return
        name = self.random.choice([name for name in self._faults if not self.hits[name]] or list(self._faults))
        victims = self._faults[name].victims()
        self._next_at = now + (self.random.uniform(*self.pause_s) if victims else _AGAIN_S)
        if victims:
            self._scene.aims = self.random.random() >= _TO_ANYBODY
            self.attempts[name] += 1
            self.hits[name] += self._faults[name].strike(self.random.choice(victims))

    def mend(self) -> None:
        """Whatever is still away comes back. StoreError when it does not."""
        self._of_servers.mend()
