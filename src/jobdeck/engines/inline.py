"""Executing runs where they are enqueued: for tests, and for sites that want no worker.

Whoever enqueues rings after the commit, and has the run executed before the call returns; so are its sub-runs, its
dependents and its next tries, as far as they may begin now. Neighbours: `processes.in_process` executes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..core.capability import Capability
from ..core.ring import Ring
from ..processes.in_process import InProcess

if TYPE_CHECKING:
    from ..deck import Deck

NAME = "inline"
_CANNOT = {
    Capability.PRIORITIES: "A run begins as soon as it is enqueued, so that none waits to be overtaken.",
    Capability.DELAY: "Nobody wakes when a run is due; it begins with the next run that is enqueued after that. So does a try"
    " that has to wait after the one before.",
    Capability.STOP: "The run is executed by whoever enqueued it, and stops where its task looks for it:"
    " `current_run.check_stop`, `track`, progress.",
    Capability.FORCE_STOP: "The run is executed by the process that enqueued it, which would end with it.",
    Capability.TIMEOUT: "A run whose time is up ends where its task looks for it.",
    Capability.CRASH_RESCUE: "The run dies with the process that enqueued it, and nobody else looks after it.",
    Capability.OUTBOX: "A run whose process died between enqueuing and executing it begins with the next run that is enqueued.",
}


class InlineEngine:
    """Executes in the calling process, one run at a time.

    A run that is enqueued while another is executed there, by that run or by another thread, begins after it, and is executed by
    whoever executes that one: nothing nests, and no thread waits for another.
    """

    name = NAME
    is_immediate = True

    def __init__(self, deck: Deck) -> None:
        self._deck = deck
        self._turn = threading.Lock()
        self._is_rung = threading.Event()
        self._server: InProcess | None = None
        self._pid = os.getpid()

    def ring(self, rings: Sequence[Ring]) -> int:
        """Execute everything in the queues on this engine that may begin now, unless that is being done already."""
        self._is_rung.set()
        # Looked at again after the turn is over: whoever rang meanwhile has left it to this one.
        while self._is_rung.is_set() and self._turn.acquire(blocking=False):
            try:
                self._is_rung.clear()
                self._drain()
            finally:
                self._turn.release()
        return len(rings)

    def depth(self, queue: str) -> int | None:
        """Nothing ever waits here."""
        return 0

    def command(self, queue: str) -> None:
        """Nothing is to be started."""

    def problems(self) -> list[str]:
        """Nothing can be missing."""
        return []

    def cannot(self) -> Mapping[Capability, str]:
        """What would need somebody who looks on from outside."""
        return _CANNOT

    def close(self) -> None:
        """Say that this process executes no more, unless it only inherited that from its parent."""
        if self._server is not None and self._pid == os.getpid():
            self._server.end()
        self._server = None
        self._turn, self._is_rung = threading.Lock(), threading.Event()

    def _drain(self) -> None:
        server = self._serving()
        engines = self._deck.settings.engines
        queues = [name for name, route in engines.items() if route.engine == NAME]
        # What ended in one may have been waited for in another.
        while sum(server.drain(queue) for queue in queues):
            pass

    def _serving(self) -> InProcess:
        if self._server is None or self._pid != os.getpid():
            deck = self._deck
            self._server, self._pid = InProcess(deck.office, NAME, deck.context, deck.registry), os.getpid()
        return self._server
