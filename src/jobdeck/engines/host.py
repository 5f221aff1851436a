"""The application of a process that is not ours, such as a worker of Celery or RQ: found by JOBDECK_APP, loaded once."""

from __future__ import annotations

import importlib
import os
import threading
from typing import TYPE_CHECKING

from ..config import Settings, resolve
from ..entrypoint import see_current_folder

if TYPE_CHECKING:
    from ..deck import Deck

_lock = threading.Lock()
_found: tuple[int, Deck] | None = None
_told: Settings | None = None


def deck() -> Deck:
    """The deck of this process; after a fork without the connections of its parent. ConfigurationError says why there is none."""
    global _found
    with _lock:
        pid = os.getpid()
        if _found is None:
            see_current_folder()
            # A deck brings SQLAlchemy along, which a process that only waits for runs does without.
            hosting = importlib.import_module("jobdeck.hosting")
            _found = pid, hosting.load_deck(os.environ.get("JOBDECK_APP"))
        elif _found[0] != pid:
            _found[1].after_fork()
            _found = pid, _found[1]
        return _found[1]


def settings() -> Settings:
    """The settings of this process; the application is loaded for them when there is one, as it may have its own."""
    if _told is not None:
        return _told
    return deck().settings if os.environ.get("JOBDECK_APP") else resolve()


def take_settings(settings: Settings) -> None:
    """Have these be the settings from now on, so that nothing has to be loaded for them."""
    global _told
    _told = settings
