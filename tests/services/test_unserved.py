"""Queues that nobody serves: when that is an alert, what it says, and what a run says that waits there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from jobdeck import Deck, job_type
from jobdeck.core.principal import DEFAULT_TENANT
from jobdeck.core.queue import Alert
from jobdeck.core.times import from_us
from jobdeck.core.worker import DispatcherInfo, WorkerInfo
from jobdeck.services.claims import Claims, Report
from jobdeck.services.holder import Holder
from jobdeck.services.workers import Presence
from jobdeck.store import dispatchers, tables

SECOND = 1_000_000


class StandingClock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.us = 1_800_000_000 * SECOND

    def now_us(self) -> int:
        return self.us

    def pass_s(self, seconds: float) -> None:
        self.us += int(seconds * SECOND)


@job_type
def greet() -> None:
    """Say hello."""


class Site:
    """A deck whose workers and dispatchers are only said to be there, and can be silent."""

    def __init__(self, deck: Deck, clock: StandingClock) -> None:
        self.deck = deck
        self.clock = clock

    def wait(self, queue: str, **options: Any) -> str:
        """A run that waits there."""
        return self.deck.runs.start("greet", queue=queue, **options).id

    def worker(
        self, queues: tuple[str, ...], engine: str = "database", types: tuple[str, ...] = ("greet",)
    ) -> Presence:
        now = from_us(self.clock.us)
        info = WorkerInfo(
            id=f"w-{engine}-{'-'.join(queues)}", host="here", pid=1, pid_started=1, boot_id="b", engine=engine,
            queues=queues, types=types, processes=2, started_at=now, seen_at=now,
        )  # fmt: skip
        presence = Presence(self.deck.database, info)
        presence.begin(self.clock.us)
        return presence

    def dispatcher(self, problems: dict[str, str] | None = None, depths: dict[str, int] | None = None) -> None:
        """One that rings RQ, heard of just now."""
        now = from_us(self.clock.us)
        info = DispatcherInfo(id="d-1", host="here", pid=1, engines=("rq",), problems={}, depths={}, started_at=now,
                              seen_at=now)  # fmt: skip
        with self.deck.database.write() as connection:
            connection.execute(tables.dispatchers.delete())
            dispatchers.add(connection, DEFAULT_TENANT, info, self.clock.us)
            dispatchers.seen(connection, "d-1", self.clock.us, problems or {}, depths or {})

    @property
    def alerts(self) -> dict[str, Alert]:
        found = {one.queue: one for one in self.deck.queues.alerts()}
        of_queues = {one.name: one.alert for one in self.deck.queues.list() if one.alert}
        assert {name: one for name, one in found.items() if name in self.deck.settings.queues} == of_queues
        return found

    def codes(self, run_id: str) -> list[str]:
        return [reason.code for reason in self.deck.runs.why(run_id).reasons]


def make(home: Path, database_url: str, **settings: Any) -> Site:
    clock = StandingClock()
    told = {"queues": "default,slow,big,low", "engines": "big=rq:bulk,low=rq", **settings}
    url = "redis://:geheim@localhost:1/0"
    deck = Deck(job_types=[greet], home=home, database_url=database_url, redis_url=url, clock=clock, **told)
    deck.upgrade_database()
    return Site(deck, clock)


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    made = make(tmp_path / "home", database_url)
    yield made
    made.deck.close()


def test_a_queue_of_the_database_without_worker(site: Site) -> None:
    run = site.wait("slow")
    assert site.alerts == {}
    site.clock.pass_s(6)
    alert = site.alerts["slow"]
    assert (alert.code, alert.command, alert.since) == (
        "no_worker",
        "jobdeck worker slow",
        site.deck.runs.get(run).created_at,
    )
    assert alert.message.startswith("Runs of the queue slow wait in vain; the oldest could have begun at 20")
    assert alert.message.endswith("No worker is alive; start one with `jobdeck worker`.")
    site.worker(("default",))
    assert site.alerts["slow"].message.endswith(
        "No live worker serves the queue slow; start one with `jobdeck worker slow`."
    )
    assert site.codes(run) == ["no_worker"]
    site.worker(("slow",))
    assert site.alerts == {} and site.codes(run) == []


def test_a_worker_that_is_started_again_is_no_alert(site: Site) -> None:
    worker = site.worker(("slow",))
    site.wait("slow")
    site.clock.pass_s(20)
    worker.end(site.clock.us)
    site.clock.pass_s(4)
    assert site.alerts == {}
    site.clock.pass_s(2)
    assert site.alerts["slow"].since == from_us(site.clock.us - 6 * SECOND)


def test_a_silent_worker_serves_nothing(site: Site) -> None:
    site.worker(("slow",))
    site.wait("slow")
    site.clock.pass_s(59)
    assert site.alerts == {}
    site.clock.pass_s(2)
    assert site.alerts["slow"].code == "no_worker"


def test_what_may_not_begin_is_no_alert(site: Site) -> None:
    site.wait("slow", start_in="1h")
    site.wait("default")
    site.deck.queues.pause("default")
    site.clock.pass_s(60)
    assert site.alerts == {}
    assert {one.name: one.queued for one in site.deck.queues.list()} == {"default": 1, "slow": 1, "big": 0, "low": 0}
    site.deck.queues.resume("default")
    assert set(site.alerts) == {"default"}


def test_a_queue_that_the_settings_name_no_more(site: Site) -> None:
    site.wait("slow")
    with site.deck.database.write() as connection:
        connection.execute(update(tables.runs).where(tables.runs.c.status == "QUEUED").values(queue="gone"))
    site.worker(("default", "slow"))
    site.clock.pass_s(6)
    alert = site.alerts["gone"]
    assert alert.command is None
    assert alert.message.endswith(
        "No live worker serves the queue gone, which is not in JOBDECK_QUEUES any more; add it there."
    )


def test_an_engine_needs_a_dispatcher_and_its_own_workers(site: Site) -> None:
    run = site.wait("big")
    site.worker(("default", "slow"))
    assert site.codes(run) == ["no_dispatcher", "no_worker"]
    site.clock.pass_s(6)
    alert = site.alerts["big"]
    assert (alert.code, alert.command) == ("no_dispatcher", "jobdeck dispatcher")
    site.dispatcher({"rq": "Redis is away."})
    assert site.alerts["big"].code == "engine"
    assert site.alerts["big"].message.endswith("The dispatcher cannot reach rq: Redis is away.")
    assert site.codes(run)[0] == "engine"
    queue = site.deck.queues.get("big")
    assert (queue.problem, queue.carrier.engine, queue.carrier.queue, queue.depth) == (
        "Redis is away.",
        "rq",
        "bulk",
        None,
    )
    site.dispatcher(depths={"big": 1})
    assert site.alerts == {}
    site.clock.pass_s(10)
    alert = site.alerts["big"]
    assert (alert.code, site.deck.queues.get("big").depth) == ("no_worker", 1)
    assert alert.command == (
        "rq worker --url redis://:…@localhost:1/0 --serializer rq.serializers.JSONSerializer"
        " -c jobdeck.engines.rq_loaded bulk"
    )
    assert f"No live worker of rq serves the queue big; start one with `{alert.command}`." in alert.message
    site.worker(("big", "low"), engine="rq")
    assert site.alerts == {} and site.codes(run) == []


def test_messages_that_go_where_no_worker_comes(site: Site) -> None:
    site.wait("low")
    site.dispatcher(depths={"low": 0})
    site.clock.pass_s(20)
    assert site.alerts == {}
    site.clock.pass_s(45)
    site.dispatcher(depths={"low": 0})
    assert site.alerts["low"].code == "no_worker"


def test_messages_that_stay_though_workers_have_nothing_to_do(site: Site) -> None:
    run = site.wait("big")
    site.worker(("big", "low"), engine="rq")
    site.clock.pass_s(55)
    site.dispatcher(depths={"big": 1})
    assert site.alerts == {} and site.codes(run) == []
    site.clock.pass_s(4)
    site.dispatcher(depths={"big": 1})
    with site.deck.database.write() as connection:
        connection.execute(update(tables.workers).values(seen_at=site.clock.us))
    site.clock.pass_s(2)
    assert site.alerts["big"].code == "not_taken" and site.codes(run) == ["not_taken"]
    assert "stay in the queue bulk of rq, though workers there have nothing to do" in site.alerts["big"].message
    holder = Holder(id="w-rq-big-low", host="here", boot_id="b")
    for number in range(2):
        site.wait("low", title=str(number))
    won = Claims(site.deck.database, holder, ["low"], ["greet"])
    claims = won.exchange(Report(), 2, site.clock.us).won
    won.exchange(Report(begun=[(claim, site.clock.us, 4711) for claim in claims]), 0, site.clock.us)
    assert len(claims) == 2
    assert "big" not in site.alerts  # its workers are busy with others
    (worker,) = site.deck.workers.list()
    assert (worker.busy, [one.title for one in worker.holds]) == (2, ["0", "1"])


def test_an_engine_that_cannot_be_loaded_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    site = make(tmp_path, f"sqlite:///{tmp_path / 'jobdeck.db'}", engines="big=kafka")
    site.wait("big")
    site.clock.pass_s(6)
    queue = site.deck.queues.get("big")
    assert queue.problem is not None and "there is no engine 'kafka'" in queue.problem
    assert (queue.carrier.isolation, queue.cannot) == (None, {})
    assert site.alerts["big"].code == "no_dispatcher"
    site.clock.pass_s(10)
    assert site.alerts["big"].message.endswith(
        "No live worker of kafka serves the queue big; start the workers of kafka."
    )
    site.deck.close()


@pytest.mark.parametrize(
    ("engines", "isolation", "expected"),
    [
        ("", "none", "process"),
        ("big=rq", "process", "process"),
        ("big=rq", "none", "none"),
        ("big=inline", "process", "none"),
    ],
)
def test_where_runs_of_a_queue_execute(tmp_path: Path, engines: str, isolation: str, expected: str) -> None:
    site = make(tmp_path, f"sqlite:///{tmp_path / 'jobdeck.db'}", engines=engines, isolation=isolation)
    queue = site.deck.queues.get("big")
    assert queue.carrier.isolation == expected
    assert bool(queue.cannot) == (expected == "none")
    site.deck.close()


@pytest.mark.parametrize(
    ("engines", "command"),
    [
        ("", "jobdeck worker big"),
        ("big=celery:bulk", "celery -A site.tasks:app worker -Q bulk -I jobdeck.engines.celery"),
        ("big=inline", None),
        ("big=kafka", None),
    ],
)
def test_what_starts_a_worker_of_a_queue(tmp_path: Path, engines: str, command: str | None) -> None:
    site = make(tmp_path, f"sqlite:///{tmp_path / 'jobdeck.db'}", engines=engines, celery="site.tasks:app")
    queue = site.deck.queues.get("big")
    assert (queue.carrier.command, queue.is_idle_alone) == (command, command is not None)
    site.deck.close()
