"""The example repository in a folder of its own."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "repository"


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The example is imported from its folder, as its command line does it."""
    monkeypatch.setattr(sys, "path", [str(EXAMPLE), *sys.path])
    for name in [name for name in os.environ if name.startswith("JOBDECK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("JOBDECK_HOME", str(tmp_path / "home"))


@pytest.fixture
def app(on_the_path: None) -> Iterator[Flask]:
    """The repository's application, inside its context."""
    from repository import create_app

    made = create_app()
    with made.app_context():
        yield made
    made.extensions["jobdeck"].close()


@pytest.fixture
def release(tmp_path: Path) -> Callable[..., str]:
    """Writes a zip with one JSON file and tells its path."""

    def write(text: str | bytes, name: str = "ror-data.json") -> str:
        path = tmp_path / f"release-{len(list(tmp_path.glob('release-*')))}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, text)
        return str(path)

    return write


def organisation(number: int, **changes: Any) -> dict[str, Any]:
    """A record of schema v2, as small as it may be."""
    return {
        "id": f"https://ror.org/{number:09d}",
        "names": [{"value": f"Institute {number}", "types": ["ror_display", "label"], "lang": "en"}],
        "status": "active",
        "locations": [{"geonames_details": {"country_code": "PT"}}],
        "admin": {"last_modified": {"date": "2026-01-15", "schema_version": "2.1"}},
        **changes,
    }


@pytest.fixture(name="organisation")
def organisation_fixture() -> Callable[..., dict[str, Any]]:
    """Makes records."""
    return organisation
