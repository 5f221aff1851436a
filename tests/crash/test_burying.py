"""Two workers that find the same one dead at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jobdeck import Deck, job_type
from jobdeck.core.times import from_us
from jobdeck.core.worker import WorkerInfo
from jobdeck.services.claims import Claims, Report
from jobdeck.services.holder import Claim, Holder
from jobdeck.services.rescue import Rescue


@job_type
def lie_down() -> None:
    """Do nothing."""


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_whoever_comes_second_finds_nothing_to_bury(
    database_url: str, tmp_path: Path, until: Callable[..., Any]
) -> None:
    deck = Deck(job_types=[lie_down], home=tmp_path, database_url=database_url)
    deck.upgrade_database()
    now = deck.office.clock.now_us()
    dead = WorkerInfo(
        id="0" * 36, host="host", pid=1, pid_started=1, boot_id="boot", queues=("default",), types=("lie_down",),
        pages=None, processes=1, started_at=from_us(now), seen_at=from_us(now),
    )  # fmt: skip
    deck.runs.start("lie_down")
    holder = Holder(id=dead.id, host="host", boot_id="boot")
    assert len(Claims(deck.database, holder, dead.queues, dead.types).exchange(Report(), 1, now + 10_000_000).won) == 1
    saw_it_too = threading.Event()

    def is_held_up() -> bool:
        with deck.database.read() as connection:
            sql = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            return bool(connection.exec_driver_sql(sql).scalar_one())

    def second_has_begun(_: Claim) -> bool:
        saw_it_too.set()
        return True

    with ThreadPoolExecutor(1) as pool:
        second: list[Any] = []

        def first_has_begun(_: Claim) -> bool:
            second.append(pool.submit(Rescue(deck.database).bury, dead, second_has_begun, now))
            until(lambda: saw_it_too.is_set() or is_held_up())
            return True

        assert Rescue(deck.database).bury(dead, first_has_begun, now) == (1, 0)
        assert second[0].result() == (0, 0)
    with deck.database.read() as connection:
        assert connection.exec_driver_sql("SELECT lost_in_a_row FROM jobdeck_type").scalar_one() == 1
    deck.close()
