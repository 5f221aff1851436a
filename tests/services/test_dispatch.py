"""Ringing engines: what is rung for when, and that whatever is lost, doubled or refused on the way loses no run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from jobdeck import Deck, job_type
from jobdeck.core.outcome import OutcomeKind
from jobdeck.core.ring import Ring
from jobdeck.errors import EngineError
from jobdeck.services import dispatch, dispatching
from jobdeck.services.claims import Report
from jobdeck.services.dispatch import Dispatch
from jobdeck.services.rings import Rings
from jobdeck.store.statements import fetch

from .conftest import TurnedClock
from .stand_in import QuietEngine, Worker, together

S = 1_000_000
PATIENCE_US = 60 * S


@job_type
def greet(name: str = "Ada") -> str:
    """Say hello."""
    return name


@job_type(limit=1)
def alone() -> None:
    """One at a time."""


@job_type(limit=1, limit_policy="skip")
def now_or_never() -> None:
    """One at a time, and nobody waits."""


class Post(QuietEngine):
    """An engine that keeps what it is given, in the order in which it was."""

    def __init__(self, name: str = "post") -> None:
        self.name = name
        self.sent: list[Ring] = []
        self.is_away = False
        self.takes: int | None = None
        self.told_depth: int | None = 0
        self.asked = 0
        self.on_ring: Callable[[], Any] = lambda: None

    def ring(self, rings: Sequence[Ring]) -> int:
        self.on_ring()
        if self.is_away:
            raise EngineError("The post office is closed.")
        taken = len(rings) if self.takes is None else self.takes
        self.sent += rings[:taken]
        return taken

    def depth(self, queue: str) -> int | None:
        self.asked += 1
        if self.is_away:
            raise EngineError("The post office is closed.")
        return self.told_depth

    @property
    def runs(self) -> list[str]:
        return [ring.run_id for ring in self.sent]


class Site:
    """A deck with its queues on engines, one dispatcher, and time that moves when a test says so."""

    def __init__(self, deck: Deck, clock: TurnedClock) -> None:
        self.deck = deck
        self.clock = clock
        self.post = Post()
        self.dispatch = Dispatch(deck.office, {"post": self.post})
        self.rings = Rings(deck.database, PATIENCE_US)

    def start(self, target: str = "greet", **options: Any) -> str:
        return self.deck.runs.start(target, **options).id

    def step(self) -> list[str]:
        """The runs that one step rings for."""
        before = len(self.post.sent)
        self.dispatch.step()
        return self.post.runs[before:]

    def wait(self, seconds: float) -> None:
        self.clock.us += int(seconds * S)

    def column(self, name: str, run_id: str) -> Any:
        with self.deck.database.read() as connection:
            return fetch(connection, f"SELECT {name} FROM jobdeck_run WHERE id = ?", (run_id,))[0][0]

    def deliver(self, worker: Worker, *rings: Ring) -> list[str]:
        """What a worker wins that is given these rings; it says which of them won nothing."""
        room: dict[str, int] = {}
        for ring in rings:
            room[ring.queue] = room.get(ring.queue, 0) + 1
        won = worker.claims.exchange(Report(), len(rings), worker.now(), room).won
        self.rings.spent(rings[len(won) :], worker.now())
        return [claim.id for claim in won]


def made(database_url: str, tmp_path: Path, clock: TurnedClock, engines: str) -> Deck:
    deck = Deck(
        job_types=[greet, alone, now_or_never], home=tmp_path / "home", database_url=database_url, clock=clock,
        queues="default,slow,near", engines=engines,
    )  # fmt: skip
    deck.upgrade_database()
    return deck


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that failed is tried again with the next step, as steps here follow one another at once."""
    monkeypatch.setattr(dispatching, "FIRST_BACKOFF_S", 0.0)
    monkeypatch.setattr(dispatching, "DEPTH_S", 0.0)


@pytest.fixture
def site(database_url: str, tmp_path: Path, clock: TurnedClock) -> Iterator[Site]:
    deck = made(database_url, tmp_path, clock, "default=post,slow=post:snail")
    found = Site(deck, clock)
    yield found
    found.dispatch.close()
    deck.close()


# What is rung for


def test_a_run_of_a_queue_on_an_engine_is_rung_for_once(site: Site) -> None:
    run = site.start()
    assert site.step() == [run]
    assert site.step() == []
    assert site.post.sent == [Ring(run_id=run, number=1, queue="default")]


def test_a_run_of_a_queue_in_the_database_never_is(site: Site) -> None:
    run = site.start(queue="near")
    site.wait(1_000_000)
    assert site.step() == []
    assert (site.column("ring_at", run), site.dispatch.adopt()) == (None, 0)


def test_many_are_rung_for_in_their_order_in_batches_of_all_queues(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatching, "SHARE", 3)
    monkeypatch.setattr(dispatching, "BATCH", 6)
    many = list(site.deck.runs.start_many("greet", [{}] * 7))
    few = list(site.deck.runs.start_many("greet", [{}] * 2, queue="slow"))
    first = site.dispatch.step()
    assert (first.rung, first.is_behind) == (5, True)
    assert site.post.runs == many[:3] + few
    assert [site.dispatch.step().is_behind for _ in range(3)] == [True, False, False]
    assert site.post.runs == many[:3] + few + many[3:]


def test_what_was_rolled_back_is_not_rung_for(site: Site) -> None:
    """The run is its own entry in the outbox, in the transaction of whoever enqueues."""
    engine = create_engine(site.deck.database.engine.url)
    with engine.connect() as theirs:
        with theirs.begin() as transaction:
            site.deck.runs.start("greet", connection=theirs)
            transaction.rollback()
        assert site.step() == []
        with theirs.begin():
            run = site.deck.runs.start("greet", connection=theirs).id
            if not site.deck.database.is_sqlite:
                assert site.step() == []
        assert site.step() == [run]
    engine.dispose()


def test_nothing_is_sent_before_it_is_committed_that_it_is(site: Site) -> None:
    run = site.start()
    seen = []
    site.post.on_ring = lambda: seen.append((site.column("rings", run), site.column("ring_at", run) > site.clock.us))
    site.step()
    assert seen == [(1, True)]


def test_a_delayed_run_is_rung_for_when_it_may_begin(site: Site) -> None:
    run = site.start(start_in=90)
    assert site.step() == []
    assert site.dispatch.next_due() == pytest.approx(site.clock.us + 90 * S, abs=S)
    site.wait(91)
    assert site.step() == [run]


def test_a_run_of_what_is_paused_is_rung_for_when_that_is_resumed(site: Site) -> None:
    site.deck.queues.pause("slow")
    site.deck.types.pause("alone")
    slow, only = site.start(queue="slow"), site.start("alone")
    assert site.step() == []
    site.deck.queues.resume("slow")
    assert site.step() == [slow]
    site.deck.types.resume("alone")
    assert site.step() == [only]


def test_a_dependent_is_rung_for_when_its_turn_has_come(site: Site) -> None:
    first = site.start()
    second = site.start(after=[first])
    assert site.step() == [first]
    worker = Worker(site.deck)
    worker.end(worker.claim()[0])
    assert site.step() == [second]


def test_runs_of_a_full_limit_are_rung_for_one_after_the_other(site: Site) -> None:
    runs = [site.start("alone") for _ in range(4)]
    other = site.start()
    worker = Worker(site.deck)
    assert (sorted(site.step()), site.step()) == (sorted([runs[0], other]), [])
    for number in range(4):
        claim = next(claim for claim in worker.claim(2) if claim.type == "alone")
        assert claim.id == runs[number]
        assert site.step() == []
        worker.end(claim)
        assert site.step() == runs[number + 1 : number + 2]
    assert site.dispatch.next_due() is None or site.post.runs == [runs[0], other, *runs[1:]]


def test_what_does_not_wait_for_room_is_rung_for_so_that_it_ends(site: Site) -> None:
    runs = [site.start("now_or_never") for _ in range(2)]
    assert site.step() == runs
    worker = Worker(site.deck)
    assert site.deliver(worker, *site.post.sent) == runs[:1]
    assert site.deck.runs.get(runs[1]).reason == "skipped"


def test_a_limited_queue_is_rung_for_as_far_as_it_has_room(site: Site) -> None:
    site.deck.queues.limit("slow", 2)
    runs = [site.start(queue="slow") for _ in range(4)]
    worker = Worker(site.deck)
    assert (site.step(), site.step()) == (runs[:2], [])
    claims = worker.claim(4)
    assert (len(claims), site.step()) == (2, [])
    worker.end(claims[0])
    assert (site.step(), site.step()) == (runs[2:3], [])


# What goes wrong on the way


def test_a_lost_message_is_sent_again_later_each_time(site: Site) -> None:
    run = site.start()
    assert site.step() == [run]
    for seconds in (60, 120, 240, 480, 960, 1800, 1800):
        site.wait(seconds - 1)
        assert site.step() == []
        assert site.dispatch.next_due() == pytest.approx(site.clock.us + S, abs=S // 10)
        site.wait(1)
        assert site.step() == [run]
    assert [ring.number for ring in site.post.sent] == list(range(1, 9))


def test_what_waits_at_the_engine_still_is_not_sent_twice(site: Site) -> None:
    run = site.start()
    site.step()
    site.post.told_depth = 1
    for _ in range(3):
        site.wait(61)
        assert site.step() == []
    new = site.start()
    assert site.step() == [new]
    site.post.told_depth = 1
    site.wait(61)
    assert sorted(site.step()) == sorted([run, new])


def test_messages_of_a_queue_that_shares_one_there_hide_no_loss(
    database_url: str, tmp_path: Path, clock: TurnedClock
) -> None:
    deck = made(database_url, tmp_path, clock, "default=post:one,slow=post:one")
    site = Site(deck, clock)
    runs = [site.start(), site.start(queue="slow"), site.start(queue="slow")]
    assert sorted(site.step()) == sorted(runs)
    site.post.told_depth = 2
    site.wait(61)
    assert sorted(site.step()) == sorted(runs)
    deck.close()


def test_an_engine_that_cannot_tell_is_rung_again(site: Site) -> None:
    run = site.start()
    site.step()
    site.post.told_depth = None
    site.wait(61)
    assert (site.step(), dict(site.dispatch.step().depths)) == ([run], {})


def test_an_engine_that_is_away_gets_everything_when_it_is_back(site: Site) -> None:
    runs = [site.start() for _ in range(5)]
    site.post.is_away = True
    for _ in range(3):
        done = site.dispatch.step()
        assert (done.rung, done.is_behind, done.problems) == (0, False, {"post": "The post office is closed."})
    assert {(site.column("rings", run), site.column("ring_at", run)) for run in runs} == {(0, 0)}
    site.post.is_away = False
    assert (site.step(), site.step()) == (runs[:1], runs[1:])
    assert site.dispatch.step().problems == {}


def test_an_engine_is_known_to_be_away_before_it_is_needed(site: Site) -> None:
    site.post.is_away = True
    assert site.dispatch.step().problems == {"post": "The post office is closed."}
    site.post.is_away = False
    assert site.dispatch.step().problems == {}


def test_what_an_engine_did_not_take_is_sent_with_the_next(site: Site) -> None:
    runs = [site.start() for _ in range(5)]
    site.post.takes = 2
    assert site.step() == runs[:2]
    site.post.takes = None
    assert site.step() == runs[2:]
    assert {site.column("rings", run) for run in runs} == {1}


def test_whatever_an_engine_raises_is_told_and_tried_again(site: Site) -> None:
    run = site.start()

    def break_down() -> None:
        raise ZeroDivisionError("by a stranger")

    site.post.on_ring = break_down
    assert site.dispatch.step().problems == {"post": "by a stranger"}
    site.post.on_ring = lambda: None
    assert site.step() == [run]


def test_a_crash_before_sending_delays_and_loses_nothing(site: Site) -> None:
    run = site.start()

    def crash() -> None:
        raise KeyboardInterrupt

    site.post.on_ring = crash
    with pytest.raises(KeyboardInterrupt):
        site.dispatch.step()
    site.post.on_ring = lambda: None
    assert Dispatch(site.deck.office, {"post": site.post}).step().rung == 0
    site.wait(61)
    assert site.step() == [run]


def test_a_broken_engine_never_delays_another(
    database_url: str, tmp_path: Path, clock: TurnedClock, until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "SLOW_S", 0.01)
    deck = made(database_url, tmp_path, clock, "default=post,slow=pigeon,near=stuck")
    post, pigeon, stuck = Post("post"), Post("pigeon"), Post("stuck")
    pigeon.is_away = True
    hangs: list[bool] = [True]
    stuck.on_ring = lambda: until(lambda: not hangs, 60)
    ringing = Dispatch(deck.office, {"post": post, "pigeon": pigeon, "stuck": stuck})
    for queue in ("near", "slow", "default"):
        deck.runs.start("greet", queue=queue)
    until(lambda: ringing.step() and post.sent, 60)
    for _ in range(3):
        deck.runs.start("greet")
    until(lambda: ringing.step() and len(post.sent) == 4, 60)
    assert (pigeon.sent, stuck.sent) == ([], [])
    hangs.clear()
    until(lambda: ringing.step() and stuck.sent, 60)
    assert set(ringing.step().problems) == {"pigeon"}
    ringing.close()
    deck.close()


# What deliveries do


def test_a_delivery_wins_what_is_first_in_line(site: Site) -> None:
    late, first = site.start(), site.start(priority=50)
    site.step()
    rings = {ring.run_id: ring for ring in site.post.sent}
    assert site.deliver(Worker(site.deck), rings[late]) == [first]
    assert site.deliver(Worker(site.deck), rings[first]) == [late]


def test_deliveries_win_nothing_of_other_queues(site: Site) -> None:
    slow = site.start(queue="slow")
    run = site.start()
    site.step()
    worker = Worker(site.deck)
    found = worker.claims.exchange(Report(), 5, worker.now(), {"default": 5}).won
    assert [claim.id for claim in found] == [run]
    assert worker.claims.exchange(Report(), 5, worker.now(), {"default": 5, "slow": 0, "other": 1}).won == []
    assert worker.claims.exchange(Report(), 5, worker.now(), {}).won == []
    assert [claim.id for claim in worker.claim(5)] == [slow]


def test_fifty_deliveries_of_one_message_run_it_once_and_are_counted(site: Site) -> None:
    run = site.start()
    site.step()
    workers = [Worker(site.deck) for _ in range(5)]
    won: list[str] = []
    for number in range(50):
        won += site.deliver(workers[number % 5], site.post.sent[0])
    assert (won, site.deck.runs.get(run).attempt, site.column("fenced", run)) == ([run], 1, 49)


def test_deliveries_that_come_together_win_once(site: Site) -> None:
    run = site.start()
    site.step()
    won: list[str] = []
    together(*[lambda: won.extend(site.deliver(Worker(site.deck), site.post.sent[0])) for _ in range(8)])
    assert (won, site.column("fenced", run)) == ([run], 7)


def test_a_run_that_could_not_be_won_is_rung_for_again_soon_and_never_in_a_rush(site: Site) -> None:
    run = site.start()
    unable = Worker(site.deck)
    unable.claims._query = unable.claims._query.__class__(("default",), ("other",), False, site.deck.database.is_sqlite)
    waited = []
    for number in range(11):
        assert site.step() == [run]
        assert site.deliver(unable, site.post.sent[-1]) == []
        waited.append((site.column("ring_at", run) - site.clock.us) / S)
        assert (site.step(), site.column("fenced", run), site.post.sent[-1].number) == ([], 0, number + 1)
        site.wait(waited[-1])
    assert waited == pytest.approx([0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60, 60], abs=0.01)


def test_unused_deliveries_are_given_back(site: Site) -> None:
    """Also those whose run was won by another delivery, which was meant for a run that waits still."""
    first, second = site.start(), site.start()
    site.step()
    mine, yours = site.post.sent
    assert site.deliver(Worker(site.deck), yours) == [first]
    site.rings.back([mine], site.clock.us)
    assert site.step() == [second]
    site.rings.back([mine], site.clock.us)
    assert site.step() == [second]
    assert site.column("fenced", first) == 0


def test_a_delivery_that_won_what_was_not_rung_for_leaves_nobody_behind(site: Site) -> None:
    late = site.start()
    site.step()
    first = site.start(priority=50)
    assert site.deliver(Worker(site.deck), site.post.sent[0]) == [first]
    assert site.step() == [late]


@pytest.mark.parametrize("way", ["retry", "given back", "released", "rescued", "died before"])
def test_what_is_queued_again_is_rung_for_at_once(site: Site, way: str) -> None:
    run = site.start(retry=3)
    site.step()
    worker = Worker(site.deck)
    (claim,) = worker.claims.exchange(Report(), 1, worker.now(), {"default": 1}).won
    match way:
        case "retry":
            worker.end(claim, OutcomeKind.ERROR)
        case "given back":
            worker.say(released=[claim])
        case "released":
            worker.end(claim, OutcomeKind.RELEASED)
        case _:
            worker.die(begun=way == "rescued")
    site.wait(timedelta(minutes=10).total_seconds())
    assert (site.column("rings", run), site.column("ring_at", run)) == (0, 0)
    assert site.step() == [run]
    assert site.post.sent[-1].number == 1


# Several dispatchers, and settings that change


def test_two_dispatchers_ring_for_each_run_and_seldom_twice(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatching, "BATCH", 40)
    runs = list(site.deck.runs.start_many("greet", [{}] * 300))
    other = Dispatch(site.deck.office, {"post": site.post})

    def ring_all(one: Dispatch) -> None:
        for _ in range(60):
            one.step()

    together(lambda: ring_all(site.dispatch), lambda: ring_all(other))
    assert sorted(site.post.runs) == sorted(runs)
    other.close()


def test_runs_of_a_queue_that_comes_to_an_engine_are_adopted(
    database_url: str, tmp_path: Path, clock: TurnedClock, site: Site
) -> None:
    first, second = site.start(queue="near"), site.start("alone", queue="near")
    parked = [site.start("alone", queue="near"), site.start(queue="near", after=[first])]
    worker = Worker(site.deck, ("near",))
    claims = worker.claim(3)
    assert [claim.id for claim in claims] == [first, second]
    moved = made(database_url, tmp_path, clock, "near=post")
    there = Site(moved, clock)
    queued = there.deck.runs.start("greet", queue="near").id
    assert (there.step(), there.dispatch.adopt()) == ([queued], 2)
    for claim in claims:
        worker.end(claim)
    assert sorted(there.step()) == sorted(parked)
    moved.close()


def test_a_queue_that_goes_back_to_the_database_is_served_whatever_was_rung(site: Site) -> None:
    run = site.start()
    site.step()
    assert [claim.id for claim in Worker(site.deck).claim()] == [run]
