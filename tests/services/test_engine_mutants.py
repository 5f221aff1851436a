"""Guards of what is rung for, taken away one at a time: the model with an engine in between must notice, or a named scenario does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobdeck import Deck
from jobdeck.services import claims, dispatching
from jobdeck.services import rings as service
from jobdeck.services.claims import Claims
from jobdeck.store import endings, rings

from . import test_dispatch
from .conftest import TurnedClock, greet
from .engine_model import NAME, LivesOnEngine
from .model import walled
from .test_dispatch import Site, made
from .test_mutants import outcome_of

Patch = pytest.MonkeyPatch


def nothing_is_rung_for_again(patch: Patch) -> None:
    patch.setattr(rings, "_AGAIN", "r.ring_at > 0 AND r.ring_at < 0 * ?")


def a_delivery_wins_as_many_as_there_are(patch: Patch) -> None:
    before = Claims.exchange
    patch.setattr(Claims, "exchange", lambda self, report, wanted, now_us, room=None: before(self, report, 9, now_us))


def deliveries_win_in_any_queue(patch: Patch) -> None:
    before = Claims.exchange
    patch.setattr(
        Claims, "exchange", lambda self, report, wanted, now_us, room=None: before(self, report, wanted, now_us)
    )


def what_was_not_sent_is_forgotten(patch: Patch) -> None:
    patch.setattr(rings, "not_rung", lambda connection, rows: None)


def rings_are_sent_first(patch: Patch) -> None:
    before = dispatching.EnginePart._take

    def take(self: Any, *told: Any) -> Any:
        with patch.context() as inside:
            inside.setattr(rings, "rung", lambda connection, ids, *_: [(run_id, 1, "default") for run_id in ids])
            return before(self, *told)

    patch.setattr(dispatching.EnginePart, "_take", take)


def spent_deliveries_are_forgotten(patch: Patch) -> None:
    patch.setattr(service.Rings, "spent", lambda self, rings, now_us: None)


def unused_deliveries_are_forgotten(patch: Patch) -> None:
    patch.setattr(service.Rings, "back", lambda self, rings, now_us: None)


def used_rings_of_others_are_forgotten(patch: Patch) -> None:
    patch.setattr(claims, "_ring_for_others", lambda *_: None)


def what_is_queued_again_waits_for_its_patience(patch: Patch) -> None:
    for name in ("_RETRY", "_RELEASE"):
        before = getattr(endings, name)
        assert endings.TO_RING in before, name
        patch.setattr(endings, name, before.replace(endings.TO_RING, "rings = rings"))


def what_waits_there_is_sent_again(patch: Patch) -> None:
    patch.setattr(dispatching.EnginePart, "_has", lambda self, queue, rung: False)


MODEL_KILLS = [nothing_is_rung_for_again, a_delivery_wins_as_many_as_there_are]
SCENARIO_KILLS: list[tuple[Callable[[Patch], None], Callable[[Site], None]]] = [
    (deliveries_win_in_any_queue, test_dispatch.test_deliveries_win_nothing_of_other_queues),
    (what_was_not_sent_is_forgotten, test_dispatch.test_what_an_engine_did_not_take_is_sent_with_the_next),
    (rings_are_sent_first, test_dispatch.test_nothing_is_sent_before_it_is_committed_that_it_is),
    (spent_deliveries_are_forgotten, test_dispatch.test_fifty_deliveries_of_one_message_run_it_once_and_are_counted),
    (spent_deliveries_are_forgotten,
     test_dispatch.test_a_run_that_could_not_be_won_is_rung_for_again_soon_and_never_in_a_rush),
    (unused_deliveries_are_forgotten, test_dispatch.test_unused_deliveries_are_given_back),
    (used_rings_of_others_are_forgotten,
     test_dispatch.test_a_delivery_that_won_what_was_not_rung_for_leaves_nobody_behind),
    (what_is_queued_again_waits_for_its_patience,
     lambda site: test_dispatch.test_what_is_queued_again_is_rung_for_at_once(site, "retry")),
    (what_waits_there_is_sent_again, test_dispatch.test_what_waits_at_the_engine_still_is_not_sent_twice),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch: Patch) -> None:
    monkeypatch.setattr(dispatching, "FIRST_BACKOFF_S", 0.0)
    monkeypatch.setattr(dispatching, "DEPTH_S", 0.0)


@pytest.fixture
def site(database_url: str, tmp_path: Path, clock: TurnedClock) -> Iterator[Site]:
    deck = made(database_url, tmp_path, clock, "default=post,slow=post:snail")
    found = Site(deck, clock)
    yield found
    found.dispatch.close()
    deck.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("mutant", MODEL_KILLS, ids=lambda mutant: mutant.__name__)
def test_the_model_notices(
    database_url: str, tmp_path: Path, clock: TurnedClock, monkeypatch: Patch, mutant: Callable[[Patch], None]
) -> None:
    deck = Deck(job_types=[greet], home=tmp_path / "home", database_url=database_url, clock=clock, queues="default,slow",
                engines=NAME)  # fmt: skip
    mutant(monkeypatch)
    error = outcome_of(walled(deck), clock, LivesOnEngine)
    deck.close()
    assert isinstance(error, AssertionError), "the mutant survives" if error is None else repr(error)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("mutant", "scenario"), SCENARIO_KILLS, ids=lambda told: told.__name__)
def test_a_scenario_notices(
    site: Site, monkeypatch: Patch, mutant: Callable[[Patch], None], scenario: Callable[[Site], None]
) -> None:
    mutant(monkeypatch)
    with pytest.raises(AssertionError):
        scenario(site)
