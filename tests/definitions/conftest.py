"""A saved job, modules on disk, and the errors of a refused input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobdeck import InvalidInput
from jobdeck.core.job import Job

LAST_SUCCESS = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def job() -> Job:
    """A job as a builder is given it."""
    return Job(
        id="01890000-0000-7000-8000-000000000000",
        tenant="default",
        title="Nightly",
        description=None,
        type="x",
        queue="default",
        active=True,
        arguments=None,
        created_at=LAST_SUCCESS,
        updated_at=LAST_SUCCESS,
    )


@pytest.fixture
def last_success() -> datetime:
    """When the last successful run of that job started."""
    return LAST_SUCCESS


@pytest.fixture
def refused() -> Callable[..., dict[str, str]]:
    """Calls something that must raise InvalidInput; tells its messages by field."""

    def call(function: Callable[..., Any], *arguments: Any) -> dict[str, str]:
        with pytest.raises(InvalidInput) as caught:
            function(*arguments)
        return {error.field: " ".join(error.messages) for error in caught.value.errors}

    return call


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Writes a file below a folder that Python imports from; what was imported from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(path: str, text: str) -> None:
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    yield make
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
