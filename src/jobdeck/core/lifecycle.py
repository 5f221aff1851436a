"""How a run may change: one table, from which the documentation's diagram and the tests' triggers are made.

Who may move a run, and when, stands in the statement that does it (`store.claims`, `store.endings`): a claim wins
QUEUED → RUNNING, every other write of a holder carries its fence.
"""

from __future__ import annotations

from dataclasses import dataclass

from .outcome import OutcomeKind
from .run import FINAL_STATUSES, Reason, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """From one stored status to others: what it is called, who does it, and the guard that its statement carries."""

    name: str
    old: Status | None
    new: tuple[Status, ...]
    actor: str
    guard: str


_HELD = "still held under the same owner and fence"
_OBSERVED = "no heartbeat seen for a whole lease; the owner, fence and heartbeat that were seen"

TABLE: tuple[Transition, ...] = (
    Transition(name="enqueue", old=None, new=(Status.QUEUED,), actor="whoever starts it, or its parent",
               guard="arguments fit; the unique key is free"),
    Transition(name="claim", old=Status.QUEUED, new=(Status.RUNNING,), actor="a worker",
               guard="no waiting reason holds; the limit has room"),
    Transition(name="finish", old=Status.RUNNING, new=FINAL_STATUSES, actor="the holder",
               guard=f"{_HELD}; it has no sub-runs"),
    Transition(name="retry", old=Status.RUNNING, new=(Status.QUEUED,), actor="the holder",
               guard=f"{_HELD}; attempts are left; no stop was asked"),
    Transition(name="give back", old=Status.RUNNING, new=(Status.QUEUED,), actor="the holder, or a rescuer on its host",
               guard=f"{_HELD}; the body had not begun, or its type is restartable"),
    Transition(name="rescue", old=Status.RUNNING, new=(Status.QUEUED, Status.FAILED, Status.CANCELLED),
               actor="any worker", guard=_OBSERVED),
    Transition(name="last sub-run", old=Status.RUNNING, new=FINAL_STATUSES, actor="the end of the last sub-run",
               guard="the body has returned; no sub-run is open"),
    Transition(name="cancel", old=Status.QUEUED, new=(Status.CANCELLED,), actor="a person, a failed parent, a limit",
               guard="still queued"),
    Transition(name="give up", old=Status.QUEUED, new=(Status.FAILED,), actor="maintenance, a dependency",
               guard="still queued; expired, or what it depends on failed"),
)  # fmt: skip

TRANSITIONS: frozenset[tuple[Status, Status]] = frozenset(
    (row.old, new) for row in TABLE if row.old is not None for new in row.new
)

_VERDICTS: dict[OutcomeKind, tuple[Status, Reason | None]] = {
    OutcomeKind.SUCCESS: (Status.SUCCESS, None),
    OutcomeKind.PARTIAL: (Status.PARTIAL_SUCCESS, None),
    OutcomeKind.WARNING: (Status.WARNING, None),
    OutcomeKind.ERROR: (Status.FAILED, Reason.ERROR),
    OutcomeKind.STOPPED: (Status.CANCELLED, Reason.STOPPED),
    OutcomeKind.TIMEOUT: (Status.FAILED, Reason.TIMEOUT),
    OutcomeKind.LOST: (Status.FAILED, Reason.LOST),
    OutcomeKind.RELEASED: (Status.FAILED, Reason.LOST),
}
_SUCCEEDED = (Status.SUCCESS, Status.PARTIAL_SUCCESS, Status.WARNING)


def verdict(kind: OutcomeKind, *, stop_requested: bool) -> tuple[Status, Reason | None]:
    """Status and reason of a run whose attempt ended so.

    What finished before it noticed a stop keeps its verdict; a failure after the request is CANCELLED.
    """
    status, reason = _VERDICTS[kind]
    if stop_requested and status is Status.FAILED:
        return Status.CANCELLED, Reason.STOPPED
    return status, reason


def has_succeeded(status: Status) -> bool:
    """Whether what waits for the success of a run may go on."""
    return status in _SUCCEEDED
