"""The process that a worker stands beside: when it ends, the worker ends too, in order as on SIGTERM."""

from __future__ import annotations

import os
import selectors

from .signals import Signals


def watch_over(pid: int, selector: selectors.BaseSelector, signals: Signals) -> None:
    """Wait with `selector` for the end of a process, which then counts as one more stop in `signals`."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        signals.stops += 1
        return

    def ended() -> None:
        signals.stops += 1
        selector.unregister(pidfd)
        os.close(pidfd)

    selector.register(pidfd, selectors.EVENT_READ, ended)
