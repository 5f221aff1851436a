"""The load: starts runs fast enough that no worker is idle, cancels some, and remembers everything it was told."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..core.run import Run
from ..errors import Conflict, StoreError
from .site import Site

CANCELLED_SHARE = 0.03
CANCEL_WITHIN_S = 2.0
BACKLOG = 20
_TOGETHER = 4
_TICK_S = 0.02


class Kind(NamedTuple):
    """A share of the load: a job type, how often it comes, and how long its work takes."""

    type: str
    weight: int
    shortest_s: float
    longest_s: float


KINDS = (
    Kind("brief", 46, 0.05, 0.5),
    Kind("lengthy", 9, 1.0, 3.0),
    Kind("single", 8, 0.05, 0.8),
    Kind("restartable", 5, 0.2, 1.5),
    Kind("failing", 6, 0.01, 0.3),
    Kind("recovering", 6, 0.01, 0.3),
    Kind("aborting", 3, 0.01, 0.2),
    Kind("deaf", 3, 0.2, 1.0),
    Kind("alone", 5, 0.05, 0.4),
    Kind("parent", 4, 0.05, 0.4),
)
LONGEST_S = max(kind.longest_s for kind in KINDS)
_WEIGHTS = [kind.weight for kind in KINDS]
_DEPENDENT_SHARE = 0.05


class Cancel(NamedTuple):
    """A cancel that was acknowledged: when (monotonic nanoseconds), and whether the run had ended by it."""

    run_id: str
    at_ns: int
    has_ended: bool
    attempt: int


@dataclass(slots=True)
class Memory:
    """What the drill was told by the services, apart from the database."""

    accepted: list[str] = field(default_factory=list)
    follows: dict[str, str] = field(default_factory=dict)
    """run → the run that has to succeed before it"""
    cancels: list[Cancel] = field(default_factory=list)
    finished_first: int = 0
    refused: int = 0


class Load:
    """Starts and cancels runs in a thread of its own, as the database makes callers wait."""

    def __init__(self, site: Site, random: random.Random) -> None:
        self.memory = Memory()
        self.error: BaseException | None = None
        self._deck = site.deck
        self._random = random
        self._due: list[tuple[float, str]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="load", daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """Start no more runs; whatever broke the load is raised here."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self.error is not None:
            raise self.error

    def _work(self) -> None:
        try:
            while not self._over.wait(_TICK_S):
                self._insist(self._start)
                self._insist(self._cancel)
        except BaseException as error:  # raised again by `end`, in the main thread
            self.error = error

    def _insist(self, step: Callable[[], None]) -> None:
        """Who was refused because the database could not serve goes on; nothing was promised then."""
        try:
            step()
        except StoreError:
            self.memory.refused += 1

    def _start(self) -> None:
        if self._deck.runs.waiting() >= BACKLOG:
            return
        kind = self._random.choices(KINDS, _WEIGHTS)[0]
        if kind.type == "brief" and self._random.random() < 0.1:
            self._accept(*self._deck.runs.start_many("brief", [self._arguments(kind) for _ in range(_TOGETHER)]))
            return
        before = self._random.choice(self.memory.accepted[-BACKLOG:]) if self._is_dependent() else None
        run = self._deck.runs.start(kind.type, self._arguments(kind), after=[before] if before else [])
        self._accept(run.id)
        if before:
            self.memory.follows[run.id] = before

    def _is_dependent(self) -> bool:
        return self._random.random() < _DEPENDENT_SHARE and bool(self.memory.accepted)

    def _arguments(self, kind: Kind) -> dict[str, Any]:
        seconds = round(self._random.uniform(kind.shortest_s, kind.longest_s), 3)
        more = {"parent": "children", "recovering": "failures"}.get(kind.type)
        number = self._random.randint(1, 3)
        return {"seconds": seconds, "lines": self._random.randint(1, 8)} | ({more: number} if more else {})

    def _accept(self, *run_ids: str) -> None:
        self.memory.accepted += run_ids
        for run_id in run_ids:
            if self._random.random() < CANCELLED_SHARE:
                self._due.append((time.monotonic() + self._random.uniform(0, CANCEL_WITHIN_S), run_id))

    def _cancel(self) -> None:
        now = time.monotonic()
        for due in [one for one in self._due if one[0] <= now]:
            self._due.remove(due)
            try:
                run: Run = self._deck.runs.stop(due[1], "the drill")
            except Conflict:
                self.memory.finished_first += 1
            else:
                self.memory.cancels.append(Cancel(run.id, time.monotonic_ns(), run.is_final, run.attempt))
