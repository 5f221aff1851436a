"""Where one thread of an engine's process makes attempts, one after another: it takes what a run says, and has it look whether
it should end. Nothing is killed here: a run ends where it looks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..contracts import Application
from ..core.outcome import Outcome, OutcomeKind
from ..executor.attempt import Workshop
from ..executor.order import Order
from ..executor.places import Place
from ..executor.recorder import ENDED
from ..services.holder import Claim
from .hearing import outcome_told
from .ladder import Cause, Ending, Step

Say = Callable[[str, Claim, list[Any]], None]

_INTERRUPTED = "What the engine's process did in between kept this run from ending in order."


class Bench:
    """Executes one run at a time; what it says goes to `note`, with its claim."""

    is_cooperative = True

    def __init__(self, application: Application, place: Place, files_folder: Path, note: Say) -> None:
        self._workshop = Workshop(application, self, self, files_folder, place)
        self._note = note
        self._number = 0
        self._claim: Claim | None = None
        self._told: list[Any] | None = None
        self._ending: Ending | None = None
        self._until = 0.0
        self.began = 0.0
        self.is_known_begun = False

    def execute(self, claim: Claim, *, restartable: bool, finish: Callable[[Claim, Outcome], None]) -> None:
        """Make an attempt, and give `finish` what it came to, whatever happens."""
        self._begin(claim)
        try:
            self._workshop.execute(Order.of_claim(self._number, claim))
        finally:
            finish(claim, self._end(claim, restartable))

    def is_at(self, claim: Claim) -> bool:
        """Whether it executes the run of this claim."""
        return self._claim is claim

    def ask(self, cause: Cause, claim: Claim) -> None:
        """Have the run of this claim end where it next looks."""
        if self._claim is claim and self._ending is None:
            self._ending = Ending(self._number, cause, time.monotonic(), 0.0)

    # What a run says, as `executor.recorder` takes it

    def say(self, *message: Any) -> None:
        """Take a message about the run at hand; a straggler of an earlier one speaks for nobody."""
        kind, number, *told = message
        if self._claim is None or number != self._number:
            return
        if kind == ENDED:
            self._told = told
        else:
            self._note(kind, self._claim, told)

    # Whether it should end, as `executor.page` tells a child

    @property
    def since_us(self) -> int:
        """When the run at hand began, in microseconds of the monotonic clock."""
        return int(self.began * 1_000_000)

    @property
    def cause(self) -> int:
        """Why it is asked to end."""
        return (Cause.STOP if self._ending is None else self._ending.cause).value

    def is_asked_to_stop(self, number: int) -> bool:
        """Whether run `number` should end: somebody asked, or its time is up."""
        if number != self._number or self._claim is None:
            return False
        if self._ending is None and self._until and time.monotonic() > self._until:
            self.ask(Cause.TIMEOUT, self._claim)
        if self._ending is None:
            return False
        self._ending.climbed = Step.TERMINATE
        return True

    def hook(self) -> None:
        """Hooks are called when the run looks."""

    def _begin(self, claim: Claim) -> None:
        self._number += 1
        self._told = self._ending = None
        self.is_known_begun = False
        self.began = time.monotonic()
        self._until = 0.0 if claim.timeout_s is None else self.began + claim.timeout_s
        self._claim = claim

    def _end(self, claim: Claim, restartable: bool) -> Outcome:
        self._claim = None
        if self._told is None:
            return Outcome(kind=OutcomeKind.ERROR, message=_INTERRUPTED, pid=os.getpid())
        outcome = outcome_told(self._told, os.getpid())
        # One that never looked has ended by itself.
        if self._ending is not None and self._ending.climbed is not Step.WAIT:
            self._ending.judge(outcome, claim.timeout_s, restartable=restartable)
        return outcome
