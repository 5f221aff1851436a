"""Celery's beat serving jobdeck's schedules, beside its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from jobdeck.core.filters import Page, RunFilter

from ..servers import Redis
from .celery_ground import SITE, Ground

BEAT = ("celery", "-A", "celery_app", "beat", "-S", "jobdeck.engines.celery:Scheduler", "-l", "INFO", "--pidfile", "")


@pytest.fixture
def ground(tmp_path: Path, redis_server: Redis, create_database: Callable[[], str]) -> Iterator[Ground]:
    sys.path.insert(0, str(SITE))
    os.environ["SITE_BROKER"] = redis_server.url
    made = Ground(tmp_path / "site", redis_server, create_database())
    yield made
    made.close()
    sys.path.remove(str(SITE))


def test_beats_serve_each_planned_time_once_and_go_on_with_the_sites_own(ground: Ground) -> None:
    """Two beats, an outage of the database that ends all connections, and an order to end."""
    job = ground.deck.jobs.create(title="Tick", type="add", arguments={"x": 1})
    ground.deck.schedules.create(str(job.id), {"type": "interval", "seconds": 1}, overlap="allow")
    beats = [ground.process(*BEAT, "-s", str(ground.home / f"entries-{n}")) for n in range(2)]
    ground.until(lambda: len(ground.deck.workers.schedulers()) == 2)

    def made() -> int:
        return ground.deck.runs.list(RunFilter(job_id=job.id)).total

    ground.until(lambda: made() >= 2)
    seen = made()
    ground.deck.close()
    address, _, name = ground.deck.settings.database_url.replace("+psycopg", "").rpartition("/")
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    ground.until(lambda: made() >= seen + 2)
    latest = ground.deck.runs.list(RunFilter(job_id=job.id), Page(size=100)).items
    assert len({run.fire_at for run in latest}) == len(latest) >= 4
    assert isinstance(ground.server, Redis)
    with ground.server.client() as client:
        ground.until(lambda: client.llen(f"site-{ground.queue}") > 2)
    for beat in beats:
        beat.terminate()
    assert [beat.wait(30) for beat in beats] == [0, 0]
    assert ground.deck.workers.schedulers() == []
    assert "Traceback" not in ground.log("celery")
