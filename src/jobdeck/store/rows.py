"""From database rows to values: the only place that knows how a column is written."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Row

from ..core.attempt import Attempt
from ..core.audit import AuditEntry
from ..core.file import RunFile
from ..core.job import Job
from ..core.log_entry import LogEntry, level_name
from ..core.principal import Principal
from ..core.queue import Pause
from ..core.run import Counters, Parked, Progress, Reason, Run, Status, Trigger
from ..core.schedule import Misfire, Overlap, Schedule, timing_of
from ..core.tick import Tick, TickKind, TickReason
from ..core.times import from_us
from ..core.worker import DispatcherInfo, SchedulerInfo, WorkerInfo

_COUNTERS = tuple(Counters.__dataclass_fields__)


def _at(us: int | None) -> Any:
    return None if us is None else from_us(us)


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def principal(principal_id: str | None, name: str | None, tenant: str) -> Principal | None:
    """Who started a run, or None."""
    return None if principal_id is None else Principal(id=principal_id, name=name or principal_id, tenant=tenant)


def run(row: Row[Any], files: tuple[RunFile, ...] = ()) -> Run:
    """A run, with the files that were read for it."""
    r = row._mapping
    progress = None
    if r["progress_done"] is not None:
        progress = Progress(done=r["progress_done"], total=r["progress_total"], message=r["progress_message"])
    return Run(
        id=r["id"],
        tenant=r["tenant"],
        job_id=r["job_id"],
        type=r["type"],
        function=r["function"],
        title=r["title"],
        # Empty until the child that executes it has made them.
        arguments=json.loads(r["arguments"] or "{}"),
        positional=tuple(_json(r["positional"]) or ()),
        queue=r["queue"],
        trigger=Trigger(r["trigger"]),
        started_by=principal(r["principal_id"], r["principal_name"], r["tenant"]),
        status=Status(r["status"]),
        reason=None if r["reason"] is None else Reason(r["reason"]),
        message=r["message"],
        traceback=r["traceback"],
        result=_json(r["result"]),
        attempt=r["attempt"],
        max_attempts=r["max_attempts"],
        timeout_s=r["timeout_s"],
        available_at=from_us(r["available_at"]),
        created_at=from_us(r["created_at"]),
        started_at=_at(r["started_at"]),
        ended_at=_at(r["ended_at"]),
        heartbeat_at=_at(r["hb_at"]),
        stop_requested_at=_at(r["stop_requested_at"]),
        stop_requested_by=r["stop_requested_by"],
        stop_reason=r["stop_reason"],
        progress=progress,
        counters=Counters(**{name: r[name] for name in _COUNTERS}),
        priority=r["priority"],
        expires_at=_at(r["expires_at"]),
        open_dependencies=r["open_dependencies"],
        parked=Parked(r["parked"]),
        limit_key=r["limit_key"],
        limit_n=r["limit_n"],
        limit_policy=r["limit_policy"],
        unique_key=r["unique_key"],
        rescues=r["rescues"],
        releases=r["releases"],
        fenced=r["fenced"],
        owner=r["owner"],
        stop_kind=r["stop_kind"],
        body_kind=r["body_kind"],
        parent_id=r["parent_id"],
        retry_of=r["retry_of"],
        schedule_id=r["schedule_id"],
        fire_at=_at(r["fire_at"]),
        files=files,
    )


def job(row: Row[Any], last_run: Run | None = None, last_runs: dict[str, Run] | None = None) -> Job:
    """A job, with the runs that were read for it."""
    r = row._mapping
    return Job(
        id=r["id"],
        tenant=r["tenant"],
        title=r["title"],
        description=r["description"],
        type=r["type"],
        queue=r["queue"],
        active=bool(r["active"]),
        arguments=_json(r["arguments"]),
        custom_arguments=_json(r["custom_arguments"]),
        timeout_s=r["timeout_s"],
        priority=r["priority"],
        max_attempts=r["max_attempts"],
        run_limit=r["run_limit"],
        limit_policy=r["limit_policy"],
        after_job_id=r["after_job_id"],
        after_need=r["after_need"],
        created_at=from_us(r["created_at"]),
        updated_at=from_us(r["updated_at"]),
        last_run=last_run,
        last_runs=last_runs or {},
    )


def log_entry(row: Row[Any]) -> LogEntry:
    """A log entry."""
    r = row._mapping
    return LogEntry(
        run_id=r["run_id"],
        seq=r["seq"],
        attempt=r["attempt"],
        at=from_us(r["at"]),
        level=level_name(r["level"]),
        logger=r["logger"],
        message=r["message"],
        fields=_json(r["fields"]) or {},
    )


def file(row: Row[Any]) -> RunFile:
    """The description of a file."""
    r = row._mapping
    return RunFile(
        run_id=r["run_id"],
        name=r["name"],
        media_type=r["media_type"],
        size=r["size"],
        sha256=r["sha256"],
        path=r["path"],
        created_at=from_us(r["created_at"]),
    )


def attempt(row: Row[Any]) -> Attempt:
    """An attempt."""
    r = row._mapping
    return Attempt(
        run_id=r["run_id"],
        attempt=r["attempt"],
        worker_id=r["worker_id"],
        host=r["host"],
        pid=r["pid"],
        started_at=_at(r["started_at"]),
        ended_at=_at(r["ended_at"]),
        outcome=r["outcome"],
        message=r["message"],
        exit_code=r["exit_code"],
        signal=r["signal"],
        rss_max=r["rss_max"],
        engine=r["engine"],
    )


def schedule(row: Row[Any]) -> Schedule:
    """A schedule."""
    r = row._mapping
    timing = timing_of(r["recurrence"], r["time_zone"], r["anchor_at"], r["starts_at"], r["ends_at"])
    pause = None
    if r["paused_at"] is not None:
        pause = Pause(at=from_us(r["paused_at"]), by=r["paused_by"], reason=r["pause_reason"])
    window_us = r["misfire_window_us"]
    return Schedule(
        id=r["id"],
        tenant=r["tenant"],
        job_id=r["job_id"],
        timing=timing,
        max_count=r["max_count"],
        jitter_s=r["jitter_us"] / 1_000_000,
        arguments=_json(r["arguments"]),
        custom_arguments=_json(r["custom_arguments"]),
        misfire=Misfire(r["misfire"]),
        misfire_window_s=None if window_us is None else window_us / 1_000_000,
        overlap=Overlap(r["overlap"]),
        principal=Principal(id=r["principal_id"], name=r["principal_name"], tenant=r["tenant"]),
        pause=pause,
        problem=r["problem"],
        tzdata=r["tzdata"],
        next_fire_at=_at(r["next_fire_at"]),
        last_fire_at=_at(r["last_fire_at"]),
        served_until=from_us(r["served_until"]),
        count=r["run_count"],
        version=r["version"],
        starts_at=_at(r["starts_at"]),
        ends_at=_at(r["ends_at"]),
        created_at=from_us(r["created_at"]),
        updated_at=from_us(r["updated_at"]),
    )


def tick(row: Row[Any]) -> Tick:
    """What became of a planned time."""
    r = row._mapping
    return Tick(
        schedule_id=r["schedule_id"],
        fire_at=from_us(r["fire_at"]),
        kind=TickKind(r["kind"]),
        reason=None if r["reason"] is None else TickReason(r["reason"]),
        detail=r["detail"],
        run_id=r["run_id"],
        recorded_at=from_us(r["recorded_at"]),
    )


def worker(row: Row[Any]) -> WorkerInfo:
    """A worker."""
    r = row._mapping
    return WorkerInfo(
        id=r["id"],
        host=r["host"],
        pid=r["pid"],
        pid_started=r["pid_started"],
        boot_id=r["boot_id"],
        engine=r["engine"],
        queues=tuple(json.loads(r["queues"])),
        types=tuple(json.loads(r["types"])),
        processes=r["processes"],
        started_at=from_us(r["started_at"]),
        seen_at=from_us(r["seen_at"]),
        stale_writes=r["stale_writes"],
        pages=r["pages"],
    )


def scheduler(row: Row[Any]) -> SchedulerInfo:
    """A scheduler."""
    r = row._mapping
    return SchedulerInfo(
        id=r["id"],
        host=r["host"],
        pid=r["pid"],
        tzdata=r["tzdata"],
        started_at=from_us(r["started_at"]),
        seen_at=from_us(r["seen_at"]),
    )


def dispatcher(row: Row[Any]) -> DispatcherInfo:
    """A dispatcher."""
    r = row._mapping
    return DispatcherInfo(
        id=r["id"],
        host=r["host"],
        pid=r["pid"],
        engines=tuple(json.loads(r["engines"])),
        problems=_json(r["problems"]) or {},
        depths=_json(r["depths"]) or {},
        started_at=from_us(r["started_at"]),
        seen_at=from_us(r["seen_at"]),
    )


def audit_entry(row: Row[Any]) -> AuditEntry:
    """An audit entry."""
    r = row._mapping
    return AuditEntry(
        id=r["id"],
        tenant=r["tenant"],
        at=from_us(r["at"]),
        principal_id=r["principal_id"],
        action=r["action"],
        object=r["object"],
        allowed=bool(r["allowed"]),
        reason=r["reason"],
        before=_json(r["before"]),
        after=_json(r["after"]),
    )
