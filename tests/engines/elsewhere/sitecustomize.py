"""Loaded by every Python process that has this folder on its path: it believes to be on another host."""

from __future__ import annotations

from types import ModuleType

from jobdeck.testing.failpoints import when_loaded


def _move(identity: ModuleType) -> None:
    identity.host_name = lambda: "elsewhere"  # type: ignore[attr-defined]  # as another host would have it


when_loaded("jobdeck.processes.identity", _move)
