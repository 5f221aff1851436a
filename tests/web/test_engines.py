"""What doors say of engines: where runs execute, what cannot be done to them there, who serves a queue, what is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from jobdeck import Deck, job_type
from jobdeck.core.principal import DEFAULT_TENANT, SYSTEM
from jobdeck.core.times import from_us
from jobdeck.core.worker import DispatcherInfo, WorkerInfo
from jobdeck.services.claims import Claims, Report
from jobdeck.services.holder import Holder
from jobdeck.services.workers import Presence
from jobdeck.store import dispatchers, tables
from jobdeck.web.application import create_app

MINUTE = 60_000_000


@job_type(title="Greet people")
def greet(name: str = "Ada") -> str:
    """Say hello."""
    return name


class Site:
    """A deck with queues on RQ, which nobody really serves."""

    def __init__(self, home: Path, isolation: str) -> None:
        self.deck = Deck(
            job_types=[greet], home=home, queues={"default": "Default", "big": "Big exports"}, engines="big=rq:bulk",
            isolation=isolation, redis_url="redis://:geheim@localhost:1/0",
        )  # fmt: skip
        app = create_app(self.deck)
        self.deck.upgrade_database()
        token = self.deck.accounts.create_token(name="Ada", by=SYSTEM)
        self.api: Any = app.test_client()
        self.api.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        session = self.deck.accounts.sign_in(token)
        assert session is not None
        self._browser: Any = app.test_client()
        self._browser.set_cookie("jobdeck", session.id)

    def page(self, path: str) -> str:
        """What a page says, as one line."""
        answer = self._browser.get(f"/administration{path}")
        assert answer.status_code == 200
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())

    def at_work(self) -> str:
        """A run that a worker of RQ executes."""
        now_us = self.deck.office.clock.now_us()
        now = from_us(now_us)
        info = WorkerInfo(id="0193aaaa-w", host="worker-1", pid=7, pid_started=1, boot_id="b", engine="rq", queues=("big",),
                          types=("greet",), processes=2, started_at=now, seen_at=now)  # fmt: skip
        Presence(self.deck.database, info).begin(now_us)
        run = self.deck.runs.start("greet", queue="big", timeout="30m", title="A greeting")
        claims = Claims(self.deck.database, Holder(id=info.id, host=info.host, boot_id="b"), ["big"], ["greet"])
        now_us = self.deck.office.clock.now_us()
        (claim,) = claims.exchange(Report(), 1, now_us).won
        claims.exchange(Report(begun=[(claim, now_us, 4711)]), 0, now_us)
        return run.id

    def wait_long(self) -> str:
        """A run that could have begun an hour ago."""
        run = self.deck.runs.start("greet", queue="big")
        with self.deck.database.write() as connection:
            long_ago = self.deck.office.clock.now_us() - 60 * MINUTE
            mine = update(tables.runs).where(tables.runs.c.id == run.id, tables.runs.c.status == "QUEUED")
            connection.execute(mine.values(available_at=long_ago))
        return run.id

    def dispatcher(self, problem: str | None = None) -> None:
        now_us = self.deck.office.clock.now_us()
        now = from_us(now_us)
        info = DispatcherInfo(id="d-1", host="hub", pid=8, engines=("rq",), problems={}, depths={}, started_at=now,
                              seen_at=now)  # fmt: skip
        with self.deck.database.write() as connection:
            dispatchers.add(connection, DEFAULT_TENANT, info, now_us)
            dispatchers.seen(connection, "d-1", now_us, {"rq": problem} if problem else {}, {"big": 3})


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(isolation: str = "process") -> Site:
        made.append(Site(tmp_path / f"home-{len(made)}", isolation))
        return made[-1]

    yield make
    for site in made:
        site.deck.close()


@pytest.mark.parametrize(("isolation", "can_be_ended"), [("process", True), ("none", False)])
def test_a_run_says_whether_it_can_be_ended(sites: Callable[..., Site], isolation: str, can_be_ended: bool) -> None:
    site = sites(isolation)
    run = site.at_work()
    with site.deck.database.write() as connection:
        connection.execute(update(tables.runs).where(tables.runs.c.status == "RUNNING").values(fenced=2))
    shape = site.api.get(f"/api/runs/{run}").json
    assert (shape["engine"], shape["isolation"], shape["fenced_deliveries"]) == ("rq", isolation, 2)
    (attempt,) = site.api.get(f"/api/runs/{run}/attempts").json["hits"]["hits"]
    assert (attempt["engine"], attempt["worker_id"]) == ("rq", "0193aaaa-w")
    page = site.page(f"/runs/{run}")
    assert "worker-1, process 4711 worker 0193aaaa of rq" in page and "2 deliveries of rq that found it taken" in page
    assert ("Ask it to stop" in page) != can_be_ended
    assert ("It runs inside the rq worker’s own process and cannot be interrupted" in page) != can_be_ended
    assert ("takes effect only where the job looks for it" in page) != can_be_ended
    site.api.post(f"/api/runs/{run}/actions/stop")
    stopping = site.page(f"/runs/{run}")
    assert "Cancelling" in stopping
    assert ("Asked to stop; this job cannot be interrupted." in stopping) != can_be_ended


def test_a_run_of_the_database_is_as_it_was(sites: Callable[..., Site]) -> None:
    site = sites("none")
    run = site.deck.runs.start("greet").id
    shape = site.api.get(f"/api/runs/{run}").json
    assert (shape["engine"], shape["isolation"], shape["fenced_deliveries"]) == ("database", "process", 0)
    page = site.page(f"/runs/{run}")
    assert "Engine" not in page and "Repeated" not in page and "Ask it" not in page


def test_forms_tell_of_queues_where_a_timeout_is_only_asked_for(sites: Callable[..., Site]) -> None:
    told = "Big exports: runs execute inside the engine’s own process there, and cannot be interrupted."
    for isolation in ("none", "process"):
        site = sites(isolation)
        job = site.deck.jobs.create(title="Greeting", type="greet", queue="big", timeout="5m")
        for path in ("/jobs/new?type=greet", f"/jobs/{job.id}/run", "/types/greet/run"):
            assert (told in site.page(path)) == (isolation == "none"), path
        assert ("takes effect only where" in site.page(f"/jobs/{job.id}")) == (isolation == "none")


def test_queues_say_what_carries_them_and_what_it_cannot_do(sites: Callable[..., Site]) -> None:
    site = sites("none")
    site.at_work()
    site.dispatcher()
    default, big = site.api.get("/api/queues").json["hits"]["hits"]
    told = ("engine", "engine_queue", "isolation", "depth", "workers", "processes", "running", "problem", "alert")
    assert [big[name] for name in told] == ["rq", "bulk", "none", 3, 1, 2, 1, None, None]
    assert [default[name] for name in told] == ["database", None, "process", None, 0, 0, 0, None, None]
    assert set(big["cannot"]) == {"force-stop", "timeout"} and default["cannot"] == {}
    assert default["command"] == "jobdeck worker default"
    page = site.page("/queues")
    assert "Big exports big rq bulk 3 messages there 0 1 2" in page
    assert "Nobody serves Default at the moment; jobdeck worker default would." in page
    assert "Carries Big exports. Runs execute inside the rq worker’s own process." in page and "Force-stop" in page
    assert "geheim" not in page and "geheim" not in json.dumps(big)
    assert "It can do all that jobdeck does." in sites("process").page("/queues")


def test_a_queue_that_nobody_serves_is_told_everywhere(sites: Callable[..., Site]) -> None:
    site = sites()
    run = site.wait_long()
    (big,) = [one for one in site.api.get("/api/queues").json["hits"]["hits"] if one["name"] == "big"]
    assert (big["alert"]["code"], big["alert"]["command"]) == ("no_dispatcher", "jobdeck dispatcher")
    assert 3600 <= big["oldest_waiting_age"] < 3700 and big["oldest_waiting_at"]
    assert [one["code"] for one in site.api.get(f"/api/runs/{run}").json["waiting_reasons"]] == [
        "no_dispatcher",
        "no_worker",
    ]
    for path in ("/jobs", "/runs", "/queues", "/workers"):
        page = site.page(path)
        assert "Needs attention Runs of the queue big wait in vain; the oldest could have begun 1 h ago" in page, path
        assert "start one with jobdeck dispatcher" in page and "-c jobdeck.engines.rq_loaded bulk" in page
    site.dispatcher("Redis at localhost:1/0 cannot be rung.")
    assert "The dispatcher cannot reach rq: Redis at localhost:1/0 cannot be rung." in site.page("/runs")
    assert "cannot serve" in site.page("/queues") and "cannot be reached" in site.page("/workers")


def test_workers_say_what_they_are_at(sites: Callable[..., Site]) -> None:
    site = sites()
    run = site.at_work()
    site.dispatcher()
    (worker,) = site.api.get("/api/workers").json["hits"]["hits"]
    assert (worker["engine"], worker["busy"], worker["processes"], worker["stale_writes"]) == ("rq", 1, 2, 0)
    (held,) = worker["runs"]
    assert (held["id"], held["title"], held["type"]) == (run, "A greeting", "greet")
    assert held["links"]["self_admin_html"].endswith(f"/administration/runs/{run}")
    (dispatcher,) = site.api.get("/api/dispatchers").json["hits"]["hits"]
    assert (dispatcher["engines"], dispatcher["problems"], dispatcher["depths"]) == (["rq"], {}, {"big": 3})
    page = site.page("/workers")
    assert "0193aaaa rq worker-1, process 7 Big exports 1 of 2 A greeting" in page
    assert "Dispatchers Dispatcher Host Engines" in page and "hub, process 8 rq" in page


def test_without_engines_nothing_speaks_of_them(browser: Any) -> None:
    queues, workers = (browser.get(f"/administration/{path}").text for path in ("queues", "workers"))
    assert "Engine" not in queues and "Dispatchers" not in workers


def test_what_a_worker_of_another_tenant_holds_is_not_shown(sites: Callable[..., Site]) -> None:
    site = sites()
    site.at_work()
    with site.deck.database.write() as connection:
        connection.execute(update(tables.runs).where(tables.runs.c.status == "RUNNING").values(tenant="other"))
    (worker,) = site.api.get("/api/workers").json["hits"]["hits"]
    assert (worker["busy"], worker["runs"]) == (1, [])
