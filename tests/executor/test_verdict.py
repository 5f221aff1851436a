"""What values and exceptions mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from jobdeck import RunStopped, TaskExecutionPartialError
from jobdeck.executor import verdict


def test_a_returned_value_is_kept_and_logged_errors_are_a_warning() -> None:
    kept = verdict.returned({"at": datetime(2026, 1, 2, tzinfo=UTC)}, errors_logged=0, warn_on_errors=True)
    assert (kept.kind, kept.result) == ("success", '{"at":"2026-01-02T00:00:00+00:00"}')
    warned = verdict.returned(None, errors_logged=2, warn_on_errors=True)
    assert (warned.kind, warned.message, warned.result) == ("warning", "2 errors were logged.", None)
    assert verdict.returned(1, errors_logged=2, warn_on_errors=False).kind == "success"


@pytest.mark.parametrize("value", [float("nan"), b"bytes", "x" * 300_000, [[[]]] * 0 or object()])
def test_values_that_cannot_be_kept(value: Any) -> None:
    found = verdict.returned(value, errors_logged=0, warn_on_errors=False)
    assert (found.kind, found.result) == ("success", None)
    assert found.problem and found.problem.startswith("The result was not kept: ")


@pytest.mark.parametrize(("count", "kept"), [(3, 3), (-1, 0), ("4", 4), (None, 0), ([1], 0), (10**30, 2**53)])
def test_partial(count: Any, kept: int) -> None:
    found = verdict.raised(TaskExecutionPartialError("some", count))
    assert (found.kind, found.errored_entries, found.message) == ("partial", kept, "some")


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_exceptions() -> None:
    assert verdict.raised(RunStopped()).kind == "stopped"
    for error, message in [
        (ValueError("a\x00b"), r"ValueError: a\x00b"),
        (ValueError(), "ValueError"),
        (SystemExit(2), "SystemExit: 2"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (Silent(), "Silent: (its message cannot be shown)"),
    ]:
        found = verdict.raised(error)
        assert (found.kind, found.message) == ("error", message)
        assert found.traceback
