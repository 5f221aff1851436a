"""`python -m benchmarks`: measure everything and print the figures as Markdown; `--write` puts them into the docs."""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from . import footprint, workloads
from .workloads import Row

PAGE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "benchmarks.md"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often the sides take turns (default 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="1 = full size; 0.05 shows whether everything works")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {PAGE.name}")
    given = parser.parse_args()
    text = "\n".join([*_heading(given.rounds), *_rates(given.rounds, given.scale), *_footprint(given.scale)])
    print(text)
    if given.write:
        before, _, rest = PAGE.read_text().partition(_BEGIN)
        PAGE.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{rest.partition(_END)[2]}")
    return 0


def _heading(rounds: int) -> list[str]:
    return [
        "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {platform.machine()}, {_cores()} cores, Python "
        f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}, Huey {version('huey')}; medians of {rounds} rounds.",
        "",
    ]


def _rates(rounds: int, scale: float) -> list[str]:
    lines = [
        "| workload | jobdeck durability | jobdeck, runs/s | Huey (fsync), tasks/s | ratio (min–max) | target |",
        "|---|---|--:|--:|--:|--:|",
    ]
    lines += [_rate_row(row) for row in workloads.compare(rounds, scale, _say)]
    lines.append(f"| bulk | normal | {workloads.bulk(rounds, scale):,.0f} | – | – | – |")
    ours, peer = workloads.latency(min(rounds, 3), scale)
    return [
        *lines,
        "",
        "| idle latency, ms | p50 | p99 | target p50 / p99 |",
        "|---|--:|--:|--:|",
        f"| jobdeck, normal | {ours.p50:.1f} | {ours.p99:.1f} | 2 / 10 |",
        f"| Huey | {peer.p50:.1f} | {peer.p99:.1f} | – |",
        "",
    ]


def _rate_row(row: Row) -> str:
    spread = f"{row.ratio:.1f}× ({min(row.ratios):.1f}–{max(row.ratios):.1f})"
    target = "–" if row.target is None else f"≥ {row.target:g}×"
    return f"| {row.workload} | {row.durability} | {row.ours:,.0f} | {row.peer:,.0f} | {spread} | {target} |"


def _footprint(scale: float) -> list[str]:
    seconds = max(3.0, 20 * scale)
    with tempfile.TemporaryDirectory() as folder:
        lean_mb, lean_cpu = footprint.idle(Path(folder), seconds)
    with tempfile.TemporaryDirectory() as folder:
        app_mb, app_cpu = footprint.idle(Path(folder), seconds, app="repository:create_app")
    with tempfile.TemporaryDirectory() as folder:
        stopped_ms, replaced_ms = footprint.stop_a_busy_loop(Path(folder))
    help_ms = median(footprint.help_ms() for _ in range(5))
    return [
        "| footprint | measured | target |",
        "|---|--:|--:|",
        f"| idle worker with 2 children, PSS | {lean_mb:.0f} MB | ≤ 60 MB |",
        f"| the same with the example's Flask application | {app_mb:.0f} MB | ≤ 110 MB |",
        f"| idle CPU, of one core | {lean_cpu:.2f} % ({app_cpu:.2f} %) | ≤ 0.5 % |",
        f"| stop request to the end of a busy loop in C (no grace) | {stopped_ms:.0f} ms | ≤ 50 ms |",
        f"| … and to the end of the next run | {replaced_ms:.0f} ms | ≤ 150 ms |",
        f"| `jobdeck --help` | {help_ms:.0f} ms | ≤ 300 ms |",
        "",
    ]


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
