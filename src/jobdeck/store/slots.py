"""Limits on how many runs are at work at once. A running run is its own slot, so that none can be leaked or taken twice.

Whoever counts holds the limit's row locked: two that count at once would both find room. SQLite has one writer, which
is lock enough. A run that found its limit full is parked, so that thousands of them cost a claim nothing; whoever makes
room puts the next one back in line, in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .endings import TO_RING
from .statements import AnyConnection, execute, execute_many, fetch, is_sqlite, marks, pieces

_RUNNING = "status = 'RUNNING' AND status IN ('QUEUED', 'RUNNING')"
_QUEUED = "status = 'QUEUED' AND status IN ('QUEUED', 'RUNNING')"


def lock(connection: AnyConnection, tenant: str, keys: Iterable[str], *, wait: bool = True) -> set[str]:
    """Lock these limits until the transaction ends, in an order that all keep; without `wait` those that are free."""
    wanted = sorted(set(keys))
    if is_sqlite(connection) or not wanted:
        return set(wanted)
    locked: set[str] = set()
    for piece in pieces(wanted):
        among = f"FROM jobdeck_limit WHERE limit_key IN ({marks(len(piece))})"
        known = {row[0] for row in fetch(connection, f"SELECT limit_key {among}", piece)}
        new = [(key, tenant) for key in piece if key not in known]
        insert = "INSERT INTO jobdeck_limit (limit_key, tenant) VALUES (?, ?) ON CONFLICT DO NOTHING"
        execute_many(connection, insert, new)
        sql = f"SELECT limit_key {among} ORDER BY limit_key FOR UPDATE {'' if wait else 'SKIP LOCKED'}"
        locked |= {row[0] for row in fetch(connection, sql, piece)}
    return locked


def queue_up(connection: AnyConnection, key: str) -> None:
    """Let those who start runs by one key follow one another, each until its transaction ends; who ends runs never waits."""
    if not is_sqlite(connection):
        fetch(connection, "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (f"jobdeck {key}",))


def running(connection: AnyConnection, keys: Iterable[str]) -> Counter[str]:
    """How many runs hold each of these limits; exact after `lock`."""
    found: Counter[str] = Counter()
    for piece in pieces(set(keys)):
        sql = f"""SELECT limit_key, count(*) FROM jobdeck_run
            WHERE limit_key IN ({marks(len(piece))}) AND {_RUNNING} GROUP BY limit_key"""
        found.update({key: int(count) for key, count in fetch(connection, sql, piece)})
    return found


def live_oldest_first(connection: AnyConnection, key: str, limit: int) -> list[tuple[str, str]]:
    """(id, status) of queued and running runs of a limit; running ones first, then by their order."""
    sql = """SELECT id, status FROM jobdeck_run WHERE limit_key = ? AND status IN ('QUEUED', 'RUNNING')
        ORDER BY status DESC, order_at, id LIMIT ?"""
    return [(run_id, status) for run_id, status in fetch(connection, sql, (key, limit))]


def park_all(connection: AnyConnection, keys: Sequence[str], now_us: int) -> None:
    """Take every queued run of these full limits out of line that might begin now: a later one must get no one's place."""
    skip = "" if is_sqlite(connection) else "FOR UPDATE SKIP LOCKED"
    sql = f"""UPDATE jobdeck_run SET parked = 1 WHERE id IN (SELECT id FROM jobdeck_run
        WHERE limit_key = ? AND {_QUEUED} AND parked = 0 AND available_at <= ? {skip})"""
    for key in keys:
        execute(connection, sql, (key, now_us))


def put_back(connection: AnyConnection, rows: Sequence[tuple[int, str, str, int]]) -> None:
    """Undo claims of this transaction whose limit had no room: rows of (parked, id, owner, fence)."""
    sql = f"""UPDATE jobdeck_run SET status = 'QUEUED', owner = NULL, attempt = attempt - 1, parked = ?, {TO_RING}
        WHERE id = ? AND status = 'RUNNING' AND owner = ? AND fence = ?"""
    execute_many(connection, sql, rows)


def make_room(connection: AnyConnection, key: str, count: int) -> int:
    """Put up to `count` parked runs of a limit back in line, first come first; how many there were."""
    sql = f"""UPDATE jobdeck_run SET parked = 0, {TO_RING} WHERE id IN (SELECT id FROM jobdeck_run
        WHERE limit_key = ? AND {_QUEUED} AND parked = 1 ORDER BY order_at, id LIMIT ?)"""
    return execute(connection, sql, (key, count)).rowcount


def parked_keys(connection: AnyConnection, limit: int) -> list[tuple[str, str, int]]:
    """(tenant, key, n) of limits that runs are parked for."""
    sql = f"""SELECT tenant, limit_key, max(limit_n) FROM jobdeck_run
        WHERE limit_key IS NOT NULL AND {_QUEUED} AND parked = 1 GROUP BY tenant, limit_key LIMIT ?"""
    return [(tenant, key, int(n)) for tenant, key, n in fetch(connection, sql, (limit,))]


def forget_unused(connection: AnyConnection, limit: int) -> None:
    """Drop the rows of limits that no run has any more."""
    sql = """DELETE FROM jobdeck_limit WHERE limit_key IN (SELECT l.limit_key FROM jobdeck_limit l
        WHERE NOT EXISTS (SELECT 1 FROM jobdeck_run r
        WHERE r.limit_key = l.limit_key AND r.status IN ('QUEUED', 'RUNNING')) LIMIT ?)"""
    execute(connection, sql, (limit,))
