"""How running work is ended, step by step: ask, SIGTERM at half the grace period, SIGKILL at its end.

At a shutdown nobody wants the run to stop, so it is let alone for most of the grace period, then asked with SIGTERM at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..core.outcome import Outcome, OutcomeKind
from ..services.lifecycle import LOST_MESSAGE


class Cause(Enum):
    """Why a running run is being ended; the value is its number in the child's page (`executor.context.CAUSES`)."""

    STOP = 0
    TIMEOUT = 1
    SHUTDOWN = 2


class Step(Enum):
    """What is due for a run that was asked to end."""

    WAIT = 0
    TERMINATE = 1
    KILL = 2


_AT = {Step.WAIT: 0.0, Step.TERMINATE: 0.5, Step.KILL: 1.0}
_SHUTDOWN_AT = {Step.WAIT: 0.0, Step.TERMINATE: 0.9, Step.KILL: 1.0}


@dataclass(slots=True)
class Ending:
    """One run being ended: since when (monotonic seconds), with how much grace, how far the ladder was climbed.

    `number` is the run's in its child; whatever else that child did before is none of this.
    """

    number: int
    cause: Cause
    since: float
    grace: float
    climbed: Step = Step.WAIT

    def due(self, now: float) -> Step:
        """The highest step due and not yet taken; WAIT when there is none."""
        due = (step for step in Step if now >= self._at(step))
        step = max(due, key=lambda step: step.value, default=Step.WAIT)
        return step if step.value > self.climbed.value else Step.WAIT

    def next_at(self, now: float) -> float:
        """When the next step is due (monotonic seconds); a minute from now after the last."""
        return min((self._at(step) for step in Step if step.value > self.climbed.value), default=now + 60.0)

    def _at(self, step: Step) -> float:
        return self.since + self.grace * (_SHUTDOWN_AT if self.cause is Cause.SHUTDOWN else _AT)[step]

    def judge(self, outcome: Outcome, timeout_s: float | None, *, restartable: bool = False) -> None:
        """What the outcome of a run is that was asked to end: what finished by itself keeps its verdict.

        One that a shutdown left is lost, unless its type is `restartable`.
        """
        if outcome.kind not in (OutcomeKind.ERROR, OutcomeKind.STOPPED):
            return
        if self.cause is Cause.SHUTDOWN and self.climbed is Step.WAIT:
            return
        if self.cause is Cause.TIMEOUT:
            outcome.kind = OutcomeKind.TIMEOUT
            outcome.message = f"The run took longer than its timeout of {timeout_s:g} seconds."
        elif self.cause is Cause.SHUTDOWN:
            outcome.kind = OutcomeKind.RELEASED if restartable else OutcomeKind.LOST
            outcome.message = LOST_MESSAGE
        else:
            outcome.kind = OutcomeKind.STOPPED
            outcome.message = None
        outcome.traceback = None
        outcome.retry = True
