"""Which times the drill's schedules name, found one by one from what the drill itself has asked for, and what the ledger says
about them that should not be. Pure; nothing here knows how jobdeck computes planned times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..core.tick import TickKind
from ..store.drill import Rows, RunRow

_MAKES_A_RUN = (TickKind.FIRED, TickKind.CAUGHT_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A schedule as the drill has asked for it; microseconds since 1970.

    Its times are those of `anchor_us`, `anchor_us + every_us`, … that are later than `created_us`.
    """

    id: str
    what: str
    anchor_us: int
    every_us: int
    created_us: int
    paused_us: int | None = None
    """From then on it makes no run."""

    def instants(self, until_us: int) -> Iterator[int]:
        """All of them up to then."""
        at = self.anchor_us
        while at <= until_us:
            if at > self.created_us:
                yield at
            at += self.every_us


@dataclass(frozen=True)
class Ledger:
    """The schedules, what the database says about them, and until when each of their times must have been served."""

    schedules: Sequence[Timed]
    rows: Rows
    ended_us: int
    runs: Mapping[str, RunRow] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "runs", {row.id: row for row in self.rows.runs})

    @cached_property
    def planned(self) -> frozenset[tuple[str, int]]:
        """(schedule, instant) of every time that is over, or that the database calls served."""
        served = {row.id: row.served_until for row in self.rows.schedules}
        return frozenset(
            (timed.id, at)
            for timed in self.schedules
            for at in timed.instants(max(self.ended_us, served.get(timed.id, 0)))
        )

    @cached_property
    def names(self) -> Mapping[str, str]:
        """What the schedules are, by id."""
        return {timed.id: timed.what for timed in self.schedules}

    def counts(self) -> dict[str, int]:
        """How many instants are planned, and of how many the ledger says what."""
        kinds = Counter(row.kind for row in self.rows.ticks)
        return {"planned": len(self.planned), **{kind.value: kinds[kind.value] for kind in TickKind}}

    def told(self, schedule_id: str, at: int | None) -> str:
        """One of its times, in words."""
        return f"{self.names.get(schedule_id, schedule_id)} at {at}"


def _missing(ledger: Ledger) -> Iterator[str]:
    known = {(row.schedule_id, row.fire_at) for row in ledger.rows.ticks}
    for schedule_id, at in sorted(ledger.planned - known):
        yield f"{ledger.told(schedule_id, at)} has no row"


def _duplicate(ledger: Ledger) -> Iterator[str]:
    """A planned time has one row and at most one run."""
    rows = Counter((row.schedule_id, row.fire_at) for row in ledger.rows.ticks)
    runs = Counter((row.schedule_id, row.fire_at) for row in ledger.rows.runs if row.schedule_id is not None)
    for what, found in (("rows", rows), ("runs", runs)):
        for (schedule_id, at), count in found.items():
            if count > 1:
                yield f"{ledger.told(str(schedule_id), at)} has {count} {what}"


def _unplanned(ledger: Ledger) -> Iterator[str]:
    for row in ledger.rows.ticks:
        if (row.schedule_id, row.fire_at) not in ledger.planned:
            yield f"{ledger.told(row.schedule_id, row.fire_at)} has a row, and is none of its times"


def _unmatched(ledger: Ledger) -> Iterator[str]:
    """Every run of a schedule has its row, every row with a run has that run, and only those that fired have one."""
    told = {row.run_id: (row.schedule_id, row.fire_at) for row in ledger.rows.ticks if row.run_id is not None}
    for run in ledger.rows.runs:
        if run.schedule_id is not None and told.get(run.id) != (run.schedule_id, run.fire_at):
            yield f"run {run.id} of {ledger.told(run.schedule_id, run.fire_at)} has no row that names it"
    paused = {timed.id: timed.paused_us for timed in ledger.schedules if timed.paused_us is not None}
    for row in ledger.rows.ticks:
        name = ledger.told(row.schedule_id, row.fire_at)
        found = None if row.run_id is None else ledger.runs.get(row.run_id)
        if row.run_id is not None and (found is None or (found.schedule_id, found.fire_at) != row[:2]):
            yield f"{name} tells of run {row.run_id}, which is not there"
        if (row.kind in _MAKES_A_RUN) != (row.run_id is not None):
            yield f"{name} was {row.kind} {'without' if row.run_id is None else 'with'} a run"
        if row.kind in _MAKES_A_RUN and row.fire_at > paused.get(row.schedule_id, row.fire_at):
            yield f"{name} was {row.kind}, and had been paused before"


MUSTS: Mapping[str, Callable[[Ledger], Iterator[str]]] = {
    "ticks_missing": _missing,
    "ticks_duplicate": _duplicate,
    "ticks_unplanned": _unplanned,
    "ticks_unmatched": _unmatched,
}
