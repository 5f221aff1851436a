"""What is to become of the planned times that are due: the part of firing that runs an application's own code, outside of
any transaction. `services.firing` then writes it down, or nothing when something has changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from ..core import json_values
from ..core.job import Job
from ..core.new_run import NewRun, order_of
from ..core.principal import Principal
from ..core.run import Trigger
from ..core.schedule import Misfire, jitter_of, timing_of
from ..core.text import clean
from ..core.tick import ON_TIME_US, TickKind, TickReason, judge
from ..core.times import to_us
from ..definitions.job_type import JobType
from ..errors import Conflict, InvalidInput, JobdeckError
from ..store import jobs
from ..store.firing import Due
from . import checks, preparing
from .authority import Authority, Standing
from .office import Office
from .options import Asked, Plan, plan

AT_ONCE = 500
"""So many planned times of one schedule are served in one go; the others follow in the next."""
ASK_AGAIN_US = 5_000_000
_PROBLEM_LIMIT = 1000
_KEPT_LIMIT = 20_000

Guard = Callable[[], AbstractContextManager[Any]]


@dataclass(slots=True, kw_only=True)
class Planned:
    """One planned time, what is to become of it, and the run it makes."""

    at: int
    kind: TickKind
    reason: TickReason | None = None
    detail: str | None = None
    new: NewRun | None = None

    def skip(self, reason: TickReason, detail: str | None) -> None:
        """Make no run of it."""
        self.kind, self.reason, self.detail, self.new = TickKind.SKIPPED, reason, detail, None


@dataclass(slots=True, kw_only=True)
class FirePlan:
    """What is to become of the planned times of one schedule up to `served_until`.

    `pause` says why it is to be paused, `is_refused` whether for want of a right; `problem` why it could not fire.
    """

    due: Due
    by: Principal
    planned: list[Planned] = field(default_factory=list)
    served_until: int
    next_fire_at: int | None
    problem: str | None = None
    pause: str | None = None
    is_refused: bool = False

    def breaks(self, problem: str) -> None:
        """Make no run of those that were to fire, and say why."""
        self.problem = clean(problem, _PROBLEM_LIMIT)
        for one in self.planned:
            if one.reason is None:
                one.kind, one.reason, one.detail, one.new = TickKind.MISSED, TickReason.BROKEN, self.problem, None


class FirePlans:
    """Makes them; what it knows about jobs it keeps until they change. `guard` is entered around an application's code."""

    def __init__(self, office: Office, authority: Authority, guard: Guard = nullcontext) -> None:
        self._office = office
        self._authority = authority
        self._guard = guard
        self._undecided: dict[str, int] = {}
        self._jobs: dict[tuple[str, int], Job] = {}
        self._plans: dict[tuple[str, int, str, str], Plan] = {}

    def make(self, due: Sequence[Due], now_us: int) -> list[FirePlan]:
        """One plan for each schedule that is due."""
        plans = [times(one, now_us) for one in due]
        firing = [made for made in plans if any(planned.reason is None for planned in made.planned)]
        standings = self._standings(firing, now_us)
        found = self._jobs_of([made.due for made in firing])
        left_out: set[str] = set()
        for made in firing:
            standing, job = standings[made.by], found.get(made.due.job_id)
            if job is None or not standing.is_certain:
                # Deleted just now, and the schedule with it; or asked again soon.
                left_out.add(made.due.id)
            elif standing.principal is None:
                _refuse(made, standing.reason)
            else:
                self._fill(made, job, now_us)
        return [made for made in plans if made.due.id not in left_out]

    def undecided(self, now_us: int) -> Sequence[str]:
        """Principals of whom nobody could say just now whether they may: their planned times stay open for a while."""
        self._undecided = {one: until for one, until in self._undecided.items() if until > now_us}
        return list(self._undecided)

    def _standings(self, firing: Sequence[FirePlan], now_us: int) -> dict[Principal, Standing]:
        """Whether the principals may, each asked once."""
        standings = {by: self._authority.standing(by.id, by.name, by.tenant) for by in {made.by for made in firing}}
        for by, standing in standings.items():
            if not standing.is_certain:
                self._undecided[by.id] = now_us + ASK_AGAIN_US
        return standings

    def _fill(self, made: FirePlan, job: Job, now_us: int) -> None:
        """Make the runs of those that fire, or say why that cannot be done."""
        try:
            job_type = self._office.registry.find(job.type)
            if job_type is None:
                raise Conflict(f"The job type {job.type!r} is not registered any more.")
            arguments = self._arguments(made.due, job, job_type)
            options = self._plan(made.due, made.by, job, job_type, now_us)
            for one in made.planned:
                if one.reason is None:
                    one.new = _new_run(options, made.due, one.at, arguments, now_us)
            made.problem = None
        except Exception as error:  # whatever an application's code raises
            made.breaks(_words(error))

    def _arguments(self, due: Due, job: Job, job_type: type[JobType]) -> str:
        given = None if due.arguments is None else json_values.loads(due.arguments)
        custom = None if due.custom_arguments is None else json_values.loads(due.custom_arguments)
        with self._guard():
            values = preparing.task_arguments(job_type, job, given, custom, job.since)
        return checks.json_text(values, "args")

    def _plan(self, due: Due, by: Principal, job: Job, job_type: type[JobType], now_us: int) -> Plan:
        key = (due.job_id, due.job_updated_at, by.id, by.name)
        if key not in self._plans:
            problems = checks.Problems()
            made = plan(Asked(trigger=Trigger.SCHEDULE), problems, self._office.settings, by, now_us, job=job,
                        type_id=job.type, declared=job_type.options())  # fmt: skip
            problems.raise_if_any()
            _make_room(self._plans)
            self._plans[key] = made
        return self._plans[key]

    def _jobs_of(self, due: Sequence[Due]) -> dict[str, Job]:
        """The jobs by id: as remembered, but read anew where arguments can depend on earlier runs."""
        wanted = {one.job_id: one for one in due}
        found = {key[0]: self._jobs[key] for key in map(_job_key, wanted.values()) if key in self._jobs}
        missing = [one for one in wanted.values() if one.job_id not in found]
        if missing:
            with self._office.database.read() as connection:
                for tenant in {one.tenant for one in missing}:
                    of_tenant = [one.job_id for one in missing if one.tenant == tenant]
                    for job in self._read(connection, tenant, of_tenant):
                        found[str(job.id)] = job
        return found

    def _read(self, connection: Connection, tenant: str, job_ids: Sequence[str]) -> Iterable[Job]:
        changing = []
        for job in jobs.of_ids(connection, tenant, job_ids):
            job_type = self._office.registry.find(job.type)
            if job_type is not None and job_type.knows_last_runs():
                changing.append(str(job.id))
            else:
                _make_room(self._jobs)
                self._jobs[str(job.id), to_us(job.updated_at)] = job
                yield job
        yield from jobs.of_ids(connection, tenant, changing, with_last_runs=True)


def _job_key(due: Due) -> tuple[str, int]:
    return due.job_id, due.job_updated_at


def _make_room(kept: dict[Any, Any]) -> None:
    if len(kept) >= _KEPT_LIMIT:
        kept.clear()


@lru_cache(maxsize=_KEPT_LIMIT)
def _principal(principal_id: str, name: str, tenant: str) -> Principal:
    return Principal(id=principal_id, name=name, tenant=tenant)


def times(due: Due, now_us: int) -> FirePlan:
    """The planned times that are due, each with what the schedule itself says about it."""
    by = _principal(due.principal_id, due.principal_name, due.tenant)
    try:
        timing = timing_of(due.recurrence, due.time_zone, due.anchor_at, due.starts_at, due.ends_at)
        instants: list[int] = []
        at = timing.next_after(due.served_until)
        while at is not None and at <= now_us and len(instants) < AT_ONCE:
            instants.append(at)
            at = timing.next_after(at)
    except (ValueError, InvalidInput) as error:
        # Such as a time zone that newer data does not have any more.
        why = f"Its planned times cannot be computed: {_words(error)}"
        return FirePlan(due=due, by=by, served_until=due.served_until, next_fire_at=None, problem=why, pause=why)
    more_follow = at is not None and at <= now_us
    verdicts = judge(instants, now_us, Misfire(due.misfire), due.misfire_window_us, more_follow=more_follow)
    planned = [Planned(at=at, kind=kind, reason=reason) for at, (kind, reason) in zip(instants, verdicts, strict=True)]
    if due.paused_at is not None or not due.job_active:
        for one in planned:
            _hold_back(one, due.paused_at)
    return FirePlan(due=due, by=by, planned=planned, served_until=instants[-1] if instants else due.served_until,
                    next_fire_at=at, problem=due.problem)  # fmt: skip


def _hold_back(one: Planned, paused_at: int | None) -> None:
    """A schedule that is paused, or whose job is inactive, makes no run; what was missed before that stays missed."""
    if paused_at is None:
        one.skip(TickReason.INACTIVE, "The job is not active.")
    elif one.at >= paused_at - ON_TIME_US:
        one.skip(TickReason.PAUSED, None)
    else:
        one.kind, one.reason = TickKind.MISSED, TickReason.LATE


def _refuse(made: FirePlan, why: str) -> None:
    made.is_refused = True
    made.pause = f"{made.by.name} may not start its runs any more: {why}"
    for one in made.planned:
        if one.reason is None:
            one.skip(TickReason.NOT_ALLOWED, made.pause)


def _new_run(options: Plan, due: Due, at: int, arguments: str, now_us: int) -> NewRun:
    new = options.new_run(now_us, arguments)
    new.schedule_id, new.fire_at = due.id, at
    if due.jitter_us:
        new.available_at = max(now_us, at + jitter_of(due.id, at, due.jitter_us))
        new.order_at = order_of(new.available_at, new.priority)
    return new


def _words(error: Exception) -> str:
    told = str(error) if isinstance(error, JobdeckError | ValueError) else f"{type(error).__name__}: {error}"
    return clean(told, _PROBLEM_LIMIT)
