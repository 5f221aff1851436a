"""What is told about planned times long ago goes with the runs of that time, and nothing fires again by it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobdeck import Deck
from jobdeck.core.retention import parse
from jobdeck.services import old_ticks
from jobdeck.services.retention import prune_slice

from .conftest import TurnedClock
from .firing_bench import DAY, at, ledger, runs_of, serve


def test_old_rows_go_with_old_runs(deck: Deck, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_ticks, "SLICE", 7)
    clock.us = at("2026-01-01 12:00")
    job = str(deck.jobs.create(title="Harvest", type="greet").id)
    daily = {"type": "cron", "expression": "0 0 * * *"}
    made = [deck.schedules.create(job, daily, misfire="all", overlap="allow") for _ in range(3)]
    clock.us += 100 * DAY
    serve(deck)
    before = {one.id: ledger(deck, one) for one in made}
    assert all(len(told) == 100 for told in before.values())
    assert deck.retention.prune(keep="1000").ticks == 0
    assert deck.retention.prune(keep="30d, FAILED=60d", dry_run=True).ticks == 0
    found = deck.retention.prune(keep="30d, FAILED=60d")
    assert (found.ticks, found.deleted) == (3 * 40, 0)
    for one in made:
        assert list(ledger(deck, one)) == list(before[one.id])[40:]
    settings = replace(deck.settings, retention=parse("10d"))
    deleted = []
    while (count := prune_slice(deck.database, settings, clock.us)) > 0:
        deleted.append(count)
    assert sum(deleted) + 7 > 3 * 50
    assert all(len(ledger(deck, one)) == 10 for one in made)
    serve(deck)
    assert all(len(runs_of(deck, one)) == 100 for one in made)
