"""What befalls dispatchers, the broker and the database's server.

A fault hits a dispatcher when runs waited to be rung for, or for the messages that were sent for them; the broker when messages
were under way, and a flush when it lost some; the database's server when a run was at work.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..store import drill
from .brokers import Broker
from .faults import Fault, Scene
from .faults_of_schedulers import FREEZE_S
from .fleet import DISPATCHER, WORKER, Member
from .servers import PostgreSQL

DOWN_S = (0.2, 1.5)
"""How long a server that was killed stays away."""


@dataclass(slots=True)
class FaultsOfServers:
    """Those of one scene."""

    scene: Scene
    _broker_at: float = field(default=0.0, init=False)

    def all(self) -> Mapping[str, Fault]:
        """By name."""
        found: dict[str, Fault] = {}
        site = self.scene.site
        if site.broker is not None:
            found |= {
                "kill_dispatcher": Fault(self._dispatchers, self._kill_dispatcher),
                "freeze_dispatcher": Fault(self._dispatchers, self._freeze_dispatcher),
                "kill_broker": Fault(self._brokers, self._kill_broker),
                "flush_broker": Fault(self._brokers, self._flush_broker),
                "cut_broker": Fault(self._brokers, self._cut_broker),
            }
            if not site.is_sqlite:
                found["cut_dispatcher"] = Fault(self._dispatchers, self._cut_dispatcher)
        if site.server is not None:
            found["restart_postgresql"] = Fault(self._servers, self._restart)
        return found

    def look(self, now: float) -> None:
        """Start the broker again when it was away for long enough."""
        broker = self.scene.site.broker
        if broker is not None and not broker.is_started and now >= self._broker_at:
            broker.start()

    def mend(self) -> None:
        """Have the broker serve. StoreError when it does not."""
        if self.scene.site.broker is not None:
            self.look(float("inf"))
            self.scene.site.broker.wait()

    # Dispatchers

    def _dispatchers(self) -> Sequence[Member]:
        fleet = self.scene.fleet
        if self.scene.aims and not self._is_any_carried():
            return []
        return [one for one in fleet.alive(DISPATCHER) if fleet.has_served(one)]

    def _is_any_carried(self) -> bool:
        return drill.count_carried(self.scene.site.deck.database) > 0

    def _kill_dispatcher(self, member: Member) -> bool:
        self.scene.end(member, signal.SIGKILL)
        return self._is_any_carried()

    def _freeze_dispatcher(self, member: Member) -> bool:
        self.scene.freeze(member, FREEZE_S)
        return self._is_any_carried()

    def _cut_dispatcher(self, member: Member) -> bool:
        is_hit = self._is_any_carried()
        return self.scene.cut(member) and is_hit

    # The broker

    def _brokers(self) -> Sequence[Broker]:
        broker = self.scene.site.broker
        if broker is None or not broker.is_started or (self.scene.aims and not self._is_any_under_way()):
            return []
        return [broker] if broker.answers() else []

    def _kill_broker(self, broker: Broker) -> bool:
        self.scene.fleet.excuse(WORKER)
        broker.stop()
        self._broker_at = time.monotonic() + self.scene.random.uniform(*DOWN_S)
        return self._is_any_under_way()

    def _flush_broker(self, broker: Broker) -> bool:
        self.scene.fleet.excuse(WORKER)
        with contextlib.suppress(OSError):
            return broker.flush() > 0
        return False

    def _cut_broker(self, broker: Broker) -> bool:
        is_hit = self._is_any_under_way()
        self.scene.fleet.excuse(WORKER)
        with contextlib.suppress(OSError):
            broker.cut()
            return is_hit
        return False

    def _is_any_under_way(self) -> bool:
        return drill.count_under_way(self.scene.site.deck.database, time.time_ns() // 1000) > 0

    # The database

    def _servers(self) -> Sequence[PostgreSQL]:
        server = self.scene.site.server
        is_wanted = not self.scene.aims or drill.count_running(self.scene.site.deck.database) > 0
        return [server] if server is not None and is_wanted else []

    def _restart(self, server: PostgreSQL) -> bool:
        database = self.scene.site.deck.database
        is_hit = drill.count_running(database) > 0
        server.stop()
        time.sleep(self.scene.random.uniform(*DOWN_S))
        server.start()
        server.wait()
        # What the drill itself asks must not find the connections of before.
        database.close()
        return is_hit
