"""The example repository on each engine, with nothing but settings changed, and the engine's own worker as the guide starts it."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..servers import RabbitMQ, Redis
from .instance import Instance

LEAVES_WITHIN_S = 20.0
CELERY = ("celery", "-A", "tasks", "worker", "-I", "jobdeck.engines.celery", "-Q", "default")
RQ = ("rq", "worker", "--serializer", "rq.serializers.JSONSerializer", "-c", "jobdeck.engines.rq_loaded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`settings` is all that is configured; `worker` is the command of the engine's own, where it has one."""

    engine: str
    settings: Mapping[str, str]
    worker: tuple[str, ...] = ()


def on_postgresql(request: pytest.FixtureRequest, folder: Path) -> Site:
    """Our own workers, and no file of SQLite's."""
    create: Callable[..., str] = request.getfixturevalue("create_database")
    return Site(engine="database", settings={"database_url": create(empty=True)})


def on_celery(server: Redis | RabbitMQ, folder: Path) -> Site:
    """Any application of Celery's."""
    (folder / "tasks.py").write_text(f"from celery import Celery\napp = Celery('tasks', broker={server.url!r})\n")
    return Site(engine="celery", settings={"engines": "celery", "celery": "tasks:app"}, worker=CELERY)


def on_celery_with_redis(request: pytest.FixtureRequest, folder: Path) -> Site:
    """With what other tests have left in it lost."""
    server: Redis = request.getfixturevalue("redis_server")
    server.flush()
    return on_celery(server, folder)


def on_celery_with_rabbitmq(request: pytest.FixtureRequest, folder: Path) -> Site:
    """With a broker of the other kind."""
    return on_celery(request.getfixturevalue("rabbitmq_server"), folder)


def on_rq(request: pytest.FixtureRequest, folder: Path) -> Site:
    """With what other tests have left in it lost."""
    server: Redis = request.getfixturevalue("redis_server")
    server.flush()
    worker = (*RQ, "--url", server.url, "default")
    return Site(engine="rq", settings={"engines": "rq", "redis_url": server.url}, worker=worker)


def inline(request: pytest.FixtureRequest, folder: Path) -> Site:
    """Whoever starts a run executes it."""
    return Site(engine="inline", settings={"engines": "inline"})


@pytest.fixture(params=[on_postgresql, on_celery_with_redis, on_celery_with_rabbitmq, on_rq, inline])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """Each in turn; what it has imported lies in the test's folder."""
    found: Site = request.param(request, tmp_path)
    return found


@pytest.fixture
def instance(site: Site, tmp_path: Path) -> Iterator[Instance]:
    made = Instance(tmp_path / "instance", python_path=tmp_path, **site.settings)
    yield made
    made.close()


def embargoed(home: Path) -> int:
    """How many of the example's records nobody may read yet."""
    with closing(sqlite3.connect(home / "repository" / "repository.db")) as database:
        count: int = database.execute("SELECT count(*) FROM record WHERE access = 'embargoed'").fetchone()[0]
    return count


def test_the_example_runs_on_each_engine_by_settings_alone(site: Site, instance: Instance, tmp_path: Path) -> None:
    if site.engine == "database":
        assert "The tables are made" in instance.say("db", "upgrade")
    instance.start()
    closed = embargoed(instance.home)
    workers = []
    if site.worker:
        program, *words = site.worker
        workers.append(instance.spawn(tmp_path / "worker.log", str(Path(sys.executable).with_name(program)), *words))

    run = json.loads(instance.say("types", "run", "lift_embargoes", "--wait", "--json"))
    assert (run["status"], run["engine"], run["attempt"]) == ("SUCCESS", site.engine, 1)
    lifted = closed - embargoed(instance.home)
    assert run["result"] == {"lifted": lifted, "still_embargoed": closed - lifted}
    told = [entry["message"] for entry in instance.ask(f"/api/runs/{run['id']}/logs")["hits"]["hits"]]
    assert len([message for message in told if " is open, embargoed until " in message]) == lifted > 0
    (attempt,) = instance.ask(f"/api/runs/{run['id']}/attempts")["hits"]["hits"]
    assert (attempt["engine"], attempt["outcome"]) == (site.engine, "success")
    # Whoever starts a run on the inline engine was its worker, and has ended.
    served = {} if site.engine == "inline" else {attempt["worker_id"]: site.engine}
    assert {one["id"]: one["engine"] for one in instance.ask("/api/workers")["hits"]["hits"]} == served

    for worker in workers:
        worker.terminate()
        assert worker.wait(LEAVES_WITHIN_S) == 0, (tmp_path / "worker.log").read_text()
    assert instance.end() == 0
    assert "Traceback" not in instance.log.read_text()
