"""The failpoints themselves, and that the matrix can fail."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path

import pytest

from jobdeck.testing.failpoints import parse
from jobdeck.testing.points import POINTS

from .cells import SQLITE, TWO_HOSTS, Cell
from .ground import Ground
from .life import live


@pytest.mark.parametrize("name", POINTS)
def test_each_failpoint_is_a_step_of_the_product(name: str) -> None:
    for point in POINTS[name]:
        assert callable(functools.reduce(getattr, point.name.split("."), importlib.import_module(point.module)))


def test_a_specification_names_failpoints_faults_and_counts(tmp_path: Path) -> None:
    found = parse("worker.before_claim=kill; reaper.in_rescue_tx=raise:3;", tmp_path)
    told = [(one.name, one.fault, one.count) for one in found]
    assert told == [("worker.before_claim", "kill", 1), ("reaper.in_rescue_tx", "raise", 3)]
    for wrong in ("worker.nowhere=kill", "worker.before_claim=tickle", "worker.before_claim"):
        with pytest.raises(ValueError, match="There is no"):
            parse(wrong, tmp_path)


@pytest.mark.parametrize(
    ("mutant", "cell", "problem"),
    [
        ("finish_unfenced", Cell("worker.before_complete_tx", "stop", TWO_HOSTS), "a wall was breached"),
        ("never_begun", Cell("worker.child_running", "kill_tree", SQLITE), "began or ended twice in one attempt"),
        ("outcomes_forgotten", Cell("worker.after_subrun_commit_before_reply", "raise", SQLITE), "before a sub-run"),
    ],
)
def test_a_cell_fails_when_the_product_is_broken(ground: Ground, mutant: str, cell: Cell, problem: str) -> None:
    assert problem in "\n".join(live(ground, cell, mutant))
