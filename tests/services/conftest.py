"""A deck on each database, with a clock that tests turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from jobdeck import Deck, LastSuccess, job_type


class TurnedClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.us = 1_790_000_000_000_000

    def now_us(self) -> int:
        self.us += 1
        return self.us


@job_type(title="Greet people")
def greet(name: str = "Ada", times: int = 1) -> str:
    """Say hello."""
    return name * times


@job_type
def harvest(since: LastSuccess = None) -> int:
    """Fetch."""
    return 0


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def deck(database_url: str, tmp_path: Path, clock: TurnedClock) -> Iterator[Deck]:
    made = Deck(
        job_types=[greet, harvest],
        home=tmp_path / "home",
        database_url=database_url,
        clock=clock,
        queues={"default": "Default", "slow": "Slow"},
    )
    yield made
    made.close()


@pytest.fixture
def statements(deck: Deck) -> Callable[[Callable[[], Any]], int]:
    """How many statements a call takes, without those that begin a transaction."""

    def counted(call: Callable[[], Any]) -> int:
        seen: list[str] = []

        def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            if not statement.startswith("BEGIN"):
                seen.append(statement)

        event.listen(deck.database.engine, "before_cursor_execute", note)
        try:
            call()
        finally:
            event.remove(deck.database.engine, "before_cursor_execute", note)
        return len(seen)

    return counted
