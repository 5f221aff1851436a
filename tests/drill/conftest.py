"""A folder that other accounts may enter: PostgreSQL, which does not run as root, has its data below it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty one."""
    folder = Path(tempfile.mkdtemp(prefix="jobdeck-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
