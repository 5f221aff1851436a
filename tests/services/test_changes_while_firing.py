"""Schedules are changed, paused and resumed while schedulers serve them: no planned time is lost, none counts twice."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import func, select

from jobdeck import Deck
from jobdeck.core.times import to_us
from jobdeck.services.firing import Firing
from jobdeck.store import tables

from .conftest import greet
from .firing_bench import ledger

STEP_US = 100_000
SECONDS = 3.0


def test_each_planned_time_has_its_row_whatever_is_changed_meanwhile(database_url: str, tmp_path: Path) -> None:
    deck = Deck(job_types=[greet], home=tmp_path / "home", database_url=database_url)
    deck.upgrade_database()
    job = deck.jobs.create(title="Busy", type="greet")
    one = deck.schedules.create(str(job.id), {"type": "interval", "milliseconds": 100}, overlap="allow", misfire="all")
    until = time.monotonic() + SECONDS
    failed: list[Exception] = []

    def go_on(call: Callable[[], object], pause_s: float) -> None:
        try:
            while time.monotonic() < until:
                call()
                time.sleep(pause_s)
        except Exception as error:  # told by the test's own thread
            failed.append(error)

    limits, jitters = itertools.cycle([10**6, 10**6 + 1]), itertools.cycle([0, 0.05])
    calls: list[tuple[Callable[[], object], float]] = [
        (Firing(deck.office, deck.authority).step, 0.01),
        (Firing(deck.office, deck.authority).step, 0.01),
        (lambda: deck.schedules.update(one.id, max_count=next(limits)), 0.03),
        (lambda: (deck.schedules.pause(one.id), deck.schedules.resume(one.id)), 0.2),
        (lambda: deck.schedules.update(one.id, jitter=next(jitters)), 0.02),
    ]
    threads = [threading.Thread(target=go_on, args=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []

    Firing(deck.office, deck.authority).step()
    found, end = ledger(deck, one), deck.schedules.get(one.id)
    first = to_us(one.created_at) + STEP_US
    assert list(found) == list(range(first, to_us(end.served_until) + 1, STEP_US))
    assert len(found) >= SECONDS * 8
    kinds = Counter(kind for kind, _ in found.values())
    with deck.database.read() as connection:
        runs = connection.execute(select(func.count()).select_from(tables.runs)).scalar_one()
    assert runs == end.count == kinds["fired"] + kinds["caught_up"] > 0
    deck.close()
