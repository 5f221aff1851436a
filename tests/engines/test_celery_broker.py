"""The way to Celery's brokers: many messages at once, what is wrong said in plain words, and never a long wait."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from celery import Celery

from jobdeck import Deck
from jobdeck.core.capability import Capability
from jobdeck.core.ring import Ring
from jobdeck.engines.celery_broker import CeleryEngine
from jobdeck.errors import EngineError

from ..servers import Broker, RabbitMQ, Redis


@pytest.fixture
def engine_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., CeleryEngine]]:
    """The engine of a deck whose site has such a broker and such settings of Celery."""
    made: list[CeleryEngine] = []

    def make(broker: str | None, deck_settings: dict[str, Any] | None = None, **conf: Any) -> CeleryEngine:
        module: Any = ModuleType("celery_of_site")
        module.app = Celery("site", broker=broker)
        module.app.conf.update(**conf)
        module.other = "no application"
        monkeypatch.setitem(sys.modules, "celery_of_site", module)
        told = {
            "celery": "celery_of_site:app",
            "engines": f"default=celery:q-{uuid.uuid4().hex}",
            **(deck_settings or {}),
        }
        made.append(CeleryEngine(Deck(home=tmp_path, **told)))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def rings(count: int) -> list[Ring]:
    return [Ring(run_id=f"{n:036d}", number=1, queue="default") for n in range(count)]


def test_many_are_taken_at_once_and_counted(broker: Broker, engine_of: Callable[..., CeleryEngine]) -> None:
    engine = engine_of(
        broker.url, task_always_eager=True, task_serializer="pickle", task_default_queue="elsewhere",
        task_routes={"jobdeck.*": {"queue": "elsewhere"}}, task_compression="gzip",
    )  # fmt: skip
    assert engine.problems() == []
    assert engine.depth("default") == 0
    assert engine.ring(rings(450)) == 450
    assert engine.depth("default") == 450


def test_a_key_prefix_is_kept(redis_server: Redis, engine_of: Callable[..., CeleryEngine]) -> None:
    engine = engine_of(redis_server.url, broker_transport_options={"global_keyprefix": "site_"})
    assert engine.ring(rings(2)) == 2
    assert engine.depth("default") == 2
    with redis_server.client() as client:
        assert any(key.startswith(b"site_q-") for key in list(client.scan_iter()))


def test_a_queue_that_was_deleted_is_made_again(
    rabbitmq_server: RabbitMQ, engine_of: Callable[..., CeleryEngine]
) -> None:
    engine = engine_of(rabbitmq_server.url, {"engines": "default=celery:deleted"})
    assert engine.ring(rings(1)) == 1
    with rabbitmq_server.channel() as channel:
        channel.queue_delete("deleted")
    assert engine.depth("default") == 0
    assert engine.ring(rings(3)) == 3
    assert engine.depth("default") == 3


def test_a_connection_survives_forks_and_restarts(broker: Broker, engine_of: Callable[..., CeleryEngine]) -> None:
    engine = engine_of(broker.url)
    assert engine.ring(rings(1)) == 1
    pid = os.fork()
    if not pid:
        engine.close()
        os._exit(0)
    os.waitpid(pid, 0)
    assert engine.ring(rings(1)) == 1
    broker.restart()
    assert engine.ring(rings(2)) == 2


def test_a_broker_that_is_away_is_said_to_be_at_once(broker: Broker, engine_of: Callable[..., CeleryEngine]) -> None:
    engine = engine_of(broker.url)
    assert engine.ring(rings(1)) == 1
    broker.kill()
    try:
        began = time.monotonic()
        uses: list[Callable[[], object]] = [lambda: engine.ring(rings(2)), lambda: engine.depth("default")]
        for use in uses:
            with pytest.raises(EngineError, match=r"^The broker \w+://.*127\.0\.0\.1:\d+.* cannot be used: .+$"):
                use()
        assert len(engine.problems()) == 1
        assert time.monotonic() - began < 20
    finally:
        broker.start()
    assert engine.ring(rings(2)) == 2


def test_a_broker_that_is_silent_keeps_nobody_waiting(broker: Broker, engine_of: Callable[..., CeleryEngine]) -> None:
    patient = {} if isinstance(broker, RabbitMQ) else {"socket_timeout": 600, "socket_connect_timeout": 600}
    engine = engine_of(broker.url, broker_transport_options=patient)
    others = engine_of(broker.url, broker_transport_options=patient)
    uses: list[Callable[[], object]] = [lambda: engine.ring(rings(2)), lambda: others.depth("default")]
    assert engine.ring(rings(1)) == 1
    assert others.depth("default") == 0
    with ThreadPoolExecutor(2) as aside:
        broker.freeze()
        try:
            for one in [aside.submit(use) for use in uses]:
                with pytest.raises(EngineError, match=r"cannot be used: .*[Tt]ime"):
                    one.result(30)
        finally:
            broker.thaw()
    assert engine.ring(rings(2)) == 2
    # What was on its way may have been taken as well.
    assert engine.depth("default") in (3, 5)
    assert others.depth("default") == 0


def test_a_wrong_password_is_told_without_it(rabbitmq_server: RabbitMQ, engine_of: Callable[..., CeleryEngine]) -> None:
    with Redis(password="right-one") as locked:
        wrong = [
            locked.url.replace("right-one", "wrong-one"),
            rabbitmq_server.url.replace("guest:guest", "guest:wrong-one"),
        ]
        for url in wrong:
            (problem,) = engine_of(url).problems()
            assert "does not accept the user name or the password" in problem
            assert "wrong-one" not in problem and "\n" not in problem
        assert engine_of(locked.url).problems() == []


@pytest.mark.parametrize(
    ("broker", "conf", "deck_settings", "problem"),
    [
        ("memory://", {}, {"celery": None}, "JOBDECK_CELERY is not set: name the site's Celery application"),
        ("memory://", {}, {"celery": "no_such_module:app"}, "no_such_module:app cannot be imported"),
        ("memory://", {}, {"celery": "celery_of_site:other"}, "is no Celery application"),
        ("memory://", {}, {}, "memory://, which no other process reads"),
        ("nothing://here", {}, {}, "broker_url cannot be used"),
        ("memory://", {"accept_content": ["yaml"]}, {}, "its workers refuse our messages; add 'json'"),
        ("memory://", {"task_create_missing_queues": False}, {}, "task_queues have no"),
    ],
)
def test_what_is_set_wrongly_is_said(
    engine_of: Callable[..., CeleryEngine],
    broker: str,
    conf: dict[str, Any],
    deck_settings: dict[str, Any],
    problem: str,
) -> None:
    assert problem in " ".join(engine_of(broker, deck_settings, **conf).problems())


def test_only_isolated_runs_can_be_ended_by_force(engine_of: Callable[..., CeleryEngine]) -> None:
    assert engine_of("memory://").cannot() == {}
    shared = engine_of("memory://", {"isolation": "none"}).cannot()
    assert set(shared) == {Capability.FORCE_STOP, Capability.TIMEOUT}
