"""What executes runs for a worker process of an engine: by JOBDECK_ISOLATION our own worker beside it, or the process itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.engine import Isolation
from . import host
from .beside import Beside

if TYPE_CHECKING:
    from ..processes.in_process import InProcess


def server(engine: str, slots: int, watched: int, is_over: Callable[[], bool] | None = None) -> Beside | InProcess:
    """Serves the deliveries of `engine` to process `watched`, which takes `slots` at once. Both kinds have `serve` and `end`.

    `is_over`: whether process `watched` takes no more, which one of its own processes may not know else. ConfigurationError
    says why there is no deck here.
    """
    if host.settings().isolation is Isolation.PROCESS:
        return Beside(engine, slots=slots, watched=watched)
    deck = host.deck()
    # It needs the database, as a process that waits for a worker beside it does not.
    here: type[InProcess] = importlib.import_module("jobdeck.processes.in_process").InProcess
    return here(deck.office, engine, deck.context, deck.registry, slots=slots, gathers=True, is_over=is_over)
