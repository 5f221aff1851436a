"""`python -m benchmarks`: measure everything and print the figures as Markdown; `--write` puts them into the docs."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from . import engines, footprint, history, postgresql, redis_server, schedules, workloads
from .huey_side import Huey
from .procrastinate_side import Procrastinate
from .servers import serving

PAGE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "benchmarks.md"


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often the sides take turns (default 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="1 = full size; 0.02 shows whether everything works")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS), help="these parts (default: all)")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {PAGE.name}")
    given = parser.parse_args()
    # Asked to end, it ends what it has started as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        bench = Bench(given.rounds, given.scale, stack)
        for name in given.only:
            text = "\n".join([bench.heading(name), *PARTS[name](bench)])
            print(f"{text}\n", flush=True)
            if given.write:
                _write(name, text)
    return 0


@dataclass
class Bench:
    """How much is measured, and the servers, each started for the first part that wants it."""

    rounds: int
    scale: float
    stack: ExitStack

    @cached_property
    def server(self) -> postgresql.Server:
        return self.stack.enter_context(serving(postgresql.Server))

    @cached_property
    def broker(self) -> redis_server.Redis:
        return self.stack.enter_context(serving(redis_server.Redis))

    def heading(self, part: str) -> str:
        rounds = "one round" if self.rounds == 1 else f"medians of {self.rounds} rounds"
        how = "" if part in ("footprint", "schedules") else f", {rounds}"
        return (
            f"Measured on {datetime.now(UTC):%Y-%m-%d} at scale {self.scale:g}{how}: "
            f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}."
        )


def _sqlite(bench: Bench) -> Iterator[str]:
    yield f"SQLite {sqlite3.sqlite_version}, Huey {version('huey')}.\n"
    yield from _rates(bench, workloads.sqlite_contests(), None, "Huey (fsync), tasks/s")
    yield from _latencies(bench, "Huey", Huey, None, "2 / 10")


def _postgresql(bench: Bench) -> Iterator[str]:
    yield f"{bench.server.about()}, Procrastinate {version('procrastinate')}.\n"
    yield from _rates(bench, workloads.postgresql_contests(), bench.server, "Procrastinate, jobs/s")
    yield from _latencies(bench, "Procrastinate", Procrastinate, bench.server, "4 / 20")


def _rates(
    bench: Bench, contests: Iterator[workloads.Contest], server: postgresql.Server | None, peer: str
) -> Iterator[str]:
    yield f"| workload | jobdeck durability | jobdeck, runs/s | {peer} | ratio (min–max) | target |"
    yield "|---|---|--:|--:|--:|--:|"
    for row in workloads.compare(contests, bench.rounds, bench.scale, server, _say):
        contest, rival, ratio = row.contest, "–", "–"
        if row.peer is not None:
            rival = f"{row.peer:,.0f}"
            ratio = f"{median(row.ratios):.1f}× ({min(row.ratios):.1f}–{max(row.ratios):.1f})"
        target = "–" if contest.target is None else f"≥ {contest.target:g}×"
        yield f"| {contest.workload} | {contest.durability} | {row.ours:,.0f} | {rival} | {ratio} | {target} |"
    yield ""


def _latencies(
    bench: Bench,
    name: str,
    peer: Callable[[Path, Any], workloads.Side],
    server: postgresql.Server | None,
    target: str,
) -> Iterator[str]:
    ours, theirs = workloads.latency(peer, min(bench.rounds, 3), bench.scale, server)
    durability = "normal" if server is None else "full"
    yield "| idle latency, ms | p50 | p99 | target p50 / p99 |"
    yield "|---|--:|--:|--:|"
    for who, found, wanted in ((f"jobdeck, {durability}", ours, target), (name, theirs, "–")):
        yield f"| {who} | {found.p50:.1f} | {found.p99:.1f} | {wanted} |"


def _history(bench: Bench) -> Iterator[str]:
    kept = f"{history.kept(bench.scale):,}"
    yield f"SQLite {sqlite3.sqlite_version} (normal durability), {bench.server.about()}.\n"
    yield f"| database | workload | one finished, runs/s | {kept} finished, runs/s | slower by (min–max) | target |"
    yield "|---|---|--:|--:|--:|--:|"
    for name, server in (("SQLite", None), ("PostgreSQL", bench.server)):
        for loss in history.compare(bench.rounds, bench.scale, server, _say):
            rates = f"{median(loss.empty):,.0f} | {median(loss.full):,.0f}"
            spread = f"{loss.loss:.0f} % ({min(loss.losses):.0f}–{max(loss.losses):.0f})"
            yield f"| {name} | {loss.workload} | {rates} | {spread} | ≤ {loss.target:g} % |"


def _footprint(bench: Bench) -> Iterator[str]:
    seconds = max(3.0, 20 * bench.scale)
    with tempfile.TemporaryDirectory() as folder:
        lean_mb, lean_cpu = footprint.idle(Path(folder), seconds)
    with tempfile.TemporaryDirectory() as folder:
        app_mb, app_cpu = footprint.idle(Path(folder), seconds, app="repository:create_app")
    with tempfile.TemporaryDirectory() as folder:
        stopped_ms, replaced_ms = footprint.stop_a_busy_loop(Path(folder))
    help_ms = median(footprint.help_ms() for _ in range(5))
    yield ""
    yield "| footprint | measured | target |"
    yield "|---|--:|--:|"
    yield f"| idle worker with 2 children, PSS | {lean_mb:.0f} MB | ≤ 60 MB |"
    yield f"| the same with the example's Flask application | {app_mb:.0f} MB | ≤ 110 MB |"
    yield f"| idle CPU, of one core | {lean_cpu:.2f} % ({app_cpu:.2f} %) | ≤ 0.5 % |"
    yield f"| stop request to the end of a busy loop in C (no grace) | {stopped_ms:.0f} ms | ≤ 50 ms |"
    yield f"| … and to the end of the next run | {replaced_ms:.0f} ms | ≤ 150 ms |"
    yield f"| `jobdeck --help` | {help_ms:.0f} ms | ≤ 300 ms |"


def _schedules(bench: Bench) -> Iterator[str]:
    instants = 2 * bench.rounds
    yield (f"SQLite {sqlite3.sqlite_version} (normal durability), {bench.server.about()}, APScheduler "
           f"{version('apscheduler')}, Celery {version('celery')}. {instants} planned times of each schedule.\n")  # fmt: skip
    yield "| scheduler | schedules | due every 5 s | made | lag p50 / p99 / max, ms | target p99 | of a core | rows kept |"
    yield "|---|--:|---|--:|--:|--:|--:|--:|"
    for case in schedules.cases(bench.server):
        made = schedules.measure(case, bench.scale, instants)
        _say(f"{case.side}, {case.case}: {made.share:.1f} %, p99 {made.lag_ms(0.99):,.0f} ms")
        lags = " / ".join(f"{made.lag_ms(share):,.0f}" for share in (0.5, 0.99, 1.0)) if made.lags_ms else "–"
        target = "–" if case.target_ms is None else f"≤ {case.target_ms:,.0f}"
        kept = f"{100 * made.rows / made.planned:.1f} %" if case.target_ms is not None else "none"
        yield (f"| {case.side} | {made.planned // instants:,} | {case.case} | {made.share:.1f} % | {lags} | {target} | "
               f"{made.cpu_percent:.0f} % | {kept} |")  # fmt: skip


def _brokers(bench: Bench) -> Iterator[str]:
    yield f"{_versions(bench)}, SQLite {sqlite3.sqlite_version} (normal durability).\n"
    matches = [(match, _played(bench, match)) for match in engines.own_workers(bench.broker)]
    yield from _ratios(matches)


def _engines(bench: Bench) -> Iterator[str]:
    yield f"{_versions(bench)}, SQLite {sqlite3.sqlite_version}, {bench.server.about()}.\n"
    matches = [(match, _played(bench, match)) for match in engines.on_engines(bench.broker, bench.server)]
    yield from _ratios(matches)
    parties = ("caller", "dispatcher", "workers", "beside", "Redis", "PostgreSQL")
    yield ""
    yield f"| processor time of each, µs | {' | '.join(parties)} | all |"
    yield f"|---|{'--:|' * (len(parties) + 1)}"
    for match, scores in matches:
        for name, score in scores.items():
            found = [score.us(party) for party in parties]
            cells = ["–" if us is None else f"{us:,.0f}" for us in [*found, sum(us or 0.0 for us in found)]]
            yield f"| {match.workload}: {name} | {' | '.join(cells)} |"


def _versions(bench: Bench) -> str:
    return f"{bench.broker.about()}, Celery {version('celery')}, RQ {version('rq')}"


def _played(bench: Bench, match: engines.Match) -> dict[str, engines.Score]:
    return engines.play(match, bench.rounds, bench.scale, _say)


def _ratios(matches: Sequence[tuple[engines.Match, Mapping[str, engines.Score]]]) -> Iterator[str]:
    yield "| workload | side | runs/s | peer | tasks/s | ratio (min–max) | target |"
    yield "|---|---|--:|---|--:|--:|--:|"
    for match, scores in matches:
        for name, peer, target in match.ratios:
            ratios = [mine / other for mine, other in zip(scores[name].rates, scores[peer].rates, strict=True)]
            spread = f"{median(ratios):.2f}× ({min(ratios):.2f}–{max(ratios):.2f})"
            wanted = "–" if target is None else f"≥ {target:g}×"
            yield (f"| {match.workload} | {name} | {scores[name].rate:,.0f} | {peer} | {scores[peer].rate:,.0f} | {spread} | "
                   f"{wanted} |")  # fmt: skip


PARTS: dict[str, Callable[[Bench], Iterator[str]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "brokers": _brokers,
    "engines": _engines,
    "history": _history,
    "schedules": _schedules,
    "footprint": _footprint,
}


def _write(name: str, text: str) -> None:
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = PAGE.read_text().partition(begin)
    PAGE.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
