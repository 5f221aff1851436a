"""The ground of the crash matrix."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from .ground import SITE, Ground


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory, postgresql: str) -> Iterator[Ground]:
    sys.path.insert(0, str(SITE))
    found = Ground(tmp_path_factory.mktemp("crash"), postgresql)
    yield found
    found.close()
    sys.path.remove(str(SITE))
