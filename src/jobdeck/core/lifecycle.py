"""How a run may change. One table; every writer of a status takes it from here.

Who may move a run, and when, stands in the statement that does it (`store.runs`): claims win QUEUED → RUNNING,
every other write of a holder carries its fence.
"""

from __future__ import annotations

from .outcome import OutcomeKind
from .run import Reason, Status

TRANSITIONS: frozenset[tuple[Status, Status]] = frozenset(
    {(Status.QUEUED, Status.RUNNING), (Status.RUNNING, Status.QUEUED), (Status.QUEUED, Status.CANCELLED)}
    | {(Status.RUNNING, final) for final in Status if final.is_final}
)

_VERDICTS: dict[OutcomeKind, tuple[Status, Reason | None]] = {
    OutcomeKind.SUCCESS: (Status.SUCCESS, None),
    OutcomeKind.PARTIAL: (Status.PARTIAL_SUCCESS, None),
    OutcomeKind.WARNING: (Status.WARNING, None),
    OutcomeKind.ERROR: (Status.FAILED, Reason.ERROR),
    OutcomeKind.STOPPED: (Status.CANCELLED, Reason.STOPPED),
    OutcomeKind.TIMEOUT: (Status.FAILED, Reason.TIMEOUT),
    OutcomeKind.LOST: (Status.FAILED, Reason.LOST),
}


def verdict(kind: OutcomeKind, *, stop_requested: bool) -> tuple[Status, Reason | None]:
    """Status and reason of a run whose attempt ended so.

    What finished before it noticed a stop keeps its verdict; a failure after the request is CANCELLED.
    """
    status, reason = _VERDICTS[kind]
    if stop_requested and status is Status.FAILED:
        return Status.CANCELLED, Reason.STOPPED
    return status, reason
