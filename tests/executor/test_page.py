"""The page of memory that a supervisor and a child share."""

from __future__ import annotations

import os

from jobdeck.executor.page import Page


def test_a_recalled_run_does_not_begin() -> None:
    page, fd = Page.create()
    other = Page(fd)
    assert other.begin(1, 5) and (page.begun, page.since_us) == (1, 5)
    assert page.recall(1) == 1
    assert not other.begin(2, 6)
    page.allow()
    assert other.begin(3, 7)
    page.ask_to_stop(3)
    assert other.is_asked_to_stop(3) and not other.is_asked_to_stop(4)
    for one in (page, other):
        one.close()
    os.close(fd)
