"""Loaded by every Python process that has this folder on its path: failpoints, mutants of the product, a host's name."""

from __future__ import annotations

import os
from types import ModuleType


def begin() -> None:
    """Do to this process what its environment says."""
    if not {"JOBDECK_FAILPOINTS", "CRASH_MUTANT", "CRASH_HOST"} & os.environ.keys():
        return
    from jobdeck.testing import failpoints  # late: processes without any of these do without

    failpoints.activate()
    if "CRASH_HOST" in os.environ:
        failpoints.when_loaded("jobdeck.processes.identity", _move_elsewhere)
    if "CRASH_MUTANT" in os.environ:
        module, mutate = MUTANTS[os.environ["CRASH_MUTANT"]]
        failpoints.when_loaded(module, mutate)


def _move_elsewhere(identity: ModuleType) -> None:
    identity.host_name = lambda: os.environ["CRASH_HOST"]  # type: ignore[attr-defined]  # as another host would have it


def _finish_unfenced(endings: ModuleType) -> None:
    text, fenced = endings._FINISH, endings.FENCED
    assert fenced in text
    endings._FINISH = text.replace(  # type: ignore[attr-defined]  # a product broken on purpose
        fenced, "id = ? AND CAST(? AS VARCHAR) IS NOT NULL AND CAST(? AS BIGINT) IS NOT NULL"
    )


def _never_begun(pages: ModuleType) -> None:
    pages.Pages.has_begun = lambda self, claim: False


def _outcomes_forgotten(endings: ModuleType) -> None:
    endings.outcomes = lambda *_: {}  # type: ignore[attr-defined]  # a product broken on purpose


MUTANTS = {
    "finish_unfenced": ("jobdeck.store.endings", _finish_unfenced),
    "never_begun": ("jobdeck.processes.pages", _never_begun),
    "outcomes_forgotten": ("jobdeck.store.endings", _outcomes_forgotten),
}

begin()
