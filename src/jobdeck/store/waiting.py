"""Why a queued run is not running: one list of reasons, each an SQL predicate on a run `r`.

The claim takes runs for which none of them holds; `services.insight` asks one by one. `?` in a predicate is the time
now, in microseconds. The names of the codes are part of the REST API.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.run import Run
from .statements import AnyConnection, fetch, marks


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """`blocks` is true while the run has to wait for this. The claim itself checks all but what it must count under a lock."""

    code: str
    blocks: str
    is_counted: bool = False


_RUNNING = "h.status = 'RUNNING' AND h.status IN ('QUEUED', 'RUNNING')"

REASONS: tuple[Reason, ...] = (
    Reason(code="elsewhere", blocks="r.parked = 2"),
    Reason(code="dependency", blocks="r.open_dependencies > 0"),
    Reason(code="start_time", blocks="r.available_at > ? AND r.attempt = 0"),
    Reason(code="backoff", blocks="r.available_at > ? AND r.attempt > 0"),
    Reason(code="expired", blocks="r.expires_at IS NOT NULL AND r.expires_at <= ? AND r.attempt = 0"),
    Reason(
        code="queue_paused",
        blocks="""EXISTS (SELECT 1 FROM jobdeck_queue q
            WHERE q.tenant = r.tenant AND q.name = r.queue AND q.paused_at IS NOT NULL)""",
    ),
    Reason(
        code="type_paused",
        blocks="""EXISTS (SELECT 1 FROM jobdeck_type t
            WHERE t.tenant = r.tenant AND t.id = r.type AND t.paused_at IS NOT NULL)""",
    ),
    Reason(
        code="limit",
        blocks=f"""r.limit_key IS NOT NULL AND (SELECT count(*) FROM jobdeck_run h
            WHERE h.limit_key = r.limit_key AND {_RUNNING}) >= r.limit_n""",
        is_counted=True,
    ),
    Reason(
        code="queue_limit",
        blocks="""EXISTS (SELECT 1 FROM jobdeck_queue q
            WHERE q.tenant = r.tenant AND q.name = r.queue AND q.run_limit IS NOT NULL
            AND (SELECT count(*) FROM jobdeck_run h WHERE h.status = 'RUNNING' AND h.queue = r.queue) >= q.run_limit)""",
        is_counted=True,
    ),
)

_CHECKED = [reason.blocks for reason in REASONS if not reason.is_counted]
ELIGIBLE = " AND ".join(f"({blocks}) IS NOT TRUE" for blocks in _CHECKED)
"""What the claim demands of a run in line (`parked = 0`), with `ELIGIBLE_MARKS` times the time now."""
ELIGIBLE_MARKS = ELIGIBLE.count("?")


def reasons_of(connection: AnyConnection, tenant: str, run_ids: Sequence[str], now_us: int) -> dict[str, list[str]]:
    """The codes of all reasons that hold, for each of these runs that is queued."""
    columns = ", ".join(f"({reason.blocks}) IS TRUE" for reason in REASONS)
    sql = f"""SELECT r.id, {columns} FROM jobdeck_run r
        WHERE r.id IN ({marks(len(run_ids))}) AND r.tenant = ? AND r.status = 'QUEUED'"""
    found = fetch(connection, sql, (*[now_us] * columns.count("?"), *run_ids, tenant))
    return {
        run_id: [reason.code for reason, holds in zip(REASONS, held, strict=True) if holds] for run_id, *held in found
    }


def usual_duration(connection: AnyConnection, tenant: str, type_id: str) -> int | None:
    """How long the newest successful runs of a type took on average (microseconds); None without any."""
    sql = """SELECT avg(took) FROM (SELECT ended_at - started_at AS took FROM
        (SELECT type, status, started_at, ended_at, id FROM jobdeck_run WHERE tenant = ? ORDER BY id DESC LIMIT 2000) AS newest
        WHERE type = ? AND status = 'SUCCESS' AND started_at IS NOT NULL ORDER BY id DESC LIMIT 50) AS successful"""
    found = fetch(connection, sql, (tenant, type_id))[0][0]
    return None if found is None else int(found)


def rank(connection: AnyConnection, run: Run, order_at: int, now_us: int, limit: int) -> int:
    """How many eligible runs of its queue come before a run, counted to `limit`."""
    sql = f"""SELECT count(*) FROM (SELECT 1 FROM jobdeck_run r
        WHERE r.status = 'QUEUED' AND r.parked = 0 AND r.queue = ? AND (r.order_at < ? OR (r.order_at = ? AND r.id < ?))
        AND {ELIGIBLE} LIMIT ?) AS before_it"""
    values = (run.queue, order_at, order_at, run.id, *[now_us] * ELIGIBLE_MARKS, limit)
    return int(fetch(connection, sql, values)[0][0])
