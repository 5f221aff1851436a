"""Engines that execute where they are rung: who enqueues rings them, after the commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from jobdeck import Deck
from jobdeck.core.filters import RunFilter
from jobdeck.core.ring import Ring
from jobdeck.services.dispatch import Dispatch
from jobdeck.services.firing import Firing

from .conftest import TurnedClock, greet
from .stand_in import QuietEngine, Worker


class AtOnce(QuietEngine):
    """Executes what it is rung for, as a worker does."""

    name = "atonce"
    is_immediate = True

    def __init__(self) -> None:
        self.deck: Deck
        self.rung: list[str] = []
        self.is_broken = False

    def ring(self, rings: Sequence[Ring]) -> int:
        if self.is_broken:
            raise ZeroDivisionError
        self.rung += [ring.run_id for ring in rings]
        worker = Worker(self.deck)
        for ring in rings:
            assert self.deck.runs.get(ring.run_id).status == "QUEUED", "it must be committed"
        for claim in worker.claim(len(rings)):
            worker.end(claim)
        return len(rings)

    def depth(self, queue: str) -> int | None:
        return 0


@pytest.fixture
def engine() -> AtOnce:
    return AtOnce()


@pytest.fixture
def deck(database_url: str, tmp_path: Path, clock: TurnedClock, engine: AtOnce) -> Iterator[Deck]:
    made = Deck(
        job_types=[greet], home=tmp_path / "home", database_url=database_url, clock=clock, queues="default,slow",
        engines="default=atonce",
    )  # fmt: skip
    made.__dict__["engines"] = {"atonce": engine}
    engine.deck = made
    made.upgrade_database()
    yield made
    made.close()


def test_a_run_has_ended_when_its_start_returns(deck: Deck, engine: AtOnce) -> None:
    run = deck.runs.start("greet")
    job = deck.jobs.create(title="A", type="greet")
    of_job = deck.runs.start(str(job.id))
    function = deck.enqueue("os:getcwd")
    again = deck.runs.again(run.id)
    assert {one.status for one in (run, of_job, function, again)} == {"SUCCESS"}
    many = deck.runs.start_many("greet", [{}] * 3)
    assert engine.rung == [run.id, of_job.id, function.id, again.id, *many]
    assert len(deck.runs.again_all(RunFilter(type="greet"))) == 6
    assert deck.runs.waiting() == 0


def test_other_queues_wait_for_their_workers(deck: Deck, engine: AtOnce) -> None:
    assert deck.runs.start("greet", queue="slow").status == "QUEUED"
    assert engine.rung == []


def test_whatever_goes_wrong_there_the_run_is_queued(
    deck: Deck, engine: AtOnce, caplog: pytest.LogCaptureFixture
) -> None:
    engine.is_broken = True
    assert deck.runs.start("greet").status == "QUEUED"
    assert "wait, as the engine atonce has failed" in caplog.text


def test_an_engine_that_cannot_be_loaded_keeps_nobody_from_queueing(
    database_url: str, tmp_path: Path, clock: TurnedClock, deck: Deck
) -> None:
    other = Deck(job_types=[greet], home=tmp_path / "home", database_url=database_url, clock=clock, engines="nowhere")
    assert other.runs.start("greet").status == "QUEUED"
    other.close()


def test_in_a_transaction_of_somebody_elses_nobody_is_there_at_the_commit(deck: Deck, engine: AtOnce) -> None:
    theirs = create_engine(deck.database.engine.url)
    with theirs.begin() as connection:
        run = deck.runs.start("greet", connection=connection)
    theirs.dispose()
    assert (deck.runs.get(run.id).status, engine.rung) == ("QUEUED", [])


def test_what_a_schedule_starts_is_executed_by_the_scheduler(deck: Deck, engine: AtOnce, clock: TurnedClock) -> None:
    job = deck.jobs.create(title="A", type="greet", schedule={"type": "interval", "minutes": 5})
    clock.us += 301_000_000
    assert Firing(deck.office, deck.authority).step().runs == 1
    assert [run.status for run in deck.runs.list(RunFilter(job_id=job.id)).items] == ["SUCCESS"]


def test_a_dispatcher_leaves_it_alone(deck: Deck, engine: AtOnce) -> None:
    engine.is_broken = True
    deck.runs.start("greet")
    engine.is_broken = False
    dispatch = Dispatch(deck.office, {"atonce": engine})
    assert (dispatch.step().rung, dispatch.adopt(), dispatch.next_due(), engine.rung) == (0, 0, None, [])
    dispatch.close()
