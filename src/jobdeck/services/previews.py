"""Looking ahead: when a schedule will fire, saved or not, what clock changes do to it, and all schedules in order.

The times are those of `core.schedule.Timing`, as the scheduler has them. Whatever is asked for, the work is bounded: so
many times, so many other schedules, so many questions to them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice, takewhile
from typing import Any

from ..core import zones
from ..core.ids import is_id
from ..core.permissions import Action
from ..core.preview import Collision, PlannedTime, Preview, SimulatedTime, Simulation
from ..core.schedule import Schedule, Timing, timing_of
from ..core.times import from_us, to_us
from ..core.wall_clock import LAST_SECOND
from ..errors import InvalidInput
from ..store import previews
from . import clock_notes, schedule_checks
from .checks import Problems
from .descriptions import describe
from .office import Service
from .schedules import Schedules

TIMES_LIMIT = 100
SIMULATED_LIMIT = 10_000
SIMULATED_DAYS = 366
_NEIGHBOURS = 500
_QUESTIONS = 10_000
_NEAR_US = 60_000_000
_DAY_US = 86_400_000_000
_CALENDAR_END_US = LAST_SECOND * 1_000_000


class Previews(Service):
    """What schedules will do, in the principal's tenant."""

    def preview(
        self,
        recurrence: Mapping[str, Any],
        *,
        time_zone: str | None = None,
        starts_at: Any = None,
        ends_at: Any = None,
        max_count: int | None = None,
        jitter: Any = None,
        after: Any = None,
        count: int = 10,
        schedule_id: str | None = None,
        with_collisions: bool = True,
    ) -> Preview:
        """The next `count` (1 to 100) planned times of a schedule with these fields, which need not be saved.

        InvalidInput as when saving them. `after` (an aware datetime or ISO text, else now) is where it looks from, as if
        it were saved then. `schedule_id` names the saved schedule that these fields are to change. Without collisions no
        database is asked.
        """
        self._require(Action.SCHEDULES_READ, schedule_id)
        saved = None if schedule_id is None else Schedules(self._office, self._principal).get(schedule_id)
        now_us, problems = self._now_us(), Problems()
        after_us = problems.check(schedule_checks.instant("after"), after)
        wanted = problems.check(_number, count, "count", TIMES_LIMIT)
        given = {"recurrence": recurrence, "time_zone": time_zone, "starts_at": starts_at, "ends_at": ends_at,
                 "max_count": max_count, "jitter": jitter}  # fmt: skip
        values = schedule_checks.columns(given, self._office.settings.time_zone, problems)
        problems.raise_if_any()
        start_us = now_us if after_us is None else after_us
        timing, left = _timing(values, start_us, saved), _left(values["max_count"], saved)
        schedule_checks.check_together(values, set(given), min(start_us, now_us))
        schedule_checks.next_after(timing, min(start_us, now_us))
        times = takewhile(lambda at: at < _CALENDAR_END_US, timing.after(start_us))
        found = list(islice(times, wanted + 1 if left is None else min(wanted + 1, left)))
        shown, is_complete = found[:wanted], len(found) <= wanted
        collisions, all_asked = self._collisions(shown, schedule_id) if with_collisions else ([], False)
        zone = zones.zone(timing.time_zone)
        return Preview(
            description=describe(timing.recurrence, timing.time_zone),
            time_zone=timing.time_zone,
            tzdata=zones.VERSION,
            times=tuple(PlannedTime(at=from_us(at), local=from_us(at).astimezone(zone), note=note)
                        for at, note in zip(shown, clock_notes.moved(timing, shown), strict=True)),
            clock_changes=clock_notes.coming(timing, shown, start_us, is_complete=is_complete),
            collisions=tuple(collisions),
            is_complete=is_complete,
            collisions_are_complete=all_asked,
        )  # fmt: skip

    def simulate(self, start: Any, end: Any, *, limit: int = 1000, job_id: str | None = None) -> Simulation:
        """The planned times of every active schedule from `start` up to before `end`, at most 366 days apart, in order.

        `limit` (up to 10,000) is how many are told; with `job_id` only those of one job.
        """
        self._require(Action.SCHEDULES_READ)
        problems = Problems()
        start_us = problems.check(_given, start, "from")
        end_us = problems.check(_given, end, "to")
        if start_us is not None and end_us is not None and not 0 < end_us - start_us <= SIMULATED_DAYS * _DAY_US:
            problems.add("to", f"Must be later than `from`, by at most {SIMULATED_DAYS} days.")
        most = problems.check(_number, limit, "limit", SIMULATED_LIMIT)
        if job_id is not None and not is_id(job_id):
            problems.add("job_id", "Not a valid UUID.")
        problems.raise_if_any()
        with self._database.read() as connection:
            active = previews.active(connection, self._tenant, SIMULATED_LIMIT + 1, job_id=job_id)
        looked = [one for one in active[:SIMULATED_LIMIT] if _is_known(one[0])]
        left, all_counted = _left_at([schedule for schedule, _ in looked], start_us)
        merged = heapq.merge(*(
            _simulated(schedule, number, start_us, end_us, left[number]) for number, (schedule, _) in enumerate(looked)
        ))  # fmt: skip
        times = list(islice(merged, most))
        # What follows within the minute of the last one tells whether that collides.
        rest = list(islice(merged, most)) if len(times) == most else []
        return Simulation(
            times=_told(times, rest, looked), is_complete=not rest and all_counted and len(looked) == len(active)
        )

    def _collisions(self, times: Sequence[int], but: str | None) -> tuple[list[Collision], bool]:
        """Other schedules that fire close to these times, and whether all were asked."""
        if not times:
            return [], True
        with self._database.read() as connection:
            others = previews.active(connection, self._tenant, _NEIGHBOURS + 1, but=but)
        found, questions = [], 0
        for other, title in others[:_NEIGHBOURS]:
            if not _is_known(other):
                continue
            shared, asked = _shared(other.timing, times)
            questions += asked
            if shared:
                found.append(Collision(at=from_us(shared[0]), count=len(shared), schedule_id=other.id,
                                       job_id=other.job_id, job_title=title))  # fmt: skip
            if questions > _QUESTIONS:
                return found, False
        return found, len(others) <= _NEIGHBOURS


def _timing(values: Mapping[str, Any], start_us: int, saved: Schedule | None) -> Timing:
    """When these values fire. Saving an interval anew, or another one, lets it count from then on."""
    text, zone = values["recurrence"], values["time_zone"]
    kept = saved is not None and all(
        values[name] == schedule_checks.stored(saved)[name] for name in schedule_checks.ANCHORED
    )
    anchor_us = saved.timing.anchor_us if saved is not None and kept else start_us
    return timing_of(text, zone, anchor_us, values["starts_at"], values["ends_at"])


def _left(most: int | None, saved: Schedule | None) -> int | None:
    """How many runs it may still make; None: any number."""
    return None if most is None else max(0, most - (0 if saved is None else saved.count))


def _shared(other: Timing, times: Sequence[int]) -> tuple[list[int], int]:
    """Those of the times at which another schedule fires within a minute, and how often it was asked."""
    shared, asked = [], 0
    fires: int | None = None
    for at in times:
        if fires is None or fires < at - _NEAR_US:
            fires, asked = other.next_after(at - _NEAR_US - 1), asked + 1
            if fires is None:
                break
        if fires <= at + _NEAR_US:
            shared.append(at)
    return shared, asked


def _is_known(schedule: Schedule) -> bool:
    """Whether its time zone is there: newer time zone data may have dropped it, and then it does not fire."""
    try:
        zones.zone(schedule.time_zone)
    except ValueError:
        return False
    return True


Planned = tuple[int, int]
"""An instant, and the number of the schedule that fires then."""


def _left_at(schedules: Sequence[Schedule], start_us: int) -> tuple[list[int | None], bool]:
    """How many runs each may still make at that time (None: any number), and whether that could be counted for all.

    One with too many planned times before then counts as used up.
    """
    left: list[int | None] = []
    questions, all_counted = _QUESTIONS, True
    for schedule in schedules:
        if schedule.max_count is None:
            left.append(None)
            continue
        most = max(0, schedule.max_count - schedule.count)
        before = takewhile(lambda at: at < start_us, schedule.timing.after(to_us(schedule.served_until)))
        passed = sum(1 for _ in islice(before, min(most, questions)))
        questions -= passed
        if passed < most and not questions:
            passed, all_counted = most, False
        left.append(most - passed)
    return left, all_counted


def _simulated(schedule: Schedule, number: int, start_us: int, end_us: int, left: int | None) -> Iterator[Planned]:
    """Its planned times between the two instants, each with the number; `left` of those that are still to come."""
    times = schedule.timing.after(start_us - 1)
    if left is not None:
        served_us = max(to_us(schedule.served_until), start_us - 1)
        times = chain(takewhile(lambda at: at <= served_us, times), islice(schedule.timing.after(served_us), left))
    return ((at, number) for at in takewhile(lambda at: at < end_us, times))


def _told(
    times: Sequence[Planned], rest: Sequence[Planned], looked: Sequence[tuple[Schedule, str]]
) -> tuple[SimulatedTime, ...]:
    in_minute: dict[int, set[int]] = {}
    for at, number in (*times, *rest):
        in_minute.setdefault(at // _NEAR_US, set()).add(number)
    told = []
    for at, number in times:
        schedule, title = looked[number]
        local = from_us(at).astimezone(zones.zone(schedule.time_zone))
        told.append(SimulatedTime(at=from_us(at), local=local, schedule=schedule, job_title=title,
                                  collides=len(in_minute[at // _NEAR_US]) > 1))  # fmt: skip
    return tuple(told)


def _given(value: Any, field: str) -> int:
    us = schedule_checks.instant(field)(value)
    if us is None:
        raise InvalidInput.of(field, "Missing data for required field.")
    return us


def _number(value: Any, field: str, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidInput.of(field, f"Must be a whole number from 1 to {most:,}.")
    return value
