"""Claims, fences, stops and ends through the services, as workers and people race for them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from jobdeck import Deck
from jobdeck.core.lifecycle import TRANSITIONS
from jobdeck.core.outcome import OutcomeKind
from jobdeck.core.run import Status
from jobdeck.errors import Conflict
from jobdeck.services.claims import Claims
from jobdeck.services.holder import Claim
from jobdeck.store import tables

from .stand_in import Worker


def test_claims_are_won_once_however_many_ask(deck: Deck) -> None:
    ids = deck.runs.start_many("greet", [{"times": n} for n in range(400)])
    won: list[str] = []

    def take() -> None:
        worker = Worker(deck)
        while batch := worker.claim(7):
            won.extend(claim.id for claim in batch)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == sorted(ids)
    assert all(run.attempt == 1 for run in deck.runs.list().items)


def test_runs_are_claimed_oldest_first_from_the_queues_that_are_served(deck: Deck) -> None:
    first = deck.runs.start("greet", queue="slow")
    rest = [deck.runs.start("greet") for _ in range(3)]
    assert [claim.id for claim in Worker(deck, ("default",)).claim(10)] == [run.id for run in rest]
    assert [claim.id for claim in Worker(deck).claim(10)] == [first.id]


def test_an_unknown_type_is_left_alone_and_blocks_nobody(deck: Deck) -> None:
    deck.runs.start("greet")
    other = deck.runs.start("harvest")
    worker = Worker(deck)
    worker.claims = Claims(deck.database, worker.holder, ("default",), ("harvest",))
    assert [claim.id for claim in worker.claim(10)] == [other.id]


def test_whoever_lost_a_run_can_write_nothing(deck: Deck) -> None:
    run = deck.runs.start("greet")
    worker = Worker(deck)
    (claim,) = worker.claim()
    assert worker.die() == 1
    before = deck.runs.get(run.id)
    now = worker.now()
    fenced = (claim.id, worker.holder.id, claim.fence)
    worker.end(claim)
    worker.log(claim, "too late")
    worker.say(progress={claim.id: (1, 2, None, *fenced)})
    worker.say(files=[(claim.id, "a.txt", "default", "text/plain", 1, "0" * 64, "x", now, *fenced)])
    worker.say(begun=[(claim, now, 1)])
    worker.say(alive=[claim])
    worker.say(released=[claim])
    after = deck.runs.get(run.id)
    assert (after.status, after.reason) == (Status.FAILED, "lost")
    assert after == before
    assert [attempt.outcome for attempt in deck.runs.attempts(run.id)] == ["lost"]
    assert deck.runs.logs(run.id).entries == []


def test_the_number_of_a_fence_alone_lets_nobody_write(deck: Deck) -> None:
    run = deck.runs.start("greet")
    (claim,) = Worker(deck).claim()
    before = deck.runs.get(run.id)
    impostor = Worker(deck)
    fenced = (claim.id, impostor.holder.id, claim.fence)
    assert impostor.end(claim) == {run.id}
    impostor.log(claim, "not mine")
    impostor.say(
        begun=[(claim, impostor.now(), 1)], alive=[claim], released=[claim],
        progress={claim.id: (1, 2, None, *fenced)},
    )  # fmt: skip
    assert deck.runs.get(run.id) == before
    assert deck.runs.attempts(run.id) == []
    assert deck.runs.logs(run.id).total == 0


def test_an_earlier_claim_of_the_same_worker_writes_nothing(deck: Deck) -> None:
    run = deck.runs.start("greet")
    worker = Worker(deck)
    (earlier,) = worker.claim()
    worker.say(released=[earlier])
    (claim,) = worker.claim()
    before = deck.runs.get(run.id)
    assert worker.end(earlier, OutcomeKind.ERROR) == {run.id}
    worker.log(earlier, "too late")
    worker.say(begun=[(earlier, worker.now(), 1)], alive=[earlier], released=[earlier])
    assert deck.runs.get(run.id) == before
    assert deck.runs.attempts(run.id) == []
    assert deck.runs.logs(run.id).total == 0
    assert worker.end(claim) == set()
    assert deck.runs.get(run.id).status is Status.SUCCESS


def test_a_claim_given_back_burns_no_attempt(deck: Deck) -> None:
    run = deck.runs.start("greet")
    worker = Worker(deck)
    for _ in range(3):
        (claim,) = worker.claim()
        worker.say(released=[claim])
    assert deck.runs.get(run.id).attempt == 0
    (claim,) = worker.claim()
    assert (claim.attempt, claim.fence) == (1, 4)
    deck.runs.stop(run.id)
    worker.say(released=[claim])
    assert deck.runs.get(run.id).status is Status.CANCELLED


def test_an_end_written_twice_is_written_once(deck: Deck) -> None:
    run = deck.runs.start("greet")
    worker = Worker(deck)
    (claim,) = worker.claim()
    assert worker.end(claim) == set()
    ended = deck.runs.get(run.id)
    assert worker.end(claim) == set()
    worker.end(claim, OutcomeKind.ERROR)
    assert deck.runs.get(run.id) == ended
    assert [attempt.outcome for attempt in deck.runs.attempts(run.id)] == ["success"]


@pytest.mark.parametrize(
    ("kind", "alone", "after_a_stop"),
    [
        (OutcomeKind.SUCCESS, "SUCCESS", "SUCCESS"),
        (OutcomeKind.PARTIAL, "PARTIAL_SUCCESS", "PARTIAL_SUCCESS"),
        (OutcomeKind.WARNING, "WARNING", "WARNING"),
        (OutcomeKind.ERROR, "FAILED", "CANCELLED"),
        (OutcomeKind.TIMEOUT, "FAILED", "CANCELLED"),
        (OutcomeKind.LOST, "FAILED", "CANCELLED"),
        (OutcomeKind.STOPPED, "CANCELLED", "CANCELLED"),
    ],
)
def test_a_stop_that_races_the_end_has_one_outcome(
    deck: Deck, kind: OutcomeKind, alone: str, after_a_stop: str
) -> None:
    worker = Worker(deck)
    for stop, expected in ((False, alone), (True, after_a_stop)):
        run = deck.runs.start("greet")
        (claim,) = worker.claim()
        if stop:
            assert deck.runs.stop(run.id, "enough").shown_status(run.created_at) == "CANCELLING"
            assert worker.claims.stops_requested() == {run.id: claim.fence}
        worker.end(claim, kind)
        found = deck.runs.get(run.id)
        assert found.status == expected
        assert (found.stop_reason, found.stop_requested_by) == (("enough", "System") if stop else (None, None))
        with pytest.raises(Conflict):
            deck.runs.stop(run.id)
        assert deck.runs.get(run.id) == found


def test_log_lines_are_numbered_without_gaps_and_read_by_cursor(deck: Deck) -> None:
    run = deck.runs.start("greet")
    worker = Worker(deck)
    (claim,) = worker.claim()
    for number in range(25):
        worker.log(claim, f"line {number}")
    seen, after = [], 0
    while True:
        page = deck.runs.logs(run.id, after=after, limit=10)
        seen += [entry.message for entry in page.entries]
        after = page.next
        if not page.entries:
            break
    assert seen == [f"line {number}" for number in range(25)]
    newest = deck.runs.logs(run.id, newest=True, limit=3)
    assert [entry.seq for entry in newest.entries] == [23, 24, 25]


class Lives(RuleBasedStateMachine):
    """Any order of requests, claims, ends, stops and deaths keeps the invariants."""

    deck: Deck
    queued = Bundle("queued")
    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.workers = [Worker(self.deck) for _ in range(2)]
        self.seen: dict[str, tuple[Status, int]] = {}
        self.final: dict[str, Any] = {}
        self.stopped_before_start: set[str] = set()
        self.ids: list[str] = []
        self.begun: set[tuple[str, int]] = set()

    @rule(target=queued)
    def enqueue(self) -> str:
        self.ids.append(self.deck.runs.start("greet").id)
        return self.ids[-1]

    @rule(target=held, who=st.integers(0, 1), wanted=st.integers(1, 3))
    def claim(self, who: int, wanted: int) -> list[tuple[int, Claim]]:
        won = self.workers[who].claim(wanted)
        assert not self.stopped_before_start & {claim.id for claim in won}
        return [(who, claim) for claim in won]

    @rule(claims=held, kind=st.sampled_from(OutcomeKind), times=st.integers(1, 2))
    def end(self, claims: list[tuple[int, Claim]], kind: OutcomeKind, times: int) -> None:
        for who, claim in claims:
            for _ in range(times):
                self.workers[who].end(claim, kind)

    @rule(claims=held)
    def begin(self, claims: list[tuple[int, Claim]]) -> None:
        for who, claim in claims:
            self.workers[who].say(begun=[(claim, self.workers[who].now(), 1)])
            self.begun.add((claim.id, claim.fence))

    @rule(claims=held)
    def give_back(self, claims: list[tuple[int, Claim]]) -> None:
        for who, claim in claims:
            if (claim.id, claim.fence) not in self.begun:
                self.workers[who].say(released=[claim])

    @rule(claims=held)
    def log(self, claims: list[tuple[int, Claim]]) -> None:
        for who, claim in claims:
            self.workers[who].log(claim, "line")

    @rule(run_id=queued)
    def stop(self, run_id: str) -> None:
        before = self.deck.runs.get(run_id)
        try:
            after = self.deck.runs.stop(run_id)
        except Conflict:
            assert before.is_final
            return
        if before.status is Status.QUEUED:
            assert after.status is Status.CANCELLED
            self.stopped_before_start.add(run_id)

    @rule(who=st.integers(0, 1))
    def die(self, who: int) -> None:
        self.workers[who].die()
        self.workers[who] = Worker(self.deck)

    @invariant()
    def only_known_transitions_and_final_is_final(self) -> None:
        with self.deck.database.read() as connection:
            rows = connection.execute(select(tables.runs)).fetchall()
        for row in rows:
            status = Status(row.status)
            before, fence = self.seen.get(row.id, (Status.QUEUED, 0))
            assert row.fence >= fence
            reachable = {before} | {new for old, new in TRANSITIONS if old is before}
            through = {new for old, new in TRANSITIONS if old in reachable}
            assert status in reachable | through
            if before.is_final:
                assert (status, row.reason, row.ended_at, row.result) == self.final[row.id]
            if status.is_final:
                self.final.setdefault(row.id, (status, row.reason, row.ended_at, row.result))
                assert row.ended_at is not None
            assert (row.owner is not None) or status is not Status.RUNNING
            assert row.stop_requested_at is None or status is not Status.QUEUED
            assert 0 <= row.attempt <= row.max_attempts
            self.seen[row.id] = (status, row.fence)
        assert {row.id for row in rows} == set(self.ids)

    @invariant()
    def attempts_are_starts(self) -> None:
        with self.deck.database.read() as connection:
            made = [(row.run_id, row.attempt) for row in connection.execute(select(tables.attempts))]
            counted = {row.id: row.attempt for row in connection.execute(select(tables.runs)) if row.ended_at}
        assert len(made) == len(set(made))
        assert {run_id for run_id, _ in made} <= set(self.ids)
        for run_id, attempts in counted.items():
            assert sorted(number for of, number in made if of == run_id) == list(range(1, attempts + 1))

    @invariant()
    def the_last_run_of_each_status_is_remembered(self) -> None:
        with self.deck.database.read() as connection:
            remembered = {row.status: row.run_id for row in connection.execute(select(tables.last_runs))}
            ended = [row for row in connection.execute(select(tables.runs)) if row.ended_at]
        assert remembered == {row.status: row.id for row in sorted(ended, key=lambda row: row.id)}

    @invariant()
    def lines_are_numbered_without_gaps(self) -> None:
        with self.deck.database.read() as connection:
            lines: dict[str, list[int]] = {}
            for row in connection.execute(select(tables.log_entries).order_by(tables.log_entries.c.seq)):
                lines.setdefault(row.run_id, []).append(row.seq)
        assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in lines.values())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_any_order_of_events_keeps_the_invariants(deck: Deck, database_url: str, tmp_path: Path) -> None:
    _run_lives(deck, examples=40, steps=40)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_any_order_of_events_keeps_the_invariants_on_postgresql(deck: Deck, database_url: str) -> None:
    _run_lives(deck, examples=8, steps=20)


def _run_lives(deck: Deck, examples: int, steps: int) -> None:
    class OnThisDeck(Lives):
        def __init__(self) -> None:
            with self.deck.database.write() as connection:
                for table in (tables.runs, tables.attempts, tables.log_entries, tables.run_events, tables.last_runs):
                    connection.execute(table.delete())
            super().__init__()

    OnThisDeck.deck = deck
    checks = list(HealthCheck)
    run_state_machine_as_test(
        OnThisDeck,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks
        ),
    )
