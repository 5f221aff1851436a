"""Which runs wait for the end of which others."""

from __future__ import annotations

from collections.abc import Sequence

from .statements import AnyConnection, Rows, execute_many, fetch, is_sqlite, marks, pieces


def add(connection: AnyConnection, rows: Rows) -> None:
    """Insert dependencies: rows of (run_id, after_id, tenant, need, resolved_at)."""
    sql = "INSERT INTO jobdeck_dependency (run_id, after_id, tenant, need, resolved_at) VALUES (?, ?, ?, ?, ?)"
    execute_many(connection, sql, rows)


def lock_parents(connection: AnyConnection, tenant: str, run_ids: Sequence[str]) -> dict[str, str]:
    """The status of each of these runs, kept as it is until the transaction ends; an unknown one is missing."""
    lock = "" if is_sqlite(connection) else "FOR UPDATE"
    sql = f"SELECT id, status FROM jobdeck_run WHERE tenant = ? AND id IN ({marks(len(run_ids))}) ORDER BY id {lock}"
    return dict(fetch(connection, sql, (tenant, *run_ids)))


def lock_replaced(connection: AnyConnection, tenant: str, key: str) -> list[str]:
    """Runs that are asked to stop, and for whose end the queued run with this unique key waits; locked."""
    lock = "" if is_sqlite(connection) else "FOR UPDATE"
    sql = f"""SELECT id FROM jobdeck_run WHERE status = 'RUNNING' AND stop_requested_at IS NOT NULL AND unique_key IS NULL
        AND id IN (SELECT d.after_id FROM jobdeck_dependency d JOIN jobdeck_run r ON r.id = d.run_id
        WHERE r.tenant = ? AND r.unique_key = ? AND r.unique_key IS NOT NULL AND r.status = 'QUEUED'
        AND r.status IN ('QUEUED', 'RUNNING') AND d.need = 'end' AND d.resolved_at IS NULL) ORDER BY id {lock}"""
    return [row[0] for row in fetch(connection, sql, (tenant, key))]


def waiting_for(connection: AnyConnection, ended: Sequence[str]) -> list[tuple[str, str, str]]:
    """(run, what it waits for, need) of every open dependency on these runs, by run."""
    found: list[tuple[str, str, str]] = []
    for some in pieces(ended):
        sql = f"""SELECT run_id, after_id, need FROM jobdeck_dependency
            WHERE after_id IN ({marks(len(some))}) AND resolved_at IS NULL"""
        found += [(run_id, after_id, need) for run_id, after_id, need in fetch(connection, sql, some)]
    return sorted(found)


def statuses(connection: AnyConnection, run_ids: Sequence[str]) -> dict[str, str]:
    """The status of each of these runs."""
    found: dict[str, str] = {}
    for some in pieces(run_ids):
        found |= dict(fetch(connection, f"SELECT id, status FROM jobdeck_run WHERE id IN ({marks(len(some))})", some))
    return found


def resolve(connection: AnyConnection, rows: Rows) -> None:
    """Close dependencies: rows of (now, run_id, after_id)."""
    sql = "UPDATE jobdeck_dependency SET resolved_at = ? WHERE run_id = ? AND after_id = ? AND resolved_at IS NULL"
    execute_many(connection, sql, rows)


def release(connection: AnyConnection, rows: Rows) -> None:
    """Runs wait for fewer; each comes in line when it waits for none, unless it is run elsewhere: rows of (how many fewer,
    the same again, id).
    """
    sql = """UPDATE jobdeck_run SET open_dependencies = open_dependencies - ?,
        parked = CASE WHEN open_dependencies <= ? AND parked = 3 THEN 0 ELSE parked END
        WHERE id = ? AND status = 'QUEUED'"""
    execute_many(connection, sql, rows)


def of_run(connection: AnyConnection, run_id: str) -> list[tuple[str, str, int | None]]:
    """(what it waits for, need, resolved_at) of a run's dependencies."""
    sql = "SELECT after_id, need, resolved_at FROM jobdeck_dependency WHERE run_id = ? ORDER BY after_id LIMIT 1000"
    return [(after_id, need, at) for after_id, need, at in fetch(connection, sql, (run_id,))]
