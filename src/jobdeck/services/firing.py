"""Firing: each planned time of a schedule becomes one row, written with the run that it makes in one transaction.

Any number of schedulers may do this at once. What was read for a plan is looked at again under the lock of the schedule's
row; a planned time has one row by its key, and `served_until` keeps old ones from coming back when rows are deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from ..core import zones
from ..core.ids import new_id
from ..core.new_run import NewRun
from ..core.permissions import Action
from ..core.principal import SYSTEM
from ..core.run import Status
from ..core.schedule import Overlap, timing_of
from ..core.text import one_line
from ..core.tick import TickKind, TickReason
from ..errors import InvalidInput, Occupied, StoreError
from ..store import audit, firing
from ..store.statements import Lane, set_apart
from . import aftermath, immediate, storing
from .authority import Authority
from .fire_plans import FirePlan, FirePlans, Guard, Planned, times
from .office import Office

logger = logging.getLogger(__name__)

SCHEDULES_AT_ONCE = 1000


@dataclass(slots=True)
class Fired:
    """What one step did: how many planned times it accounted for, and how many runs it made."""

    ticks: int = 0
    runs: int = 0
    is_behind: bool = False
    """More is due already."""


@dataclass(slots=True)
class _Wish:
    """A run to be stored by itself: after others, in place of others, or under a limit."""

    plan: FirePlan
    planned: Planned
    new: NewRun
    after: list[str] = field(default_factory=list)
    replaces: list[tuple[str, str]] = field(default_factory=list)


class Firing:
    """The scheduler's work, without its loop. `guard` is entered around an application's code."""

    def __init__(self, office: Office, authority: Authority, guard: Guard = nullcontext) -> None:
        self._office = office
        self._database = office.database
        self._plans = FirePlans(office, authority, guard)

    def step(self) -> Fired:
        """Account for planned times up to now, of a thousand schedules at most. StoreError leaves nothing written.

        Runs on an engine that executes at once have ended when this returns.
        """
        now_us = self._office.clock.now_us()
        with self._database.read() as connection:
            due = firing.due(connection, now_us, SCHEDULES_AT_ONCE, self._plans.undecided(now_us))
        if not due:
            return Fired()
        done = self._carry_out(due, now_us)
        if done.runs:
            self._office.bell.ring()
        return done

    def next_due(self) -> int | None:
        """The earliest planned time that is not accounted for (microseconds since 1970)."""
        with self._database.read() as connection:
            return firing.next_due(connection)

    def plan_anew(self) -> int:
        """Compute again what other time zone data has led to; how many schedules."""
        changed = 0
        while True:
            with self._database.write_quickly() as lane:
                found = firing.of_other_zones(lane, zones.VERSION, SCHEDULES_AT_ONCE)
                rows = [(_next(one), zones.VERSION, one.id, one.version) for one in found]
                changed += firing.plan_anew(lane, rows)
            if len(found) < SCHEDULES_AT_ONCE:
                return changed

    def _carry_out(self, due: Sequence[firing.Due], now_us: int) -> Fired:
        try:
            return self._record(self._plans.make(due, now_us), now_us)
        except StoreError:
            raise
        except Exception:  # whatever the database finds wrong with one of them must not stop the others
            logger.exception("%d schedules could not be served together", len(due))
        done = Fired()
        for one in due:
            more = self._carry_out_alone(one, now_us)
            done = Fired(done.ticks + more.ticks, done.runs + more.runs, done.is_behind or more.is_behind)
        return done

    def _carry_out_alone(self, due: firing.Due, now_us: int) -> Fired:
        try:
            return self._record(self._plans.make([due], now_us), now_us)
        except StoreError:
            raise
        except Exception as error:  # as above
            logger.exception("schedule %s could not be served", due.id)
            plan = times(due, now_us)
            plan.breaks(f"It could not be started: {error}")
        try:
            return self._record([plan], now_us)
        except StoreError:
            raise
        except Exception:  # it is tried again; the others must have their turn
            logger.exception("schedule %s could not be said to be broken", due.id)
            return Fired()

    def _record(self, plans: Sequence[FirePlan], now_us: int) -> Fired:
        """Write it all down: the planned times, their runs, and where the schedules stand."""
        with self._database.write_quickly() as lane:
            locked = firing.lock(lane, [plan.due for plan in plans])
            ours = [plan for plan in plans if plan.due.id in locked]
            wishes = _resolve(ours, _live(lane, ours))
            _add_ticks(lane, ours, now_us)
            _store(lane, ours, wishes, now_us)
            firing.served(lane, [_served(plan) for plan in ours])
            _pause(lane, [plan for plan in ours if plan.pause is not None], now_us)
        for plan in ours:
            _tell(plan)
        made = [one for plan in ours for one in plan.planned]
        immediate.ring(self._office, [one.new for one in made if one.new is not None])
        is_behind = any(plan.next_fire_at is not None and plan.next_fire_at <= now_us for plan in ours)
        return Fired(len(made), sum(one.new is not None for one in made),
                     is_behind or (bool(ours) and len(plans) == SCHEDULES_AT_ONCE))  # fmt: skip


def _live(lane: Lane, plans: Sequence[FirePlan]) -> dict[str, list[tuple[str, str]]]:
    """The live runs of those schedules whose overlap policy asks for them."""
    asking = [plan.due.id for plan in plans if plan.due.overlap != Overlap.ALLOW and _makes_runs(plan)]
    return firing.live_runs(lane, asking) if asking else {}


def _makes_runs(plan: FirePlan) -> bool:
    return any(one.new is not None for one in plan.planned)


def _resolve(plans: Sequence[FirePlan], live: Mapping[str, list[tuple[str, str]]]) -> list[_Wish]:
    """Apply count and overlap policy; the runs that have to be stored by themselves."""
    wishes: list[_Wish] = []
    for plan in plans:
        going = live.get(plan.due.id, [])
        left = None if plan.due.max_count is None else plan.due.max_count - plan.due.run_count
        for one in plan.planned:
            if left is not None and left <= 0:
                _end(plan, one)
                break
            if one.new is None:
                continue
            if one.new.limit_key is not None or (going and plan.due.overlap != Overlap.ALLOW):
                wish = _wish(plan, one, going)
                if wish is None:
                    continue
                wishes.append(wish)
            going.append((one.new.id, Status.QUEUED))
            left = None if left is None else left - 1
    return wishes


def _end(plan: FirePlan, first: Planned) -> None:
    """The schedule has made all of its runs, if none of them is refused: later times are not planned any more."""
    number = plan.planned.index(first)
    plan.served_until = plan.planned[number - 1].at if number else plan.due.served_until
    plan.next_fire_at = first.at
    del plan.planned[number:]


def _wish(plan: FirePlan, one: Planned, going: Sequence[tuple[str, str]]) -> _Wish | None:
    """How the run of a planned time is to be stored, with these live runs of its schedule; None: not at all."""
    assert one.new is not None, "only asked of those that make a run"
    wish = _Wish(plan, one, one.new)
    policy = Overlap(plan.due.overlap)
    if not going or policy is Overlap.ALLOW:
        return wish
    if policy is Overlap.SKIP:
        one.skip(TickReason.OVERLAP, f"Run {going[-1][0]} had not ended.")
        return None
    if policy is Overlap.WAIT_ONE and len(going) > 1:
        one.skip(TickReason.OVERLAP, f"Run {going[-1][0]} was waiting already.")
        return None
    wish.after = [going[-1][0]]
    if policy is Overlap.STOP_PREVIOUS:
        wish.after, wish.replaces = [], list(going)
    return wish


def _add_ticks(lane: Lane, plans: Sequence[FirePlan], now_us: int) -> None:
    rows = [_row(plan, one, now_us) for plan in plans for one in plan.planned]
    if firing.add_ticks(lane, rows) == len(rows):
        return
    # Rows that a restored copy, or a hand, has put there: what they say holds.
    for plan in plans:
        if plan.planned:
            known = firing.known_ticks(lane, plan.due.id, plan.planned[0].at)
            plan.planned = [one for one in plan.planned if known[one.at] == (one.new and one.new.id)]


def _row(plan: FirePlan, one: Planned, now_us: int) -> tuple[object, ...]:
    return (plan.due.id, one.at, plan.due.tenant, one.kind, one.reason, one.detail, one.new and one.new.id, now_us)


def _store(lane: Lane, plans: Sequence[FirePlan], wishes: Sequence[_Wish], now_us: int) -> None:
    """Store the runs: most of them together, those that depend on others or on a limit one by one."""
    alone = {wish.new.id for wish in wishes}
    plain = [one.new for plan in plans for one in plan.planned if one.new is not None and one.new.id not in alone]
    if plain:
        storing.store(lane, plain, by=SYSTEM)
    for wish in wishes:
        if wish.planned.new is None:
            continue
        try:
            with set_apart(lane):
                _store_alone(lane, wish, now_us)
        except Occupied as error:
            wish.planned.skip(TickReason.LIMIT, str(error))
            firing.change_tick(lane, wish.plan.due.id, wish.planned.at,
                               (TickKind.SKIPPED, TickReason.LIMIT, str(error)))  # fmt: skip


def _store_alone(lane: Lane, wish: _Wish, now_us: int) -> None:
    ended: list[aftermath.Ended] = []
    for run_id, status in wish.replaces:
        ended += storing.replace(lane, run_id, status, wish.new.id, wish.plan.by, now_us)
    gone = {one.id for one in ended}
    after = wish.after + [run_id for run_id, _ in wish.replaces if run_id not in gone]
    storing.store(lane, [wish.new], after=after, need="end", by=wish.plan.by)
    aftermath.settle(lane, ended, now_us)


def _served(plan: FirePlan) -> tuple[object, ...]:
    fired = [one.at for one in plan.planned if one.new is not None]
    last = fired[-1] if fired else plan.due.last_fire_at
    count = plan.due.run_count + len(fired)
    is_over = plan.due.max_count is not None and count >= plan.due.max_count
    following = None if is_over else plan.next_fire_at
    return plan.served_until, following, last, count, plan.problem, zones.VERSION, plan.due.id, plan.due.version


def _pause(lane: Lane, plans: Sequence[FirePlan], now_us: int) -> None:
    """Pause what cannot go on, with an audit row for each."""
    for plan in plans:
        why = str(plan.pause)
        firing.pause(lane, plan.due.id, (now_us, SYSTEM.name, why))
        who, action = (plan.by, Action.RUNS_START) if plan.is_refused else (SYSTEM, Action.SCHEDULES_UPDATE)
        audit.add(
            lane, entry_id=new_id(now_us), tenant=plan.due.tenant, at=now_us, principal_id=who.id, action=action,
            object=f"schedule:{plan.due.id}", allowed=not plan.is_refused, reason=why, after={"paused": True},
        )  # fmt: skip


def _next(due: firing.Due) -> int | None:
    """Anew; as it was for one whose zone newer data does not have, so that it is told when it fires."""
    try:
        timing = timing_of(due.recurrence, due.time_zone, due.anchor_at, due.starts_at, due.ends_at)
        return timing.next_after(due.served_until)
    except (ValueError, InvalidInput):
        return due.next_fire_at


def _tell(plan: FirePlan) -> None:
    """What somebody has to look at goes into the log of the scheduler."""
    missed = sum(one.kind is TickKind.MISSED for one in plan.planned)
    if plan.pause is not None:
        logger.warning("schedule %s of job %s is paused: %s", plan.due.id, plan.due.job_id, one_line(plan.pause))
    elif plan.problem is not None and plan.planned:
        logger.warning("schedule %s of job %s is broken: %s", plan.due.id, plan.due.job_id, one_line(plan.problem))
    elif missed:
        logger.warning("schedule %s of job %s has missed %d planned times", plan.due.id, plan.due.job_id, missed)
