"""What the drill has found: a worker whose connections are cut goes on, and hears again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import pytest

from jobdeck.drill.carriers import CARRIERS
from jobdeck.drill.fleet import WORKER, Fleet
from jobdeck.drill.site import Site, prepare
from jobdeck.processes.worker import POLL_WITH_DOORBELL_S
from jobdeck.store import drill


@pytest.fixture
def fleet(postgresql: str, until: Callable[..., object]) -> Iterator[Fleet]:
    """One worker, which serves a scratch database."""
    with prepare(f"{postgresql}/postgres", CARRIERS["database"]) as site:
        made = Fleet(site, random.Random(1), {WORKER: 1})
        made.begin()
        until(lambda: made.has_served(made.members[0]))
        yield made
        made.end()


def seconds_of_a_run(site: Site, until: Callable[..., object]) -> float:
    began = time.monotonic()
    run = site.deck.runs.start("brief", {"seconds": 0.01, "lines": 1})
    until(lambda: site.deck.runs.get(run.id).is_final)
    return time.monotonic() - began


def test_a_worker_hears_again_after_its_connections_were_cut(fleet: Fleet, until: Callable[..., object]) -> None:
    site, (member,) = fleet.site, fleet.members
    for _ in range(3):
        until(lambda: drill.cut(site.deck.database, member.name) > 1)
        seconds_of_a_run(site, until)
        # Without its doorbell it would look once in a while only.
        assert min(seconds_of_a_run(site, until) for _ in range(3)) < POLL_WITH_DOORBELL_S / 2
    assert member.process.poll() is None
