"""A deck on each database, with a clock that tests turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
