"""When a report cannot be stored as it is, although the database serves: store what can be, piece by piece.

An outcome must never fail because of what a task returned, raised or logged. Texts and numbers are made storable where they
arise, so this is for what nobody thought of: it costs a transaction a piece, and is rare.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from ..core.outcome import Outcome, OutcomeKind
from ..errors import StoreError
from ..services.claims import Claims, Report
from ..services.holder import Claim

logger = logging.getLogger(__name__)


def salvage(claims: Claims, report: Report, now_us: int) -> None:
    """Write every piece of `report` that the database takes, and say which it refused. StoreError: nothing is decided."""
    for piece in _pieces(report):
        try:
            claims.exchange(piece, 0, now_us)
        except StoreError:
            raise
        except Exception as error:  # whatever a driver thinks of a value
            logger.exception("something that a run said cannot be stored")
            if piece.ended:
                claim, outcome = piece.ended[0]
                claims.exchange(Report(ended=[(claim, _bare(outcome, error))]), 0, now_us)


def _pieces(report: Report) -> Iterator[Report]:
    if report.begun or report.released or report.alive or report.counts or report.arguments:
        yield Report(
            begun=report.begun,
            released=report.released,
            alive=report.alive,
            counts=report.counts,
            arguments=report.arguments,
        )
    for spawned in report.spawned:
        yield Report(spawned=[spawned])
    for run_id, head in report.log_heads.items():
        lines = [entry for entry in report.log_entries if entry[0] == run_id]
        yield Report(log_heads={run_id: head}, log_entries=lines)
    for run_id, told in report.progress.items():
        yield Report(progress={run_id: told})
    for file in report.files:
        yield Report(files=[file])
    for ended in report.ended:
        yield Report(ended=[ended])


def _bare(outcome: Outcome, error: Exception) -> Outcome:
    return Outcome(
        kind=OutcomeKind.ERROR,
        message=f"What this run came to ({outcome.kind}) cannot be stored: {type(error).__name__}.",
        started_us=outcome.started_us,
        ended_us=outcome.ended_us,
        pid=outcome.pid,
    )


def unknown_to(known: set[tuple[str, int]], held: list[Claim]) -> list[Claim]:
    """Claims that the database has and this worker has not: won by a commit whose answer was lost."""
    return [claim for claim in held if (claim.id, claim.fence) not in known]
