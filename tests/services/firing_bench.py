"""What tests of firing have in common: turning the clock and serving what is due, and the ledger as plain values."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from jobdeck import Deck
from jobdeck.core.schedule import Schedule
from jobdeck.core.times import from_us, to_us
from jobdeck.services.firing import Fired, Firing
from jobdeck.store import tables

from .conftest import TurnedClock

S = 1_000_000
MINUTE, HOUR, DAY = 60 * S, 3600 * S, 86_400 * S

Told = tuple[str, str | None]


def at(text: str) -> int:
    """Microseconds of a UTC time such as `2027-03-28 01:00`."""
    return to_us(datetime.fromisoformat(text).replace(tzinfo=UTC))


def serve(deck: Deck, guard: Callable[[], AbstractContextManager[Any]] = nullcontext) -> Fired:
    """Everything that is due, in as many steps as it takes."""
    firing, done = Firing(deck.office, deck.authority, guard), Fired()
    while (fired := firing.step()).ticks or fired.is_behind:
        done.ticks += fired.ticks
        done.runs += fired.runs
    return done


def serve_at(deck: Deck, clock: TurnedClock, us: int) -> Fired:
    """The same at a moment."""
    clock.us = us
    return serve(deck)


def ledger(deck: Deck, schedule: Schedule) -> dict[int, Told]:
    """planned time → (kind, reason), in order."""
    query = select(tables.ticks).where(tables.ticks.c.schedule_id == schedule.id).order_by(tables.ticks.c.fire_at)
    with deck.database.read() as connection:
        return {row.fire_at: (row.kind, row.reason) for row in connection.execute(query)}


def verdicts(deck: Deck, schedule: Schedule) -> list[str]:
    """`fired`, `skipped overlap`, … of all planned times, in order."""
    return [" ".join(filter(None, told)) for told in ledger(deck, schedule).values()]


def runs_of(deck: Deck, schedule: Schedule) -> list[Any]:
    """The rows of the runs that a schedule has made, oldest planned time first."""
    query = select(tables.runs).where(tables.runs.c.schedule_id == schedule.id).order_by(tables.runs.c.fire_at)
    with deck.database.read() as connection:
        return list(connection.execute(query))


def utc(us: int) -> str:
    """As `at` takes it."""
    return from_us(us).strftime("%Y-%m-%d %H:%M")
