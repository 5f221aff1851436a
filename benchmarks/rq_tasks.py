"""RQ's task."""

from __future__ import annotations

from .marks import Marks

_marks = Marks.told()


def noop(number: int) -> None:
    """Note when it was executed."""
    _marks.add()
