"""jobdeck beside Celery and RQ: its own workers beside theirs, and its runs on their workers beside their own tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from .broker_peers import RQ, Celery
from .jobdeck_side import Jobdeck
from .on_engine import OnCelery, OnRQ
from .postgresql import Server
from .redis_server import Redis
from .workloads import measured

Make = Callable[[Path, Any], Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One side of a match: how it is made, and how many it is asked for at full size."""

    make: Make
    count: int
    ask: str = "end_to_end"


@dataclass(frozen=True, slots=True)
class Match:
    """Sides that take turns in every round; `ratios` names pairs of them, each with what the first is to reach."""

    workload: str
    entries: Mapping[str, Entry]
    ratios: Sequence[tuple[str, str, float | None]]
    server: Server | None = None


@dataclass(slots=True)
class Score:
    """What one side did, a figure for each round: how many a second, and microseconds of processor time each, by party."""

    rates: list[float] = field(default_factory=list)
    spent_us: list[dict[str, float]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return median(self.rates)

    def us(self, party: str) -> float | None:
        """The median of a party; None when there is none."""
        found = [spent[party] for spent in self.spent_us if party in spent]
        return median(found) if found else None


def own_workers(broker: Redis) -> Iterator[Match]:
    """The database as the queue, beside brokers."""
    entries = {
        "jobdeck": Entry(Jobdeck, 40_000, "drain"),
        "jobdeck, a process for each run": Entry(Jobdeck, 400, "drain_afresh"),
        "Celery (prefork)": Entry(partial(Celery, broker=broker), 4_000, "drain"),
        "RQ (fork)": Entry(partial(RQ, broker=broker), 300, "drain"),
    }
    ratios = [("jobdeck", "Celery (prefork)", 20.0), ("jobdeck", "RQ (fork)", 100.0)]
    yield Match("drain", entries, [*ratios, ("jobdeck, a process for each run", "RQ (fork)", 5.0)])


def on_engines(broker: Redis, server: Server) -> Iterator[Match]:
    """Runs on the workers of others."""
    in_process, isolated = "jobdeck, in-process", "jobdeck, isolated"
    on_celery = partial(OnCelery, broker=broker)
    entries = {
        "Celery": Entry(partial(Celery, broker=broker), 4_000),
        in_process: Entry(partial(on_celery, isolation="none"), 4_000),
        isolated: Entry(on_celery, 4_000),
    }
    yield Match("on Celery; SQLite, normal", entries, [(in_process, "Celery", 0.77), (isolated, "Celery", None)])
    on_celery = partial(on_celery, database=server)
    results = "Celery, results in PostgreSQL"
    entries = {
        results: Entry(partial(Celery, broker=broker, database=server), 2_000),
        in_process: Entry(partial(on_celery, isolation="none"), 2_000),
        isolated: Entry(on_celery, 2_000),
    }
    yield Match("on Celery; PostgreSQL, full", entries, [(in_process, results, 2.0), (isolated, results, None)], server)
    on_rq = partial(OnRQ, broker=broker)
    entries = {
        "RQ": Entry(partial(RQ, broker=broker), 300),
        in_process: Entry(partial(on_rq, isolation="none"), 300),
        isolated: Entry(on_rq, 300),
    }
    yield Match("on RQ; SQLite, normal", entries, [(in_process, "RQ", 0.9), (isolated, "RQ", 0.9)])


def play(match: Match, rounds: int, scale: float, say: Callable[[str], None]) -> dict[str, Score]:
    """Let the sides take turns."""
    scores = {name: Score() for name in match.entries}
    for _ in range(rounds):
        for name, entry in match.entries.items():
            count = max(20, int(entry.count * scale))
            rate, spent = measured(entry.make, partial(_ask, entry.ask), count, match.server)
            scores[name].rates.append(rate)
            scores[name].spent_us.append({party: 1e6 * seconds / count for party, seconds in spent.items()})
            say(f"{match.workload}, {name}: {rate:,.0f} a second; µs each: {_told(scores[name].spent_us[-1])}")
    return scores


def _ask(workload: str, side: Any, count: int) -> tuple[float, dict[str, float]]:
    rate = getattr(side, workload)(count)
    return rate, side.spent


def _told(spent_us: Mapping[str, float]) -> str:
    return ", ".join(f"{party} {us:,.0f}" for party, us in spent_us.items()) or "not told"
