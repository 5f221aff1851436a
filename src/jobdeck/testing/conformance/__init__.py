"""The suite that every engine passes, ours and yours. It needs pytest, and starts real processes.

```python
import sys

import pytest

from jobdeck.testing.conformance import EngineConformance, Stack


class Carrier(Stack):
    name = "Carrier pigeons"
    engine = "pigeons"  # as in your entry point `jobdeck.engines`

    def settings(self):
        return {"redis_url": "redis://localhost:6379/5"}

    def commands(self, queue, slots):
        return [[sys.executable, "-m", "pigeons.worker", queue, "--slots", str(slots)]]

    def lose_messages(self):
        release_all_pigeons()


class TestPigeons(EngineConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls, tmp_path_factory):
        return Carrier(tmp_path_factory.mktemp("home"))
```

The suite makes a database in the folder, starts a dispatcher and the workers that `Stack.commands` names, and goes through
public doors only. Each row of the matrix, a `Capability`, is one test: runs are stopped, killed with all their processes,
delivered twenty times, frozen with their worker and thawed. What your engine declares by `Engine.cannot()` is not tried; the
test is then whether people are told. `Stack` says what else can be different: its database, how messages get lost, how
the broker becomes unreachable.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .stack import Stack
    from .suite import ABOUT, YES, EngineConformance

__all__ = ["ABOUT", "YES", "EngineConformance", "Stack"]


def __getattr__(name: str) -> Any:
    # Looked up on first use: every child of every worker loads this package for its job types.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{'stack' if name == 'Stack' else 'suite'}"), name)
