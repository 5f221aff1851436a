"""What the death of a child means for the run that it was at."""

from __future__ import annotations

import os
import signal
import time

from ..core.outcome import Outcome, OutcomeKind
from .pool_child import PoolChild
from .template_link import Reaped


def outcome_of(child: PoolChild, event: Reaped | None) -> Outcome:
    """The outcome of a dead child's last run; `event` is None when nobody saw how it died."""
    now_us = time.time_ns() // 1000
    outcome = Outcome(
        kind=OutcomeKind.ERROR,
        started_us=now_us - max(0, time.monotonic_ns() // 1000 - child.page.since_us),
        ended_us=now_us,
        pid=child.pid,
    )
    if event is None:
        outcome.message = "The process that ran this was ended together with the worker's template process."
        return outcome
    outcome.rss_max = event.rss_max
    if os.WIFSIGNALED(event.status):
        outcome.signal = os.WTERMSIG(event.status)
        hint = " (possibly out of memory)" if outcome.signal == signal.SIGKILL else ""
        outcome.message = f"The process that ran this was killed by {_name(outcome.signal)}{hint}."
    else:
        outcome.exit_code = os.waitstatus_to_exitcode(event.status)
        outcome.message = f"The process that ran this ended by itself with exit code {outcome.exit_code}."
    return outcome


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
