"""The page of memory that a supervisor and a child share, and a rescuer reads."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from jobdeck.executor.page import Page


def test_a_recalled_run_does_not_begin(tmp_path: Path) -> None:
    page, fd = Page.create(tmp_path / "page")
    other = Page(fd)
    assert other.begin(1, 5) and (page.begun, page.since_us) == (1, 5)
    assert page.recall(1) == 1
    assert not other.begin(2, 6)
    page.allow()
    assert other.begin(3, 7)
    page.ask_to_stop(3, 1)
    assert other.is_asked_to_stop(3) and not other.is_asked_to_stop(4)
    assert other.cause == 1
    for one in (page, other):
        one.close()
    os.close(fd)


def test_a_rescuer_reads_which_runs_were_sent_and_begun(tmp_path: Path) -> None:
    page, fd = Page.create(tmp_path / "page")
    ids = [str(uuid.uuid4()) for _ in range(3)]
    for number, run_id in enumerate(ids, 1):
        page.note(number, run_id, 40 + number)
    child = Page(fd)
    child.introduce(17, 99)
    child.begin(1, 5)
    page.forget(3)
    for one in (page, child):
        one.close()
    os.close(fd)
    found = Page.of_file(tmp_path / "page")
    assert found.notes() == {(ids[0], 41): 1, (ids[1], 42): 2}
    assert (found.begun, found.process) == (1, (17, 99))
    found.close()


def test_a_file_that_is_no_page_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"short")
    with pytest.raises(ValueError, match="mmap length"):
        Page.of_file(tmp_path / "page")
