"""Service entrance: what a worker's template process runs (`python -m jobdeck.entrypoint DESCRIPTOR PARENT [MODULE:NAME]`).

Without a reference to an application it loads only settings and job types: neither the database nor the web.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

from .config import Settings, resolve
from .contracts import Application
from .definitions.discovery import discover
from .definitions.registry import Registry
from .processes import template
from .processes.identity import die_with_parent


class Lean:
    """An application without a host: the job types that settings and entry points name."""

    @cached_property
    def settings(self) -> Settings:
        """From the environment."""
        return resolve()

    @cached_property
    def registry(self) -> Registry:
        """Job types named in the settings and found by entry point."""
        return discover(self.settings.job_types)

    @cached_property
    def _flask(self) -> Any:
        # Only for job types that use Flask themselves, such as `current_app.logger`.
        return importlib.import_module("flask").Flask("jobdeck") if "flask" in sys.modules else None

    def context(self) -> AbstractContextManager[Any]:
        """A bare Flask application's context where job types have imported Flask."""
        context: AbstractContextManager[Any] = nullcontext() if self._flask is None else self._flask.app_context()
        return context

    def after_fork(self) -> None:
        """Nothing is open here that a child could share."""


def load(reference: str | None) -> Application:
    """The application of `--app`, or the lean one."""
    see_current_folder()
    if not reference:
        return Lean()
    # A deck brings SQLAlchemy along, which a worker without an application does without.
    deck: Application = importlib.import_module("jobdeck.hosting").load_deck(reference)
    return deck


def see_current_folder() -> None:
    """Have applications and job types in the current folder found, as `python -m` does."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def main(arguments: list[str]) -> None:
    """Serve the supervisor at the other end of the descriptor until it is gone."""
    descriptor, parent, *rest = arguments
    die_with_parent(int(parent))
    control = socket.socket(fileno=int(descriptor))
    control.set_inheritable(False)
    template.serve(control, lambda: load(rest[0] if rest else None))


if __name__ == "__main__":
    main(sys.argv[1:])
