"""What the suite has to know of an engine: how its workers are started, and how its messages are lost."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ...core.engine import DATABASE
from ...core.run import Run
from ...deck import Deck


class Stack:
    """An engine with everything around it, as a site would have it. Override what is different from our own workers.

    - `name` heads its column of the matrix; `engine` is its name in `JOBDECK_ENGINES`
    - `slots` is how many runs its ordinary worker executes at once, 2 at least
    - `has_broker`: whether `cut` makes something unreachable
    - `waits_for_runs`: a worker that got SIGTERM waits for what runs, as long as that takes, and asks nobody to end

    `home` is a folder of its own, for whatever it likes to write there; `jobdeck`'s processes find modules in it.
    """

    name: ClassVar[str] = ""
    engine: ClassVar[str] = DATABASE
    slots: ClassVar[int] = 3
    has_broker: ClassVar[bool] = False
    waits_for_runs: ClassVar[bool] = False

    def __init__(self, home: Path) -> None:
        self.home = home

    def open(self) -> None:
        """Called first: have servers started, write what workers import."""

    def close(self) -> None:
        """Called last; every process of `commands` has ended by then."""

    def settings(self) -> Mapping[str, Any]:
        """More settings than those of the suite, as keyword arguments of a `Deck`: `{"redis_url": …}`."""
        return {}

    def environment(self) -> Mapping[str, str]:
        """More environment variables for every process."""
        return {}

    def elsewhere(self) -> Mapping[str, str]:
        """Environment variables with which a worker believes to be on another host, so that nobody here knows better than
        by its heartbeats; none, when the database is a file or that cannot be done.
        """
        return {}

    def commands(self, queue: str, slots: int) -> Sequence[Sequence[str]]:
        """The command lines that start a worker for a queue: one process, or several that have the slots together.

        Each goes on in the foreground, and ends in order on SIGTERM.
        """
        return [[sys.executable, "-m", "jobdeck", "worker", queue, "--processes", str(slots)]]

    def start(self, deck: Deck, type_id: str, arguments: Mapping[str, Any], **options: Any) -> Run:
        """Start a run as `deck.runs.start` does. For an engine that executes it right there: in a process of its own, which
        is one of those that execute, without waiting for its end.
        """
        return deck.runs.start(type_id, arguments, **options)

    def lose_messages(self) -> None:
        """Throw away every message that waits in the broker. Nothing, where there is none."""

    def cut(self) -> None:
        """Let nobody reach the broker until `mend`, as if it were down."""

    def mend(self) -> None:
        """Let the broker be reached again."""
