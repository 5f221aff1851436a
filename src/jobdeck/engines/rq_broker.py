"""Ringing RQ: each ring is an RQ job in Redis that calls `jobdeck.engines.rq.execute`.

What RQ's own `Queue.enqueue_many` writes is written here with its public parts in one round trip, at a tenth of the cost:
the job's hash is the same for every ring but for its data, its description and its times.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from redis import Redis
from redis import exceptions as of_redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import now, utcformat

from ..config import without_password
from ..core.capability import Capability
from ..core.engine import Isolation
from ..core.ring import Ring
from ..errors import EngineError

if TYPE_CHECKING:
    from ..deck import Deck

NAME = "rq"
EXECUTE = "jobdeck.engines.rq.execute"
CONNECT_S = 2.0
ANSWER_S = 3.0
FAILED_KEPT_S = 3600
_OLDEST_REDIS = 5
_NO_TIMEOUT = -1
_SHOWN_LIMIT = 200
_SERIALIZER = "rq.serializers.JSONSerializer"
_COOPERATIVE = {
    Capability.FORCE_STOP: "With JOBDECK_ISOLATION=none a run on RQ stops where its task looks for it (`current_run.check_stop`,"
    " `track`, progress), and one that does not look cannot be ended.",
    Capability.TIMEOUT: "With JOBDECK_ISOLATION=none a run on RQ whose time is up ends where its task looks for it.",
}


class RQEngine:
    """Rings through the Redis of `JOBDECK_REDIS_URL`; connected on first use."""

    name = NAME
    is_immediate = False

    def __init__(self, deck: Deck) -> None:
        self._settings = deck.settings
        self._connected: Redis | None = None

    def ring(self, rings: Sequence[Ring]) -> int:
        """Send all in one transaction of Redis, so that none is sent when it fails. EngineError says why."""
        with self._plain_errors():
            pipeline = self._redis.pipeline()
            for name, ours in self._by_queue(rings).items():
                queue = self._queue(name)
                pipeline.sadd(Queue.redis_queues_keys, queue.key)
                pipeline.rpush(queue.key, *_write(pipeline, queue, ours))
            pipeline.execute()
        return len(rings)

    def depth(self, queue: str) -> int | None:
        """How many rings wait in Redis; those that an RQ worker has taken are not among them. EngineError."""
        with self._plain_errors():
            return int(self._redis.llen(self._queue(self._theirs(queue)).key))

    def command(self, queue: str) -> str:
        """A worker that takes this queue alone, with the application loaded before it forks."""
        return self._command(self._theirs(queue))

    def problems(self) -> list[str]:
        """What is wrong with Redis, or with the RQ workers that took our rings."""
        try:
            with self._plain_errors():
                version = str(self._redis.info("server")["redis_version"])
                if int(version.partition(".")[0]) < _OLDEST_REDIS:
                    return [f"RQ needs Redis 5 or newer; the one at {self._place} is {version}."]
                names = dict.fromkeys(route.queue for route in self._settings.engines.values() if route.engine == NAME)
                return [problem for name in names if (problem := self._failure(name))]
        except EngineError as error:
            return [str(error)]

    def cannot(self) -> Mapping[Capability, str]:
        """Nothing, unless runs are executed in RQ's own processes."""
        return _COOPERATIVE if self._settings.isolation is Isolation.NONE else {}

    def close(self) -> None:
        """Let go of the connections; those of a parent process stay open there."""
        if self._connected is not None:
            self._connected.connection_pool.disconnect()
            self._connected = None

    @property
    def _redis(self) -> Redis:
        if self._connected is None:
            self._connected = Redis.from_url(
                self._settings.redis_url,
                socket_connect_timeout=CONNECT_S,
                socket_timeout=ANSWER_S,
                # A connection that Redis has closed meanwhile is opened again once; whoever rings has patience of its own.
                retry=Retry(NoBackoff(), 1, supported_errors=(of_redis.ConnectionError,)),
            )
        return self._connected

    @property
    def _place(self) -> str:
        parts = urlsplit(self._settings.redis_url)
        return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}{parts.path}"

    def _theirs(self, queue: str) -> str:
        route = self._settings.engines.get(queue)
        return queue if route is None else route.queue

    def _by_queue(self, rings: Sequence[Ring]) -> dict[str, list[Ring]]:
        found: dict[str, list[Ring]] = {}
        for ring in rings:
            found.setdefault(self._theirs(ring.queue), []).append(ring)
        return found

    def _queue(self, name: str) -> Queue:
        return Queue(name, connection=self._redis, serializer=JSONSerializer)

    def _command(self, theirs: str) -> str:
        url = without_password(self._settings.redis_url)
        return f"rq worker --url {url} --serializer {_SERIALIZER} -c jobdeck.engines.rq_loaded {theirs}"

    def _failure(self, name: str) -> str | None:
        """What RQ says about the newest of our rings that its workers could not carry out."""
        queue = self._queue(name)
        newest = FailedJobRegistry(queue=queue).get_job_ids(-1, -1)
        try:
            job = Job.fetch(newest[0], connection=self._redis, serializer=JSONSerializer) if newest else None
        except NoSuchJobError:
            return None
        if job is None or job.func_name != EXECUTE:
            return None
        result = job.latest_result()
        said = str(result.exc_string if result else "").strip().splitlines() or ["no reason told"]
        if "DeserializationError" in said[-1]:
            return (
                f"An RQ worker of the queue {name} cannot read jobdeck's messages, as it expects pickle;"
                f" start it with `{self._command(name)}`."
            )
        return f"An RQ worker of the queue {name} failed with a message of jobdeck's: {said[-1][:_SHOWN_LIMIT]}"

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except (of_redis.AuthenticationError, of_redis.NoPermissionError):
            raise EngineError(
                f"Redis at {self._place} refuses the user or the password of JOBDECK_REDIS_URL."
            ) from None
        except (of_redis.RedisError, OSError) as error:
            lines = str(error).splitlines() or [type(error).__name__]
            raise EngineError(
                f"Redis at {self._place} cannot be rung: {lines[0][:_SHOWN_LIMIT].rstrip('.')}."
            ) from None


def _write(pipeline: Any, queue: Queue, rings: Sequence[Ring]) -> list[str]:
    """Write a job of RQ's for each ring; their ids."""
    job = Job.create(
        EXECUTE, args=(), connection=queue.connection, serializer=JSONSerializer, origin=queue.name,
        status=JobStatus.QUEUED, timeout=_NO_TIMEOUT, result_ttl=0, failure_ttl=FAILED_KEPT_S, description="",
    )  # fmt: skip
    shared = {name: value for name, value in job.to_dict().items() if value not in ("", None)}
    shared |= {"status": JobStatus.QUEUED.value, "enqueued_at": utcformat(now())}
    # Never ids made of the runs': a ring still under way must not be overwritten by the next.
    ids = [str(uuid4()) for _ in rings]
    for job_id, ring in zip(ids, rings, strict=True):
        job.args = (ring.as_data(),)
        about = f"jobdeck: ring {ring.number} for run {ring.run_id} of the queue {ring.queue}"
        told = {**shared, "data": zlib.compress(job.data), "description": about}
        pipeline.hset(Job.key_for(job_id), mapping=told)
    return ids
