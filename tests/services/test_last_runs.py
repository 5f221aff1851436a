"""What jobs and types remember of their runs, what runs leave behind, and what dead workers held."""

from __future__ import annotations

import uuid
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import event, func, select

from jobdeck import Deck
from jobdeck.core.outcome import Outcome, OutcomeKind
from jobdeck.core.principal import SYSTEM
from jobdeck.core.run import Run, Status
from jobdeck.core.times import from_us
from jobdeck.core.worker import WorkerInfo
from jobdeck.errors import Conflict, InvalidInput, NotFound
from jobdeck.services import lifecycle
from jobdeck.services.claims import Claims, Report
from jobdeck.services.holder import Claim, Holder
from jobdeck.services.rescue import Rescue
from jobdeck.services.workers import Presence
from jobdeck.store import tables


def holder() -> Holder:
    return Holder(id=str(uuid.uuid4()), host="host", boot_id="boot")


def ended(deck: Deck, target: str, kind: OutcomeKind) -> Run:
    run = deck.runs.start(target)
    now = deck.office.clock.now_us()
    claims = Claims(deck.database, holder(), ("default", "slow"), ("greet", "harvest"))
    (claim,) = claims.exchange(Report(), 1, now).won
    claims.exchange(Report(ended=[(claim, Outcome(kind=kind, started_us=now, ended_us=now))]), 0, now)
    return deck.runs.get(run.id)


def test_a_job_knows_its_newest_run_and_the_newest_in_each_status(deck: Deck) -> None:
    job = deck.jobs.create(title="A", type="greet")
    first = ended(deck, str(job.id), OutcomeKind.SUCCESS)
    failed = ended(deck, str(job.id), OutcomeKind.ERROR)
    second = ended(deck, str(job.id), OutcomeKind.SUCCESS)
    queued = deck.runs.start(str(job.id))
    ended_elsewhere = deck.jobs.create(title="B", type="greet")
    for found in (deck.jobs.get(str(job.id)), deck.jobs.list().items[0]):
        assert found.last_run is not None
        assert found.last_run.id == queued.id
        last = {status: run.id for status, run in found.last_runs.items()}
        assert last == {"success": second.id, "failed": failed.id, "queued": queued.id}
    assert deck.jobs.get(str(ended_elsewhere.id)).last_runs == {}
    deck.runs.delete(second.id)
    assert deck.jobs.get(str(job.id)).last_runs["success"].id == first.id
    deck.runs.delete(first.id)
    assert "success" not in deck.jobs.get(str(job.id)).last_runs


@pytest.mark.parametrize("target", ["harvest", "a job"])
def test_since_is_the_start_of_the_last_success_even_when_later_ones_were_deleted(deck: Deck, target: str) -> None:
    if target == "a job":
        target = str(deck.jobs.create(title="A", type="harvest").id)
    assert deck.runs.start(target).arguments["since"] is None
    deck.runs.stop(deck.runs.list().items[0].id)
    first, second = (ended(deck, target, OutcomeKind.SUCCESS) for _ in range(2))
    ended(deck, target, OutcomeKind.ERROR)

    def since() -> Any:
        run = deck.runs.start(target)
        deck.runs.stop(run.id)
        return run.arguments["since"]

    assert second.started_at is not None
    assert first.started_at is not None
    assert since() == second.started_at.isoformat()
    deck.runs.delete(second.id)
    assert since() == first.started_at.isoformat()


def test_a_deleted_run_leaves_nothing(deck: Deck) -> None:
    run = ended(deck, "greet", OutcomeKind.SUCCESS)
    place = deck.settings.files_folder / run.id / "1-1" / "x"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"abc")
    row = {
        "run_id": run.id, "direction": "output", "name": "a.txt", "tenant": run.tenant, "media_type": "text/plain",
        "size": 3, "sha256": sha256(b"abc").hexdigest(), "path": f"{run.id}/1-1/x", "created_at": 1,
    }  # fmt: skip
    with deck.database.write() as connection:
        connection.execute(tables.files.insert(), row)
    assert deck.runs.file(run.id, "a.txt")[1].read_bytes() == b"abc"
    with pytest.raises(NotFound, match="no file"):
        deck.runs.file(run.id, "b.txt")
    deck.runs.delete(run.id)
    with pytest.raises(NotFound):
        deck.runs.get(run.id)
    assert not place.exists()
    with deck.database.read() as connection:
        for table in (tables.runs, tables.attempts, tables.files, tables.log_entries, tables.last_runs):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0, table.name


def test_only_finished_runs_can_be_deleted(deck: Deck) -> None:
    run = deck.runs.start("greet")
    for _ in range(2):
        with pytest.raises(Conflict, match="stop it"):
            deck.runs.delete(run.id)
        Claims(deck.database, holder(), ("default",), ("greet",)).exchange(Report(), 1, deck.office.clock.now_us())
    assert deck.runs.get(run.id).status is Status.RUNNING


def test_a_claim_stopped_before_it_began_has_no_attempt(deck: Deck) -> None:
    run = deck.runs.start("greet")
    now = deck.office.clock.now_us()
    claims = Claims(deck.database, holder(), ("default",), ("greet",))
    (claim,) = claims.exchange(Report(), 1, now).won
    deck.runs.stop(run.id, "enough")
    claims.exchange(Report(released=[claim]), 0, now)
    found = deck.runs.get(run.id)
    assert (found.status, found.reason, found.attempt, found.started_at) == (Status.CANCELLED, "stopped", 0, None)
    assert deck.runs.attempts(run.id) == []
    assert claims.exchange(Report(), 1, now).won == []


def test_a_stop_finds_a_run_that_goes_back_to_its_queue_meanwhile(deck: Deck) -> None:
    """The run is given back between the two statements of a stop, or waits for its end; never neither."""
    run = deck.runs.start("greet")
    us = holder()
    now = deck.office.clock.now_us()
    claims = Claims(deck.database, us, ("default",), ("greet",))
    (claim,) = claims.exchange(Report(), 1, now).won
    if deck.database.is_sqlite:
        # One writer at a time: nothing can come between.
        assert deck.runs.stop(run.id).stop_requested_at is not None
        return
    found = deck.runs.get(run.id)
    with deck.database.write() as connection:
        seen: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *a: seen.append(a[2]))
        assert lifecycle.stop(connection, found, SYSTEM, None, now)
    assert "FOR UPDATE" in seen[0]
    claims.exchange(Report(released=[claim]), 0, now)
    assert deck.runs.get(run.id).status is Status.CANCELLED


def test_what_a_dead_worker_of_this_host_held_is_lost(deck: Deck) -> None:
    now = deck.office.clock.now_us()
    workers = [
        WorkerInfo(id=str(uuid.uuid4()), host=host, pid=1, pid_started=1, boot_id="boot", queues=("default",),
                   types=("greet",), processes=1, started_at=from_us(now), seen_at=from_us(now))
        for host in ("here", "here", "elsewhere")
    ]  # fmt: skip
    held: dict[str, Claim] = {}
    for worker in workers:
        Presence(deck.database, worker).begin(deck.office.clock.now_us())
        deck.runs.start("greet")
        now = deck.office.clock.now_us()
        who = Holder(id=worker.id, host=worker.host, boot_id=worker.boot_id)
        (held[worker.id],) = Claims(deck.database, who, ("default",), ("greet",)).exchange(Report(), 1, now).won
    assert len(deck.workers.list()) == 3
    dead = workers[0]
    rescue = Rescue(deck.database)
    assert [worker.id for worker in rescue.on_host("here")] == [workers[0].id, workers[1].id]
    assert rescue.bury(dead, lambda _: True, now) == (1, 0)
    assert [worker.id for worker in rescue.on_host("here")] == [workers[1].id]
    statuses = {worker.id: deck.runs.get(held[worker.id].id).status for worker in workers}
    assert statuses == {dead.id: "FAILED", workers[1].id: "RUNNING", workers[2].id: "RUNNING"}
    assert deck.runs.get(held[dead.id].id).reason == "lost"
    assert [worker.id for worker in deck.workers.list()] == [workers[1].id, workers[2].id]


def test_a_worker_that_was_never_heard_of_again_is_forgotten_after_a_week_unless_it_holds_something(deck: Deck) -> None:
    now, day = deck.office.clock.now_us(), 24 * 3600 * 1_000_000

    def begin(name: str, at_us: int) -> WorkerInfo:
        worker = WorkerInfo(id=str(uuid.uuid4()), host=name, pid=1, pid_started=1, boot_id="boot", queues=("default",),
                            types=("greet",), processes=1, started_at=from_us(at_us), seen_at=from_us(at_us))  # fmt: skip
        Presence(deck.database, worker).begin(at_us)
        return worker

    def known() -> list[str]:
        return [one.host for one in workers if Rescue(deck.database).worker(one.id) is not None]

    workers = [begin("idle", now), begin("holds", now), begin("lives", now), begin("held", now)]
    for worker in (workers[1], workers[3]):
        deck.runs.start("greet")
        who, late = Holder(id=worker.id, host=worker.host, boot_id="boot"), deck.office.clock.now_us()
        claims = Claims(deck.database, who, ("default",), ("greet",))
        (claim,) = claims.exchange(Report(), 1, late).won
    claims.exchange(Report(ended=[(claim, Outcome(kind=OutcomeKind.SUCCESS, started_us=late, ended_us=late))]), 0, late)
    Presence(deck.database, workers[2]).renew(now + 2 * day, 0)
    begin("within the week", now + 6 * day)
    assert known() == ["idle", "holds", "lives", "held"]
    begin("after it", now + 8 * day)
    assert known() == ["holds", "lives"]


def test_many_runs_are_started_in_order_or_not_at_all(deck: Deck) -> None:
    ids = deck.runs.start_many("greet", [{"times": n} for n in range(300)], queue="slow")
    assert list(ids) == sorted(ids)
    assert [deck.runs.get(run_id).arguments["times"] for run_id in (ids[0], ids[-1])] == [0, 299]
    with pytest.raises(InvalidInput):
        deck.runs.start_many("greet", [{"times": 1}, {"times": "x"}])
    assert deck.runs.waiting() == 300
    assert list(deck.runs.start_many("greet", [])) == []


def test_a_run_that_waits_is_shown_so(deck: Deck) -> None:
    run = deck.runs.start("greet")
    later = run.created_at + timedelta(minutes=1)
    with deck.database.write() as connection:
        connection.execute(tables.runs.update().values(available_at=tables.runs.c.available_at + 60_000_000))
    assert deck.runs.get(run.id).shown_status(run.created_at) == "WAITING"
    assert deck.runs.get(run.id).shown_status(later) == "QUEUED"
    now = deck.office.clock.now_us()
    claims = Claims(deck.database, holder(), ("default",), ("greet",))
    assert claims.exchange(Report(), 1, now).won == []
    assert len(claims.exchange(Report(), 1, now + 61_000_000).won) == 1
