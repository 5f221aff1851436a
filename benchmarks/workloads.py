"""The comparisons: which sides take turns at what, and how much of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Protocol, TypeVar

from .huey_side import Huey
from .jobdeck_side import Jobdeck
from .measuring import Latency


class Side(Protocol):
    """What both sides can do; rates are per second."""

    name: str

    def enqueue(self, count: int) -> float: ...
    def drain(self, count: int) -> float: ...
    def end_to_end(self, count: int) -> float: ...
    def idle_latency(self, count: int) -> Latency: ...
    def close(self) -> None: ...


S = TypeVar("S", bound=Side)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One workload at one durability: the medians of all rounds, the ratio of each round, and the target."""

    workload: str
    durability: str
    ours: float
    peer: float
    ratios: list[float] = field(default_factory=list)
    target: float | None = None

    @property
    def ratio(self) -> float:
        return median(self.ratios)


TARGETS = {
    ("drain", "normal"): 10.0,
    ("end to end", "normal"): 5.0,
    ("drain", "full"): 8.0,
    ("end to end", "full"): 1.5,
}
_COUNTS = {"enqueue": (20_000, 5_000), "drain": (40_000, 5_000), "end to end": (20_000, 5_000)}
_ASK: dict[str, Callable[[Side, int], float]] = {
    "enqueue": lambda side, count: side.enqueue(count),
    "drain": lambda side, count: side.drain(count),
    "end to end": lambda side, count: side.end_to_end(count),
}


def compare(rounds: int, scale: float, say: Callable[[str], None]) -> Iterator[Row]:
    """jobdeck with each durability beside Huey as it is by default (fsync on)."""
    for durability in ("normal", "full"):
        for workload, ask in _ASK.items():
            ours, peer = [], []
            for _ in range(rounds):
                our_count, peer_count = (max(100, int(count * scale)) for count in _COUNTS[workload])
                ours.append(_measured(partial(Jobdeck, durability=durability), ask, our_count))
                peer.append(_measured(Huey, ask, peer_count))
                say(f"{workload}, {durability}: {ours[-1]:,.0f} and {peer[-1]:,.0f} a second")
            yield Row(
                workload=workload,
                durability=durability,
                ours=median(ours),
                peer=median(peer),
                ratios=[mine / other for mine, other in zip(ours, peer, strict=True)],
                target=TARGETS.get((workload, durability)),
            )


def bulk(rounds: int, scale: float) -> float:
    """Runs a second when many are started in one transaction (Huey has no such call)."""
    found: list[float] = [_measured(Jobdeck, Jobdeck.bulk, max(100, int(50_000 * scale))) for _ in range(rounds)]
    return median(found)


def latency(rounds: int, scale: float) -> tuple[Latency, Latency]:
    """Idle latency of jobdeck and of Huey, the medians over the rounds."""
    ours, peer = [], []
    for _ in range(rounds):
        ours.append(_measured(Jobdeck, lambda side, count: side.idle_latency(count), max(20, int(300 * scale))))
        peer.append(_measured(Huey, lambda side, count: side.idle_latency(count), max(20, int(100 * scale))))
    return _middle(ours), _middle(peer)


def _middle(found: list[Latency]) -> Latency:
    return Latency(p50=median(one.p50 for one in found), p99=median(one.p99 for one in found))


def _measured(make: Callable[[Path], S], ask: Callable[[S, int], T], count: int) -> T:
    with tempfile.TemporaryDirectory(prefix="jobdeck-benchmark-") as folder:
        side = make(Path(folder))
        try:
            return ask(side, count)
        finally:
            side.close()
