"""current_run and track where no run executes, and their limits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobdeck import RunStopped, current_run, track
from jobdeck.entrypoint import Lean
from jobdeck.errors import OutsideRun
from jobdeck.executor.context import RunContext, make_current
from jobdeck.executor.order import Order
from jobdeck.executor.page import Page
from jobdeck.executor.recorder import Recorder


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    page, fd = Page.create(tmp_path / "page")
    reader, writer = os.pipe()
    order = Order(1, "r", 1, 1, "default", "t", None, "{}", None, None, "me", None, None, None)
    context = RunContext(order, Recorder(writer), page, tmp_path, Lean())
    make_current(context)
    yield page
    make_current(None)
    context.close()
    page.close()
    for one in (fd, reader, writer):
        os.close(one)


def test_outside_a_run() -> None:
    assert list(track(range(3))) == [0, 1, 2]
    with pytest.raises(OutsideRun, match="No run is executing this code"):
        current_run.check_stop()
    with pytest.raises(OutsideRun):
        _ = current_run.id


def test_a_stop_is_honoured_where_progress_is_told(page: Page) -> None:
    current_run.check_stop()
    current_run.progress(1, 2, "half")
    page.ask_to_stop(1, 0)
    assert current_run.should_stop
    for ask in (current_run.check_stop, lambda: current_run.progress(1), lambda: list(track([1]))):
        with pytest.raises(RunStopped):
            ask()


@pytest.mark.parametrize(("done", "total"), [(-1, None), (1, -1), (2**60, None), (1, 2**60)])
def test_progress_is_told_in_sensible_numbers(page: Page, done: int, total: int | None) -> None:
    with pytest.raises(ValueError, match="progress is told in numbers"):
        current_run.progress(done, total)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", "a\nb", "\ud800", "x" * 201])
def test_names_of_files_are_checked(page: Page, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a file"):
        current_run.open_output(name)
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
