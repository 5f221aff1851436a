"""How much slower a deck enqueues and works when its tables hold many finished runs: one that has them and one that
has none take turns.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from statistics import median

from sqlalchemy import Connection, Table, text

from jobdeck.store import tables

from .jobdeck_side import Jobdeck
from .postgresql import Server
from .workloads import place

_KEPT = 1_000_000
_DAY_US = 86_400_000_000
_TIMES = ("at", "created_at", "available_at", "order_at", "started_at", "ended_at", "hb_at")
_HEX = {True: "printf('%012x', {})", False: "lpad(to_hex({}), 12, '0')"}


@dataclass(frozen=True, slots=True)
class Loss:
    """One workload: rates of both in each round, and how much of the rate may be lost, per cent."""

    workload: str
    target: float
    ask: Callable[[Jobdeck, int], float]
    count: int
    empty: list[float] = field(default_factory=list)
    full: list[float] = field(default_factory=list)

    @property
    def losses(self) -> list[float]:
        """Per cent, round by round; negative when it was faster."""
        return [100 * (1 - full / empty) for empty, full in zip(self.empty, self.full, strict=True)]

    @property
    def loss(self) -> float:
        return median(self.losses)


def kept(scale: float) -> int:
    """How many finished runs there are."""
    return max(1000, int(_KEPT * scale))


def compare(rounds: int, scale: float, server: Server | None, say: Callable[[str], None]) -> Iterator[Loss]:
    """Enqueue and drain, on SQLite or on a server; the runs of each measurement stay out of the next one."""
    # The empty deck's table is to be empty when it enqueues.
    found = [
        Loss("enqueue", 15, Jobdeck.enqueue, 10_000),
        Loss("drain", 10, Jobdeck.drain, 40_000 if server is None else 20_000),
    ]
    with place(server) as (folder, url), closing(Jobdeck(folder, url)) as full:
        began = time.monotonic()
        fill(full, kept(scale))
        say(f"{kept(scale):,} finished runs were made in {time.monotonic() - began:.0f} s")
        for number in range(rounds):
            with place(server) as (other_folder, other_url), closing(Jobdeck(other_folder, other_url)) as empty:
                # So that both are equally warm.
                fill(empty, 1)
                for one in found:
                    for side, rates in ((empty, one.empty), (full, one.full))[:: -1 if number % 2 else 1]:
                        _settle(side)
                        rates.append(one.ask(side, max(100, int(one.count * scale))))
                        _forget_queued(side)
                    say(f"{one.workload}, history: {one.empty[-1]:,.0f} and {one.full[-1]:,.0f} a second")
    yield from found


def fill(side: Jobdeck, count: int) -> None:
    """Let a worker finish one run, and multiply its rows: so many runs of the last day, with their attempts and audit rows."""
    side.deck.enqueue("benchmarks.tasks:noop", kwargs={"number": 1})
    side.work_off()
    first_us = time.time_ns() // 1000 - _DAY_US
    with side.deck.database.write() as connection:
        for table in (tables.runs, tables.attempts, tables.audit):
            _multiply(connection, table, count, first_us)


def _multiply(connection: Connection, table: Table, count: int, first_us: int) -> None:
    """Replace the one row by `count` rows that differ in id and times, oldest first."""
    hex12 = _HEX[connection.dialect.name == "sqlite"]
    # As `core.ids` makes them: the milliseconds, 7, and what tells those of one millisecond apart.
    new_id = f"substr(ms, 1, 8) || '-' || substr(ms, 9) || '-7000-8000-' || {hex12.format('number')}"
    given = {"id": "made.id", "run_id": "made.id", "object": "'run:' || made.id", **dict.fromkeys(_TIMES, "made.at")}
    names = [f'"{name}"' for name in table.columns.keys()]  # noqa: SIM118  # a collection of columns, not a mapping
    values = [given.get(name.strip('"'), f"model.{name}") for name in names]
    connection.execute(text(f"CREATE TABLE benchmark_model AS SELECT * FROM {table.name}"))
    connection.execute(text(f"DELETE FROM {table.name}"))
    connection.exec_driver_sql(
        f"""INSERT INTO {table.name} ({", ".join(names)})
        WITH RECURSIVE
            numbers (number, at) AS (
                SELECT 1, CAST({first_us} AS BIGINT)
                UNION ALL SELECT number + 1, at + {_DAY_US // count} FROM numbers WHERE number < {count}
            ),
            timed AS (SELECT number, at, {hex12.format("at / 1000")} AS ms FROM numbers),
            made AS (SELECT at, {new_id} AS id FROM timed)
        SELECT {", ".join(values)} FROM made CROSS JOIN benchmark_model AS model"""
    )
    connection.execute(text("DROP TABLE benchmark_model"))


def _settle(side: Jobdeck) -> None:
    """Let the database do now what it would do at some moment of the measurement."""
    database = side.deck.database
    if database.path is None:
        database.say("VACUUM ANALYZE")
        database.say("CHECKPOINT")
        return
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _forget_queued(side: Jobdeck) -> None:
    with side.deck.database.write() as connection:
        connection.execute(text("DELETE FROM jobdeck_run WHERE status = 'QUEUED'"))
