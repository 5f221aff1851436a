"""When engines are rung for queued runs: `ring_at` of a run is 0 when that is still to be done, else when it is done again.

NULL are the runs of queues in the database. Every change is of QUEUED runs only, but for the count of deliveries that came
too late.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.new_run import PRIORITY_US
from ..core.ring import LONGEST_US
from .statements import AnyConnection, execute, execute_many, fetch, is_sqlite, marks, pieces
from .waiting import ELIGIBLE, ELIGIBLE_MARKS

_FIRST_US = 200_000
_MOST_AHEAD_US = 100 * PRIORITY_US
_QUEUED = "status = 'QUEUED' AND status IN ('QUEUED', 'RUNNING')"
_NEW, _AGAIN = "r.ring_at = 0 AND r.order_at <= ?", "r.ring_at > 0 AND r.ring_at <= ?"
_IN_LINE = "status = 'QUEUED' AND parked = 0 AND ring_at IS NOT NULL"

Found = tuple[str, str, str | None, int | None, str | None]
"""(id, tenant, limit_key, limit_n, limit_policy) of a run to be rung for."""


# What the dispatcher does


def to_ring(connection: AnyConnection, queue: str, now_us: int, limit: int, *, again: bool) -> list[Found]:
    """The first eligible runs of a queue for which its engine is to be rung, or (`again`) whose last ring must be lost; on
    PostgreSQL kept from others.
    """
    lock = "" if is_sqlite(connection) else "FOR UPDATE OF r SKIP LOCKED"
    sql = f"""SELECT r.id, r.tenant, r.limit_key, r.limit_n, r.limit_policy {_due(again)}
        ORDER BY r.ring_at, r.order_at, r.id LIMIT ? {lock}"""
    found = fetch(connection, sql, (*_due_values(queue, now_us, again), limit))
    return [(run_id, tenant, key, n, policy) for run_id, tenant, key, n, policy in found]


def is_any_to_ring(connection: AnyConnection, queue: str, now_us: int, *, again: bool) -> bool:
    """Whether `to_ring` would find one."""
    return bool(fetch(connection, f"SELECT 1 {_due(again)} LIMIT 1", _due_values(queue, now_us, again)))


def room(connection: AnyConnection, queues: Sequence[str], now_us: int) -> dict[str, int]:
    """How many more rings each limited one of these queues has room for, with those on their way; nothing is locked."""
    sql = f"SELECT name, run_limit FROM jobdeck_queue WHERE run_limit IS NOT NULL AND name IN ({marks(len(queues))})"
    limits = dict(fetch(connection, sql, tuple(queues)))
    if not limits:
        return {}
    count = f"""SELECT queue, count(*) FROM jobdeck_run
        WHERE status = 'RUNNING' AND queue IN ({marks(len(limits))}) GROUP BY queue"""
    held = dict(fetch(connection, count, tuple(limits)))
    return {name: max(0, n - held.get(name, 0) - _under_way(connection, name, now_us)) for name, n in limits.items()}


def count_rung(connection: AnyConnection, queue: str, limit: int) -> int:
    """For how many runs of a queue that wait its engine was rung, counted to `limit`."""
    sql = (
        f"SELECT count(*) FROM (SELECT 1 FROM jobdeck_run WHERE {_IN_LINE} AND queue = ? AND ring_at > 0 LIMIT ?) AS c"
    )
    return int(fetch(connection, sql, (queue, limit))[0][0])


def under_way(connection: AnyConnection, keys: Sequence[str], now_us: int) -> dict[str, int]:
    """For how many runs of each of these limits a ring is on its way, as far as anybody knows."""
    found: dict[str, int] = {}
    for piece in pieces(keys):
        sql = f"""SELECT limit_key, count(*) FROM jobdeck_run
            WHERE limit_key IN ({marks(len(piece))}) AND {_QUEUED} AND parked = 0 AND ring_at > ? GROUP BY limit_key"""
        found |= dict(fetch(connection, sql, (*piece, now_us)))
    return found


def rung(connection: AnyConnection, run_ids: Sequence[str], now_us: int, first_us: int) -> list[tuple[str, int, str]]:
    """Note one more ring for each of these queued runs, and when the next is due; (id, rings, queue) in the order given."""
    found: dict[str, tuple[str, int, str]] = {}
    for piece in pieces(run_ids):
        sql = f"""UPDATE jobdeck_run SET rings = rings + 1, ring_at = {_later("rings", first_us)}
            WHERE id IN ({marks(len(piece))}) AND status = 'QUEUED' RETURNING id, rings, queue"""
        for run_id, rings, queue in fetch(connection, sql, (*_ends(now_us, first_us), *piece)):
            found[run_id] = (run_id, rings, queue)
    return [found[run_id] for run_id in run_ids if run_id in found]


def be_patient(connection: AnyConnection, run_ids: Sequence[str], now_us: int, first_us: int) -> None:
    """Wait once more for what is on its way, as long as after the last ring."""
    last = "CASE WHEN rings > 0 THEN rings - 1 ELSE 0 END"
    for piece in pieces(run_ids):
        sql = f"""UPDATE jobdeck_run SET ring_at = {_later(last, first_us)}
            WHERE id IN ({marks(len(piece))}) AND status = 'QUEUED' AND ring_at > 0"""
        execute(connection, sql, (*_ends(now_us, first_us), *piece))


def not_rung(connection: AnyConnection, rows: Sequence[tuple[str, int]]) -> None:
    """Take rings back that could not be sent: rows of (id, rings). Whoever was won or rung for meanwhile stays as it is."""
    sql = "UPDATE jobdeck_run SET rings = rings - 1, ring_at = 0 WHERE id = ? AND status = 'QUEUED' AND rings = ? AND ring_at > 0"
    execute_many(connection, sql, sorted(rows))


def park(connection: AnyConnection, key: str, now_us: int) -> None:
    """Take the runs of a limit out of line for which no ring is on its way: whoever makes room puts them back."""
    skip = "" if is_sqlite(connection) else "FOR UPDATE SKIP LOCKED"
    sql = f"""UPDATE jobdeck_run SET parked = 1 WHERE id IN (SELECT id FROM jobdeck_run
        WHERE limit_key = ? AND {_QUEUED} AND parked = 0 AND ring_at <= ? AND available_at <= ? {skip})"""
    execute(connection, sql, (key, now_us, now_us))


def adopt(connection: AnyConnection, queue: str, limit: int) -> int:
    """Have the engine of a queue rung for queued runs from when it had none; how many, up to `limit` of them."""
    skip = "" if is_sqlite(connection) else "FOR UPDATE SKIP LOCKED"
    adopted = 0
    # By the two partial indexes that hold all of them.
    for which in ("parked = 0", "parked <> 0"):
        sql = f"""UPDATE jobdeck_run SET rings = 0, ring_at = 0 WHERE id IN (SELECT id FROM jobdeck_run
            WHERE status = 'QUEUED' AND {which} AND queue = ? AND ring_at IS NULL LIMIT ? {skip})"""
        adopted += execute(connection, sql, (queue, limit)).rowcount
    return adopted


def next_due(connection: AnyConnection, queues: Sequence[str], now_us: int) -> int | None:
    """When the next delayed run of these queues may begin, or the next patience is over (microseconds since 1970)."""
    sql = f"""SELECT available_at FROM jobdeck_run WHERE status = 'QUEUED' AND available_at > created_at
        AND available_at > ? AND queue IN ({marks(len(queues))}) ORDER BY available_at LIMIT 1"""
    found = fetch(connection, sql, (now_us, *queues))
    for queue in queues:
        sql = f"SELECT ring_at FROM jobdeck_run WHERE {_IN_LINE} AND queue = ? AND ring_at > ? ORDER BY ring_at LIMIT 1"
        found += fetch(connection, sql, (queue, now_us))
    return min((row[0] for row in found), default=None)


# What workers say of deliveries


def queued(connection: AnyConnection, run_ids: Sequence[str]) -> set[str]:
    """Those of these runs that are queued."""
    found: set[str] = set()
    for piece in pieces(sorted(set(run_ids))):
        sql = f"SELECT id FROM jobdeck_run WHERE id IN ({marks(len(piece))}) AND status = 'QUEUED'"
        found |= {row[0] for row in fetch(connection, sql, piece)}
    return found


def rung_for(connection: AnyConnection, queue: str, limit: int, without: Sequence[str], now_us: int) -> list[str]:
    """The first of a queue for which its engine was rung and that still wait to begin, except those named."""
    among = f"AND r.id NOT IN ({marks(len(without))})" if without else ""
    sql = f"""SELECT r.id FROM jobdeck_run r WHERE r.status = 'QUEUED' AND r.parked = 0 AND r.queue = ?
        AND r.ring_at IS NOT NULL AND r.ring_at > 0 AND {ELIGIBLE} {among} ORDER BY r.ring_at, r.order_at, r.id LIMIT ?"""
    return [row[0] for row in fetch(connection, sql, (queue, *[now_us] * ELIGIBLE_MARKS, *without, limit))]


def ring_soon(connection: AnyConnection, run_ids: Sequence[str], now_us: int, longest_us: int) -> None:
    """Have engines rung again for queued runs: twice as late each time, 0.4 s after the first, `longest_us` at most."""
    doublings = max(0, (longest_us // _FIRST_US).bit_length() - 1)
    soon = f"""CASE WHEN rings > {doublings} THEN CAST(? AS BIGINT)
        ELSE CAST(? AS BIGINT) + (CAST({_FIRST_US} AS BIGINT) << rings) END"""
    _change(connection, run_ids, soon, (now_us + longest_us, now_us))


def ring_now(connection: AnyConnection, run_ids: Sequence[str]) -> None:
    """Have engines rung for queued runs, as nothing is on its way to anybody any more."""
    _change(connection, run_ids, "0", ())


def count_fenced(connection: AnyConnection, run_id: str, count: int) -> None:
    """Note so many deliveries for a run that they found taken, or ended."""
    execute(
        connection, "UPDATE jobdeck_run SET fenced = fenced + ? WHERE id = ? AND status <> 'QUEUED'", (count, run_id)
    )


def _under_way(connection: AnyConnection, queue: str, now_us: int) -> int:
    sql = f"""SELECT count(*) FROM jobdeck_run r WHERE r.status = 'QUEUED' AND r.parked = 0 AND r.ring_at IS NOT NULL
        AND r.queue = ? AND r.ring_at > ? AND {ELIGIBLE}"""
    return int(fetch(connection, sql, (queue, now_us, *[now_us] * ELIGIBLE_MARKS))[0][0])


def _due(again: bool) -> str:
    return f"""FROM jobdeck_run r WHERE r.status = 'QUEUED' AND r.parked = 0 AND r.ring_at IS NOT NULL
        AND r.queue = ? AND {_AGAIN if again else _NEW} AND {ELIGIBLE}"""


def _due_values(queue: str, now_us: int, again: bool) -> tuple[object, ...]:
    # New ones that are delayed for long stand behind all that may begin now, whatever their priority, and are not looked at.
    return (queue, now_us if again else now_us + _MOST_AHEAD_US, *[now_us] * ELIGIBLE_MARKS)


def _later(rings: str, first_us: int) -> str:
    """`core.ring.patience_us` after so many rings from now, with `_ends` for its marks."""
    doublings = max(0, (LONGEST_US // first_us).bit_length() - 1)
    return f"""CASE WHEN ({rings}) > {doublings} THEN CAST(? AS BIGINT)
        ELSE CAST(? AS BIGINT) + (CAST(? AS BIGINT) << ({rings})) END"""


def _ends(now_us: int, first_us: int) -> tuple[int, int, int]:
    return now_us + max(first_us, LONGEST_US), now_us, first_us


def _change(connection: AnyConnection, run_ids: Sequence[str], ring_at: str, values: tuple[int, ...]) -> None:
    """Whatever somebody else is just changing is left to them, so that nobody waits for anybody."""
    skip = "" if is_sqlite(connection) else "FOR UPDATE SKIP LOCKED"
    for piece in pieces(sorted(run_ids)):
        sql = f"""UPDATE jobdeck_run SET ring_at = {ring_at} WHERE status = 'QUEUED' AND id IN (SELECT id FROM jobdeck_run
            WHERE id IN ({marks(len(piece))}) AND status = 'QUEUED' AND ring_at IS NOT NULL {skip})"""
        execute(connection, sql, (*values, *piece))
