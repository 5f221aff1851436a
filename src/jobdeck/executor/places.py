"""Where attempts are made: in a process of their own, a worker's child, or in the process of somebody else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from .context import RunContext, make_current, make_current_here
from .ears import ProcessEars, SharedEars
from .interrupt import Cooperation, Interrupt
from .log_capture import Ears
from .peak import PeakMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`memory_of_run` gives the most memory that a run of so many microseconds took, in bytes; None where nobody can tell.

    `forget` is for a forked process: forget the runs of its parent.
    """

    ears: Ears
    interrupt: Interrupt | Cooperation
    make_current: Callable[[RunContext | None], RunContext | None]
    memory_of_run: Callable[[int], int | None]
    forget: Callable[[], None] = lambda: None


def own_process(log_level: int) -> Place:
    """A process that does nothing else from here on: the one at hand."""
    return Place(
        ears=ProcessEars(log_level),
        interrupt=Interrupt(),
        make_current=make_current,
        memory_of_run=PeakMemory().of_run,
    )


@functools.cache
def shared_process(log_level: int) -> Place:
    """A process that has other things to do, the one at hand; several threads may each make attempts in it.

    Made once, as its ears stay with the loggers.
    """
    ears = SharedEars(log_level)
    return Place(
        ears=ears,
        interrupt=Cooperation(),
        make_current=make_current_here,
        memory_of_run=lambda took_us: None,
        forget=ears.forget,
    )
