"""The model: any order of starts, claims, ends, deaths, stops and waits, and what has to hold after each step."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from jobdeck import Deck, RetryPolicy, job_type
from jobdeck.core.ids import new_id
from jobdeck.core.lease import Beat
from jobdeck.core.new_run import NewRun
from jobdeck.core.outcome import OutcomeKind
from jobdeck.core.run import Status, Trigger
from jobdeck.errors import Conflict
from jobdeck.services.holder import Claim
from jobdeck.services.lifecycle import RELEASES_LIMIT, rescue
from jobdeck.services.rescue import Rescue
from jobdeck.store import lines, tables
from jobdeck.store.claims import held_by

from . import walls
from .conftest import TurnedClock
from .stand_in import Worker

S = 1_000_000
HEALING_ROUNDS = 12
FAR_TOO_MANY = 1000


@job_type(retry=RetryPolicy(3, backoff="10s", jitter=0))
def fragile() -> None: ...


@job_type(limit=1, retry=RetryPolicy(2, backoff="1m", jitter=0))
def single() -> None: ...


@job_type(limit=2, limit_policy="skip")
def skipping() -> None: ...


TYPES = (fragile, single, skipping)
PLAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("greet", {}),
    "fragile": ("fragile", {}),
    "single": ("single", {}),
    "urgent single": ("single", {"priority": 5}),
    "skipping": ("skipping", {}),
    "delayed": ("greet", {"start_in": 30}),
    "delayed single": ("single", {"start_in": 30, "priority": 10}),
    "expiring": ("fragile", {"expires_in": 60}),
}


@dataclass(eq=False)
class Held:
    """A claim in the hands of the worker that won it, as it believes."""

    worker: Worker
    claim: Claim

    @property
    def key(self) -> tuple[str, int]:
        return self.claim.id, self.claim.fence


def walled(deck: Deck) -> Deck:
    """The deck with the model's types, behind the second wall."""
    deck.register(*TYPES)
    with deck.database.write() as connection:
        walls.build(connection)
    return deck


def live(deck: Deck, clock: TurnedClock, kind: type[Lives] | None = None, **told: Any) -> None:
    """Let the model live on this deck."""
    machine = type("OnThisDeck", (kind or Lives,), {"deck": deck, "clock": clock})
    run_state_machine_as_test(
        machine, settings=settings(deadline=None, suppress_health_check=list(HealthCheck), **told)
    )


class Lives(RuleBasedStateMachine):
    """Runs through the real services. What a worker lost, it goes on talking about, as it does not know better."""

    deck: Deck
    clock: TurnedClock
    runs = Bundle("runs")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        with self.deck.database.write() as connection:
            for table in (tables.runs, tables.attempts, tables.dependencies, tables.run_events, tables.last_runs,
                          tables.types, tables.limits, tables.audit):  # fmt: skip
                connection.execute(table.delete())
        self.workers = [Worker(self.deck) for _ in range(2)]
        self.allowed: dict[str, int] = {}
        self.hands: list[Held] = []
        self.won: set[tuple[str, int]] = set()
        self.begun: dict[str, set[int]] = defaultdict(set)
        self.stopped: set[str] = set()
        self.beats: Counter[tuple[str, int]] = Counter()
        self.seen: list[tuple[Beat, int]] = []
        self.before: dict[str, Any] = {}

    # What people and code do

    @initialize(target=runs, kinds=st.lists(st.sampled_from(sorted(PLAIN)), min_size=2, max_size=5))
    def begin_with_some(self, kinds: list[str]) -> Any:
        return multiple(*(self.start(kind) for kind in kinds))

    @initialize(target=claims, wanted=st.integers(0, 3))
    def begin_at_work(self, wanted: int) -> Any:
        return self.claim(0, wanted) if wanted else multiple()

    @rule(target=runs, kind=st.sampled_from(sorted(PLAIN)))
    def start(self, kind: str) -> str:
        target, told = PLAIN[kind]
        return self._made(self.deck.runs.start(target, **told))

    @rule(target=runs, key=st.sampled_from("ab"), policy=st.sampled_from(["reject", "existing", "replace"]))
    def start_unique(self, key: str, policy: str) -> Any:
        try:
            run = self.deck.runs.start("fragile", unique_key=key, unique_policy=policy)
        except Conflict:
            assert policy == "reject"
            return multiple()
        return multiple() if run.id in self.allowed else self._made(run)

    @rule(target=runs, parents=st.lists(runs, min_size=1, max_size=3), need=st.sampled_from(["success", "end"]))
    def start_after(self, parents: list[str], need: str) -> str:
        return self._made(self.deck.runs.start("greet", after=parents, after_need=need))

    @rule(run_id=runs)
    def stop(self, run_id: str) -> None:
        before = self.deck.runs.get(run_id)
        try:
            after = self.deck.runs.stop(run_id)
        except Conflict:
            assert before.is_final
            return
        if before.status is Status.QUEUED:
            assert (after.status, after.reason) == (Status.CANCELLED, "stopped")
            self.stopped.add(run_id)

    # What workers do

    @rule(target=claims, who=st.integers(0, 1), wanted=st.integers(1, 3))
    def claim(self, who: int, wanted: int) -> Any:
        worker = self.workers[who]
        won = self._win(worker, wanted)
        assert len(won) <= wanted
        rows = self._rows()
        waits_for = self._open_parents(rows)
        now = self.clock.us
        for one in won:
            row = rows[one.id]
            assert (row.status, row.owner, row.fence) == ("RUNNING", worker.holder.id, one.fence)
            assert (one.id, one.fence) not in self.won, "a claim was won twice"
            assert one.id not in self.stopped, "started after its stop"
            assert row.stop_requested_at is None, "started after a stop was asked"
            assert row.available_at <= now, "started too early"
            has_begun_before = row.attempt > 1
            assert has_begun_before or row.expires_at is None or row.expires_at > now - 10, "started too late"
            assert not waits_for[one.id], "started before what it waits for"
            self.won.add((one.id, one.fence))
        hands = [Held(worker, one) for one in won]
        self.hands += hands
        return multiple(*hands)

    @rule(held=claims)
    def begin(self, held: Held) -> None:
        if self._tell(held, lambda: held.worker.say(begun=[(held.claim, held.worker.now(), 1)])):
            self.begun[held.claim.id].add(held.claim.fence)

    @rule(
        held=claims,
        kind=st.sampled_from(OutcomeKind),
        retry=st.sampled_from([True, True, False, 5.0]),
        is_stopped=st.booleans(),
    )
    def end(self, held: Held, kind: OutcomeKind, retry: bool | float, is_stopped: bool) -> None:
        if is_stopped:
            self.stop(held.claim.id)
        if self._tell(held, lambda: held.worker.end(held.claim, kind, retry=retry)):
            self.begun[held.claim.id].add(held.claim.fence)

    @rule(held=claims, is_stopped=st.booleans())
    def give_back(self, held: Held, is_stopped: bool) -> None:
        if is_stopped:
            self.stop(held.claim.id)
        if held.claim.fence not in self.begun[held.claim.id]:
            self._tell(held, lambda: held.worker.say(released=[held.claim]))

    @rule(held=claims)
    def beat(self, held: Held) -> None:
        is_held = self._tell(held, lambda: self._learns(held))
        if is_held:
            self.beats[held.key] += 1

    @rule(held=claims)
    def progress(self, held: Held) -> None:
        claim, owner = held.claim, held.worker.holder.id
        self._tell(held, lambda: held.worker.say(progress={claim.id: (1, 2, None, claim.id, owner, claim.fence)}))

    @rule(target=runs, held=claims, count=st.integers(1, 2), returns=st.booleans())
    def spawn(self, held: Held, count: int, returns: bool) -> Any:
        parent, made = held.claim, []
        for _ in range(count):
            now = held.worker.now()
            child = NewRun(
                id=new_id(now), tenant=parent.tenant, type="fragile", queue="default", trigger=Trigger.PARENT.value,
                principal_id=None, principal_name=None, available_at=now, order_at=now, created_at=now,
                parent_id=parent.id, max_attempts=2,
            )  # fmt: skip
            if self._tell(held, partial(held.worker.say, spawned=[(parent, child.row())])):
                self.begun[parent.id].add(parent.fence)
                self.allowed[child.id] = child.max_attempts
                made.append(child.id)
        if returns:
            self.end(held, OutcomeKind.SUCCESS, True, False)
        return multiple(*made)

    # What happens to workers

    @rule(target=claims, who=st.integers(0, 1), is_followed=st.booleans())
    def die(self, who: int, is_followed: bool) -> Any:
        """It is taken for dead; others go on with its runs; and it speaks of them all the same."""
        dead = self.workers[who]
        self._bury(dead.holder.id)
        self.workers[who] = Worker(self.deck)
        won = self.claim(1 - who, 3) if is_followed else multiple()
        for held in [one for one in self.hands if one.worker is dead]:
            self.give_back(held, False)
            self.end(held, OutcomeKind.ERROR, True, False)
            self.end(held, OutcomeKind.SUCCESS, True, False)
            self.beat(held)
        return won

    @rule(held=claims)
    def live_while_watched(self, held: Held) -> None:
        self.observe()
        self.beat(held)
        self.take_the_silent()

    @rule()
    def observe(self) -> None:
        self.seen = [(beat, self.beats[beat[0], beat[2]]) for beat in Rescue(self.deck.database).heartbeats()]

    @rule()
    def take_the_silent(self) -> None:
        before = self._rows()
        Rescue(self.deck.database).take([beat for beat, _ in self.seen], None, self.workers[0].now())
        after = self._rows()
        for (run_id, owner, fence, _), count in self.seen:
            row = before[run_id]
            is_held = (row.status, row.owner, row.fence) == ("RUNNING", owner, fence)
            if is_held and self.beats[run_id, fence] != count:
                # It may be asked to stop, when its parent was taken.
                left = after[run_id]
                assert (left.status, left.owner, left.fence) == ("RUNNING", owner, fence), "taken from one that lives"
            elif is_held:
                assert (after[run_id].owner, after[run_id].fence) != (owner, fence) or after[run_id].ended_at
                self.begun[run_id].add(fence)

    @rule()
    def tend(self) -> None:
        self.workers[0].tend()

    @rule(seconds=st.sampled_from([1, 20, 61, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.clock.us += seconds * S

    # What holds after every step

    @invariant()
    def everything_holds(self) -> None:
        rows = self._rows()
        self._nothing_changes_as_it_must_not(rows)
        self._starts_are_bounded_and_kept(rows)
        self._no_more_at_once_than_allowed(list(rows.values()))
        for row in rows.values():
            if row.parent_id is not None and row.ended_at is None:
                assert rows[row.parent_id].ended_at is None, "a parent ended before its sub-run"

    def _nothing_changes_as_it_must_not(self, rows: dict[str, Any]) -> None:
        assert rows.keys() == self.allowed.keys()
        for run_id, row in rows.items():
            before = self.before.get(run_id)
            if before is not None:
                assert row.fence >= before.fence, "a fence fell"
                if before.ended_at is not None:
                    assert _kept(row) == _kept(before), "a finished run changed"
            is_final = Status(row.status).is_final
            assert is_final is (row.ended_at is not None)
            assert row.status != "RUNNING" or row.owner is not None or row.body_kind is not None, "held by nobody"
            assert row.status != "QUEUED" or (row.owner, row.stop_requested_at) == (None, None)
        self.before = rows

    def _starts_are_bounded_and_kept(self, rows: dict[str, Any]) -> None:
        with self.deck.database.read() as connection:
            made: dict[str, list[tuple[int, str | None]]] = defaultdict(list)
            for one in connection.execute(select(tables.attempts).order_by(tables.attempts.c.attempt)):
                made[one.run_id].append((one.attempt, one.outcome))
        for run_id, row in rows.items():
            most = self.allowed[run_id] + row.releases
            assert row.releases <= RELEASES_LIMIT, "released too often"
            assert row.attempt <= row.max_attempts == most, "more attempts than allowed"
            assert len(self.begun[run_id]) <= most, "begun more often than allowed"
            if row.ended_at is not None:
                assert [number for number, _ in made[run_id]] == list(range(1, row.attempt + 1)), "attempts are missing"
                assert all(outcome for _, outcome in made[run_id]), "an attempt is open"

    def _no_more_at_once_than_allowed(self, rows: list[Any]) -> None:
        most = {row.limit_key: row.limit_n for row in rows if row.limit_key}
        at_work = Counter(row.limit_key for row in rows if row.limit_key and row.status == "RUNNING")
        assert all(at_work[key] <= n for key, n in most.items()), "a limit is exceeded"
        live = Counter(row.unique_key for row in rows if row.unique_key and not row.ended_at)
        assert all(count == 1 for count in live.values()), "two live runs have one key"

    # And in the end

    def teardown(self) -> None:
        """Everybody dies, faults stop, time passes: everything ends, within a few rounds."""
        for owner in {row.owner for row in self._rows().values() if row.owner and row.status == "RUNNING"}:
            self._bury(owner)
        with self.deck.database.write() as connection:
            for type_id in [one.id for one in connection.execute(select(tables.types))]:
                lines.resume(connection, "type", "default", type_id)
        worker, ended = Worker(self.deck), 0
        for _ in range(HEALING_ROUNDS):
            self.clock.us += 7200 * S
            worker.tend()
            while claims := self._win(worker, 50):
                ended += len(claims)
                assert ended < FAR_TOO_MANY, "runs are claimed again and again"
                for one in claims:
                    worker.end(one)
            if all(row.ended_at is not None for row in self._rows().values()):
                break
        live = [(row.id, row.status, row.parked) for row in self._rows().values() if row.ended_at is None]
        assert not live, f"stuck: {live}"

    # Helpers

    def _win(self, worker: Worker, wanted: int) -> list[Claim]:
        return worker.claim(wanted)

    def _made(self, run: Any) -> str:
        self.allowed[run.id] = run.max_attempts
        return str(run.id)

    def _rows(self) -> dict[str, Any]:
        with self.deck.database.read() as connection:
            return {row.id: row for row in connection.exec_driver_sql("SELECT * FROM jobdeck_run")}

    def _open_parents(self, rows: dict[str, Any]) -> dict[str, list[str]]:
        found = defaultdict(list)
        with self.deck.database.read() as connection:
            for one in connection.execute(select(tables.dependencies)):
                parent = rows[one.after_id]
                succeeded = parent.status in ("SUCCESS", "PARTIAL_SUCCESS", "WARNING")
                if parent.ended_at is None or (one.need == "success" and not succeeded):
                    found[one.run_id].append(one.after_id)
        return found

    def _tell(self, held: Held, tell: Callable[[], Any]) -> bool:
        """Whether the worker held the run when it told; told by anybody else it must change nothing."""
        before, attempts = self._rows()[held.claim.id], self.deck.runs.attempts(held.claim.id)
        is_held = (before.status, before.owner, before.fence) == ("RUNNING", held.worker.holder.id, held.claim.fence)
        tell()
        if not is_held:
            assert self._rows()[held.claim.id] == before, "whoever holds it no more changed it"
            assert self.deck.runs.attempts(held.claim.id) == attempts, "whoever holds it no more changed its attempts"
        return is_held

    def _learns(self, held: Held) -> None:
        row = self._rows()[held.claim.id]
        is_held = (row.status, row.owner, row.fence) == ("RUNNING", held.worker.holder.id, held.claim.fence)
        told = held.worker.say(alive=[held.claim])
        assert bool(told) is not is_held, "a worker does not learn whether it still holds a run"

    def _bury(self, owner: str) -> None:
        """What a rescuer does on the host of a dead worker, where it sees what had begun."""
        holder = next((w.holder for w in self.workers if w.holder.id == owner), self.workers[0].holder)
        with self.deck.database.write() as connection:
            held = held_by(connection, owner)
            rescue(connection, holder, held, lambda claim: claim.fence in self.begun[claim.id], self.workers[0].now())


def _kept(row: Any) -> dict[str, Any]:
    """What never changes any more when a run has ended: deliveries that come too late are counted all the same."""
    return {name: value for name, value in row._mapping.items() if name != "fenced"}
