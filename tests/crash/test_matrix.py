"""Every step of enqueueing, working, rescuing and housekeeping, with every fault: nothing is lost, and nothing done twice.

One cell a failpoint and database; all of them with JOBDECK_TEST_LONG=1.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from jobdeck.testing.points import POINTS

from .cells import FAULTS, STACKS, Cell, every_cell, representative_cells, why_not
from .ground import Ground
from .life import live

AT_ONCE = 4
CELLS = list(every_cell() if os.environ.get("JOBDECK_TEST_LONG") else representative_cells())

Verdicts = dict[str, "Future[list[str]]"]


@pytest.fixture(scope="module")
def verdicts(ground: Ground, request: pytest.FixtureRequest) -> Iterator[Verdicts]:
    """The chosen cells, some at a time: each of them mostly waits."""
    chosen = {item.name for item in request.session.items}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = {
            str(cell): pool.submit(live, ground, cell)
            for cell in CELLS
            if f"{test_nothing_is_lost_or_done_twice.__name__}[{cell}]" in chosen
        }
        yield found
    print(_grid(found))


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_nothing_is_lost_or_done_twice(cell: Cell, verdicts: Verdicts) -> None:
    problems = verdicts[str(cell)].result()
    assert not problems, "\n".join(problems)


def test_each_failpoint_has_a_cell_on_each_database() -> None:
    cells = list(representative_cells())
    for failpoint in POINTS:
        stacks = {cell.stack for cell in cells if cell.failpoint == failpoint}
        for stack, others in (("sqlite", {"sqlite"}), ("postgresql", {"postgresql", "two-hosts"})):
            assert stacks & others or all(why_not(failpoint, fault, stack) for fault in FAULTS), (failpoint, stack)
    assert {cell.fault for cell in cells} == set(FAULTS)


def _grid(verdicts: Verdicts) -> str:
    lines = []
    for stack in STACKS:
        lines += ["", f"{stack:45}" + "".join(f"{fault:>10}" for fault in FAULTS)]
        for failpoint in POINTS:
            told = [_told(verdicts, failpoint, fault, stack) for fault in FAULTS]
            lines.append(f"{failpoint:45}" + "".join(f"{word:>10}" for word in told))
    return "\n".join(lines)


def _told(verdicts: Verdicts, failpoint: str, fault: str, stack: str) -> str:
    future = verdicts.get(f"{failpoint}-{fault}-{stack}")
    if future is None:
        return "-" if why_not(failpoint, fault, stack) else ""
    return "FAILED" if future.exception() or future.result() else "ok"
