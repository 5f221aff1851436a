"""Who a principal is now, and whether it may still do what is done in its name: asked anew each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, current_app
from sqlalchemy import update

from jobdeck import Deck
from jobdeck.core.permissions import Action
from jobdeck.core.principal import ADMINISTRATOR, SYSTEM, Principal
from jobdeck.services.authority import Authority
from jobdeck.store import tables

from .conftest import TurnedClock
from .firing_bench import DAY


class People:
    """A host's users by id."""

    def __init__(self, *known: Principal) -> None:
        self.known = {one.id: one for one in known}

    def principal(self, request: Any) -> Principal | None:
        return None

    def find(self, principal_id: str) -> Principal | None:
        return self.known.get(principal_id)


class OldPeople:
    """A host that was written before there were schedules."""

    def principal(self, request: Any) -> Principal | None:
        return None


class BrokenPeople(People):
    """A host whose directory is away."""

    def find(self, principal_id: str) -> Principal | None:
        raise ConnectionError("the directory does not answer")


ADA = Principal(id="ada", name="Ada", roles=frozenset({ADMINISTRATOR}))


def token(deck: Deck, lifetime: timedelta | None = None) -> str:
    """The id of the principal of a new token."""
    found = deck.accounts.principal_of_token(deck.accounts.create_token(name="Bo", by=SYSTEM, lifetime=lifetime))
    assert found is not None
    return found.id


def test_the_system_and_the_command_line_may(deck: Deck) -> None:
    for principal_id, name in (("system", "System"), ("cli:root", "root")):
        standing = deck.authority.standing(principal_id, name, "default")
        assert standing.principal is not None and standing.is_certain
        assert (standing.principal.id, standing.principal.name) == (principal_id, name)
    elsewhere = deck.authority.current("system", "System", "other")
    assert elsewhere is not None and elsewhere.tenant == "other"


def test_a_token_may_until_it_expires(deck: Deck, clock: TurnedClock) -> None:
    brief, lasting = token(deck, timedelta(days=1)), token(deck)
    assert deck.authority.standing(brief, "Bo", "default").principal is not None
    clock.us += DAY
    standing = deck.authority.standing(brief, "Bo", "default")
    assert (standing.principal, standing.is_certain) == (None, True)
    assert "expired" in standing.reason
    assert deck.authority.standing(lasting, "Bo", "default").principal is not None


def test_a_token_that_was_revoked_or_deleted_may_not(deck: Deck) -> None:
    bo = token(deck)
    with deck.database.write() as connection:
        connection.execute(update(tables.tokens).values(revoked_at=1))
    assert "revoked" in deck.authority.standing(bo, "Bo", "default").reason
    assert deck.authority.current(bo, "Bo", "default") is None
    with deck.database.write() as connection:
        connection.execute(tables.tokens.delete())
    assert "no such token" in deck.authority.standing(bo, "Bo", "default").reason


def test_a_token_may_what_its_roles_say_now(deck: Deck) -> None:
    bo = token(deck)
    with deck.database.write() as connection:
        connection.execute(update(tables.tokens).values(roles="[]"))
    standing = deck.authority.standing(bo, "Bo", "default")
    assert standing.principal is None
    assert ADMINISTRATOR in standing.reason and Action.RUNS_START in standing.reason
    assert Action.QUEUES_UPDATE in deck.authority.standing(bo, "Bo", "default", Action.QUEUES_UPDATE).reason
    known = deck.authority.current(bo, "Bo", "default")
    assert known is not None and known.roles == frozenset()


def test_nobody_may_in_another_tenant(deck: Deck) -> None:
    authority = Authority(deck.office, People(ADA))
    for principal_id in (token(deck), "ada"):
        assert authority.standing(principal_id, "Bo", "default").principal is not None
        assert "another tenant" in authority.standing(principal_id, "Bo", "other").reason


def test_a_host_tells_who_its_people_are_now(deck: Deck) -> None:
    people = People(ADA)
    authority = Authority(deck.office, people)
    assert authority.standing("ada", "Ada", "default").principal == ADA
    people.known["ada"] = Principal(id="ada", name="Ada")
    assert ADMINISTRATOR in authority.standing("ada", "Ada", "default").reason
    del people.known["ada"]
    assert "does not know it" in authority.standing("ada", "Ada", "default").reason


@pytest.mark.parametrize(
    ("host", "words", "is_certain"),
    [
        (None, "no authenticator", True),
        (OldPeople(), "has no `find`", True),
        (BrokenPeople(), "the directory does not answer", False),
    ],
)
def test_a_host_that_cannot_tell_says_so(deck: Deck, host: Any, words: str, is_certain: bool) -> None:
    standing = Authority(deck.office, host).standing("ada", "Ada", "default")
    assert (standing.principal, standing.is_certain) == (None, is_certain)
    assert words in standing.reason


def test_a_host_is_asked_within_its_context(deck: Deck) -> None:
    entered = []

    @contextmanager
    def context() -> Iterator[None]:
        entered.append("in")
        yield
        entered.append("out")

    Authority(deck.office, People(ADA), context).standing("ada", "Ada", "default")
    assert entered == ["in", "out"]


def test_the_deck_asks_the_host_it_is_mounted_on(deck: Deck) -> None:
    class InContext(People):
        def find(self, principal_id: str) -> Principal | None:
            return self.known.get(current_app.config["WHO"])

    assert deck.authority.current("ada", "Ada", "default") is None
    host = Flask("host")
    host.secret_key, host.config["WHO"] = "of the host", "ada"
    deck.init_app(host, authenticator=InContext(ADA))
    assert deck.authority.current("ada", "Ada", "default") == ADA
