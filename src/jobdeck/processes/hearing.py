"""What children say, taken apart: most of it goes into the ledger; the end of a run is the pool's affair."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from ..core.outcome import Outcome, OutcomeKind
from ..executor.recorder import ARGUMENTS, ENDED, ENTRIES, FILE, LOG, PROGRESS, RETURNED, SPAWN
from ..services.holder import Claim
from .ledger import Ledger
from .pool_child import PoolChild

logger = logging.getLogger(__name__)

Note = Callable[[Claim, list[Any]], None]


class Hearing:
    """Hears children out; `on_ended` and `on_returned` are told of runs by child and number."""

    def __init__(
        self,
        ledger: Ledger,
        on_ended: Callable[[PoolChild, int, Outcome], None],
        on_returned: Callable[[PoolChild, int], None],
    ) -> None:
        self._on_ended = on_ended
        self._on_returned = on_returned
        self._notes = notes_in(ledger)

    def hear(self, child: PoolChild) -> bool:
        """Take what a child has said; whether it had said anything."""
        messages = child.receive()
        for message in messages:
            try:
                kind, number, *told = message
                self._take(child, kind, number, told)
            except (KeyError, TypeError, ValueError, IndexError) as error:
                # A task may write into any descriptor; that is no reason to stop listening.
                logger.warning("a child said what nobody understands: %.100r (%r)", message, error)
        return bool(messages)

    def _take(self, child: PoolChild, kind: str, number: int, told: list[Any]) -> None:
        if kind == ENDED:
            self._on_ended(child, number, outcome_told(told, child.pid))
        elif kind == RETURNED:
            self._on_returned(child, number)
        else:
            note = self._notes[kind]
            # A straggler of an earlier run speaks for nobody.
            if child.runs and child.runs[0][0] == number:
                note(child.runs[0][1], told)


def notes_in(ledger: Ledger) -> dict[str, Note]:
    """Where in the ledger what a run says while it runs is noted, by the kind of message."""
    return {
        LOG: ledger.log,
        PROGRESS: ledger.progress,
        FILE: ledger.file,
        SPAWN: ledger.spawned,
        ARGUMENTS: ledger.arguments,
        ENTRIES: ledger.entries,
    }


def outcome_told(told: Sequence[Any], pid: int) -> Outcome:
    """The outcome that process `pid` told at the end of a run."""
    kind, started_us, ended_us, rss_max, result, message, traceback, errored, retry = told
    return Outcome(
        kind=OutcomeKind(kind),
        message=message,
        traceback=traceback,
        result=result,
        errored_entries=errored,
        started_us=started_us,
        ended_us=ended_us,
        pid=pid,
        rss_max=rss_max,
        retry=retry is None or retry,
    )
