"""Celery's other pools, with runs beside the worker and within it; and the order in which all of it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobdeck import Status

from ..servers import Redis
from .celery_ground import SITE, Ground


@pytest.fixture
def ground_of(tmp_path: Path, redis_server: Redis) -> Iterator[Callable[..., Ground]]:
    """A site on SQLite, with its dispatcher."""
    sys.path.insert(0, str(SITE))
    os.environ["SITE_BROKER"] = redis_server.url
    made: list[Ground] = []

    def make(**settings: Any) -> Ground:
        made.append(Ground(tmp_path / tmp_path.name, redis_server, f"sqlite:///{tmp_path / 'jobdeck.db'}", **settings))
        made[-1].dispatcher()
        return made[-1]

    yield make
    for ground in made:
        ground.close()
    sys.path.remove(str(SITE))


@pytest.mark.parametrize(("pool", "isolation"), [("threads", "none"), ("prefork", "none"), ("solo", "process")])
def test_every_pool_serves_and_ends_in_order(ground_of: Callable[..., Ground], pool: str, isolation: str) -> None:
    ground = ground_of(isolation=isolation)
    worker = ground.worker("-P", pool, "-Q", ground.queue)
    place = ground.home / "place"
    ends = ground.ended(*(ground.start("note", {"place": str(place), "word": word}) for word in "abcd"))
    assert [run.status for run in ends] == [Status.SUCCESS] * 4
    assert sorted(place.read_text()) == list("abcd")
    assert all(ground.messages(run) == [f"noted {word}"] for run, word in zip(ends, "abcd", strict=True))
    executed_by = {run.result["pid"] for run in ends if isinstance(run.result, dict)}
    assert (worker.pid in executed_by) == (pool == "threads")
    where = "beside this worker" if isolation == "process" else "in this worker's own processes"
    assert where in ground.log("celery")
    worker.terminate()
    assert worker.wait(60) == 0
    ground.until(lambda: not [one for one in ground.deck.workers.list() if one.engine == "celery"])
    assert "Traceback" not in ground.log("celery")
