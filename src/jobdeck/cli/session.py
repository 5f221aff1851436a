"""One call of the command line: which deck, who asks, and the deck's services in that name."""

from __future__ import annotations

import os
import pwd
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from ..core.principal import ADMINISTRATOR, Principal
from ..core.run import Run, Trigger

if TYPE_CHECKING:
    from ..deck import Deck, Desk
    from ..web.representations import Links


class Session:
    """The deck of `--app`, loaded on first use, with its application's context around whatever is done with it."""

    def __init__(self, reference: str | None) -> None:
        self.reference = reference
        self._stack = ExitStack()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    @cached_property
    def deck(self) -> Deck:
        """The deck. ConfigurationError says why there is none."""
        # Late: loads the database library and the application, which `--help` does without.
        from ..deck import Deck
        from ..hosting import load_deck

        deck = load_deck(self.reference) if self.reference else Deck()
        self._stack.callback(deck.close)
        self._stack.enter_context(deck.context())
        return deck

    @cached_property
    def desk(self) -> Desk:
        """The services in the caller's name; SchemaOutdated when the tables are not of this version."""
        self.deck.check_schema()
        return self.lookup

    @cached_property
    def lookup(self) -> Desk:
        """The same services for what needs no table: job types."""
        return self.deck.acting_as(self.principal)

    def start(self, target: str, **given: Any) -> Run:
        """Queue a run of a job (by its id) or a type, as something a person asked for."""
        run: Run = self.desk.runs.start(target, trigger=Trigger.MANUAL, **given)
        return run

    @cached_property
    def principal(self) -> Principal:
        """The system user. Who may run this program on the database may do everything, and is audited."""
        user = _system_user()
        return Principal(id=f"cli:{user}", name=user, roles=frozenset({ADMINISTRATOR}))

    @cached_property
    def links(self) -> Links:
        """Addresses as REST gives them, below the configured base URL."""
        from ..web.representations import Links  # late: loads what job types are made of

        return Links.of(self.deck.settings)


pass_session = click.make_pass_decorator(Session)


def _system_user() -> str:
    """The name behind the process's user id; what the environment says about it can be anything."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"
