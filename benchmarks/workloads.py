"""The comparisons with peers: which sides take turns at what, and how much of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Generic, Protocol, TypeVar

from .huey_side import Huey
from .jobdeck_side import Jobdeck
from .measuring import Latency
from .postgresql import Server
from .procrastinate_side import Procrastinate


class Side(Protocol):
    """What every side can do beside its workloads, whose rates are per second."""

    def idle_latency(self, count: int) -> Latency: ...
    def close(self) -> None: ...


S = TypeVar("S", bound=Side)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Turn(Generic[S]):
    """What one side does in each round: made anew, it is asked for so many (at full size)."""

    make: Callable[[Path, Any], S]
    ask: Callable[[S, int], float]
    count: int

    def take(self, scale: float, server: Server | None) -> float:
        """The rate."""
        return measured(self.make, self.ask, max(100, int(self.count * scale)), server)


@dataclass(frozen=True, slots=True)
class Contest:
    """One workload; `target` is the ratio that jobdeck is to reach."""

    workload: str
    durability: str
    ours: Turn[Jobdeck]
    peer: Turn[Any] | None = None
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What a contest gave: the medians of all rounds, and the ratio of each round."""

    contest: Contest
    ours: float
    peer: float | None
    ratios: list[float]


def sqlite_contests() -> Iterator[Contest]:
    """jobdeck with each durability beside Huey as it is by default (fsync on)."""
    targets = {
        ("drain", "normal"): 10.0,
        ("end to end", "normal"): 5.0,
        ("drain", "full"): 8.0,
        ("end to end", "full"): 1.5,
    }
    for durability in ("normal", "full"):
        make = partial(Jobdeck, durability=durability)
        for workload, ours, peer in (
            ("enqueue", Turn(make, Jobdeck.enqueue, 20_000), Turn(Huey, Huey.enqueue, 5_000)),
            ("drain", Turn(make, Jobdeck.drain, 40_000), Turn(Huey, Huey.drain, 5_000)),
            ("end to end", Turn(make, Jobdeck.end_to_end, 20_000), Turn(Huey, Huey.end_to_end, 5_000)),
        ):
            yield Contest(workload, durability, ours, peer, targets.get((workload, durability)))
    # Huey has no such call.
    yield Contest("bulk", "normal", Turn(Jobdeck, Jobdeck.bulk, 50_000))


def postgresql_contests() -> Iterator[Contest]:
    """jobdeck beside Procrastinate, both with the server's default durability."""
    for workload, ours, peer, target in (
        ("drain", Turn(Jobdeck, Jobdeck.drain, 20_000), Turn(Procrastinate, Procrastinate.drain, 4_000), 15.0),
        (
            "end to end",
            Turn(Jobdeck, Jobdeck.end_to_end, 5_000),
            Turn(Procrastinate, Procrastinate.end_to_end, 4_000),
            1.8,
        ),
        ("bulk", Turn(Jobdeck, Jobdeck.bulk, 20_000), Turn(Procrastinate, Procrastinate.bulk, 20_000), 4.0),
        (
            "batches of one",
            Turn(Jobdeck, Jobdeck.batches_of_one, 5_000),
            Turn(Procrastinate, Procrastinate.enqueue, 5_000),
            3.0,
        ),
    ):
        yield Contest(workload, "full", ours, peer, target)


def compare(
    contests: Iterator[Contest], rounds: int, scale: float, server: Server | None, say: Callable[[str], None]
) -> Iterator[Row]:
    """Let the sides of each contest take turns."""
    for contest in contests:
        ours: list[float] = []
        peer: list[float] = []
        for _ in range(rounds):
            ours.append(contest.ours.take(scale, server))
            told = f"{ours[-1]:,.0f}"
            if contest.peer is not None:
                peer.append(contest.peer.take(scale, server))
                told += f" and {peer[-1]:,.0f}"
            say(f"{contest.workload}, {contest.durability}: {told} a second")
        ratios = [mine / other for mine, other in zip(ours, peer, strict=False)]
        yield Row(contest, median(ours), median(peer) if peer else None, ratios)


def latency(
    peer: Callable[[Path, Any], Side], rounds: int, scale: float, server: Server | None
) -> tuple[Latency, Latency]:
    """Idle latency of jobdeck and of a peer, the medians over the rounds."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(measured(Jobdeck, Jobdeck.idle_latency, max(20, int(300 * scale)), server))
        theirs.append(measured(peer, lambda side, count: side.idle_latency(count), max(20, int(100 * scale)), server))
    return _middle(ours), _middle(theirs)


def measured(make: Callable[[Path, Any], S], ask: Callable[[S, int], T], count: int, server: Server | None) -> T:
    """What a side says, made for this alone."""
    with place(server) as (folder, url):
        side = make(folder, url)
        try:
            return ask(side, count)
        finally:
            side.close()


@contextmanager
def place(server: Server | None) -> Iterator[tuple[Path, str | None]]:
    """An empty folder, and the address of an empty database where there is a server."""
    with (
        tempfile.TemporaryDirectory(prefix="jobdeck-benchmark-") as folder,
        server.database() if server else nullcontext() as url,
    ):
        yield Path(folder), url


def _middle(found: list[Latency]) -> Latency:
    return Latency(p50=median(one.p50 for one in found), p99=median(one.p99 for one in found))
