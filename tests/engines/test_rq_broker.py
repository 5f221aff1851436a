"""Ringing RQ: what is written to Redis, and what is said when Redis is away."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from jobdeck import Deck
from jobdeck.core.capability import Capability
from jobdeck.core.ids import new_id
from jobdeck.core.ring import Ring
from jobdeck.engines.rq_broker import EXECUTE, RQEngine
from jobdeck.errors import EngineError

from ..servers import Redis, free_port

A_RING = Ring(run_id=new_id(1), number=3, queue="default")


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    redis_server.flush()
    return redis_server.url


def engine(tmp_path: Path, redis_url: str, **settings: Any) -> RQEngine:
    told = {"engines": "default=rq,low=rq:their-queue", "queues": "default,low", "redis_url": redis_url, **settings}
    found = Deck(home=tmp_path, **told).engines["rq"]
    assert isinstance(found, RQEngine)
    return found


@pytest.fixture
def ringing(tmp_path: Path, redis_url: str) -> Iterator[RQEngine]:
    found = engine(tmp_path, redis_url)
    yield found
    found.close()


def test_a_ring_is_a_job_of_rq_as_its_own_queue_would_write_it(ringing: RQEngine, redis_server: Redis) -> None:
    assert ringing.ring([A_RING]) == 1
    with redis_server.client() as client:
        queue = Queue("default", connection=client, serializer=JSONSerializer)
        (job,) = queue.jobs
        like = queue.enqueue(
            EXECUTE, A_RING.as_data(), job_timeout=-1, result_ttl=0, failure_ttl=3600, description=job.description
        )
        ours, theirs = client.hgetall(job.key), client.hgetall(like.key)
        assert {queue.name for queue in Queue.all(connection=client)} == {"default"}
    assert (job.func_name, list(job.args), job.kwargs) == (EXECUTE, [A_RING.as_data()], {})
    assert (job.timeout, job.result_ttl, job.failure_ttl, job.get_status()) == (-1, 0, 3600, "queued")
    assert A_RING.run_id in (job.description or "")
    different = {name for name, value in theirs.items() if value and ours.get(name) != value}
    assert different <= {b"created_at", b"enqueued_at"}


def test_rings_go_in_order_to_the_queues_they_are_for(ringing: RQEngine, redis_server: Redis) -> None:
    rings = [Ring(run_id=new_id(1), number=1, queue=("default", "low")[n % 2]) for n in range(10)]
    assert ringing.ring(rings) == 10
    assert (ringing.depth("default"), ringing.depth("low")) == (5, 5)
    with redis_server.client() as client:
        found = Queue("their-queue", connection=client, serializer=JSONSerializer).jobs
    assert [job.args[0] for job in found] == [ring.as_data() for ring in rings if ring.queue == "low"]


def test_the_same_ring_twice_is_two_messages(ringing: RQEngine) -> None:
    ringing.ring([A_RING, A_RING])
    ringing.ring([A_RING])
    assert ringing.depth("default") == 3


def test_an_engine_that_was_closed_opens_a_new_connection(ringing: RQEngine) -> None:
    ringing.ring([A_RING])
    ringing.close()
    ringing.close()
    ringing.ring([A_RING])
    assert ringing.depth("default") == 2


def test_redis_that_was_restarted_is_rung_at_once(tmp_path: Path) -> None:
    with Redis() as server:
        ringing = engine(tmp_path, server.url)
        ringing.ring([A_RING])
        server.kill()
        with pytest.raises(EngineError, match=f"^Redis at 127.0.0.1:{server.port}/0 cannot be rung: .*refused"):
            ringing.ring([A_RING])
        server.start()
        assert ringing.ring([A_RING]) == 1
        ringing.close()


def test_what_is_wrong_is_said_in_one_line_without_the_password(tmp_path: Path) -> None:
    began = time.monotonic()
    ringing = engine(tmp_path, f"redis://:secret@127.0.0.1:{free_port()}/3")
    (problem,) = ringing.problems()
    assert "cannot be rung" in problem and "/3" in problem
    with Redis(password="right") as server:
        wrong = engine(tmp_path, server.url.replace("right", "secret"))
        (refused,) = wrong.problems()
        assert refused == f"Redis at 127.0.0.1:{server.port}/0 refuses the user or the password of JOBDECK_REDIS_URL."
        with pytest.raises(EngineError) as raised:
            wrong.depth("default")
        right = engine(tmp_path, server.url)
        assert right.problems() == []
        right.close()
    said = problem + refused + str(raised.value)
    assert "secret" not in said and "\n" not in said
    assert time.monotonic() - began < 60


def test_a_worker_that_expects_pickle_is_named(ringing: RQEngine, redis_server: Redis) -> None:
    assert ringing.problems() == []
    ringing.ring([A_RING])
    with redis_server.client() as client:
        command = [sys.executable, "-m", "rq.cli", "worker", "--burst", "--quiet", "--url", redis_server.url, "default"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        queue = Queue("default", connection=client)
        assert queue.count == 0
        (kept,) = queue.failed_job_registry.get_job_ids()
        assert 0 < (client.zscore(queue.failed_job_registry.key, kept) or 0) - time.time() <= 3600
        assert Job.fetch(kept, connection=client, serializer=JSONSerializer).func_name == EXECUTE
    (problem,) = ringing.problems()
    assert "expects pickle" in problem and f"start it with `{ringing.command('default')}`." in problem


def test_without_isolation_it_says_what_it_cannot(tmp_path: Path, redis_url: str) -> None:
    assert engine(tmp_path, redis_url).cannot() == {}
    without = engine(tmp_path, redis_url, isolation="none").cannot()
    assert set(without) == {Capability.FORCE_STOP, Capability.TIMEOUT}
