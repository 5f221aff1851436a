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
from ..core.run import Counters, Progress, Reason, Run, Status, Trigger
from ..core.times import from_us
from ..core.worker import WorkerInfo

_COUNTERS = tuple(Counters.__dataclass_fields__)


def _at(us: int | None) -> Any:
    return None if us is None else from_us(us)


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def run(row: Row[Any], files: tuple[RunFile, ...] = ()) -> Run:
    """A run, with the files that were read for it."""
    r = row._mapping
    progress = None
    if r["progress_done"] is not None:
        progress = Progress(done=r["progress_done"], total=r["progress_total"], message=r["progress_message"])
    started_by = None
    if r["principal_id"] is not None:
        started_by = Principal(id=r["principal_id"], name=r["principal_name"], tenant=r["tenant"])
    return Run(
        id=r["id"],
        tenant=r["tenant"],
        job_id=r["job_id"],
        type=r["type"],
        function=r["function"],
        title=r["title"],
        arguments=json.loads(r["arguments"]),
        positional=tuple(_json(r["positional"]) or ()),
        queue=r["queue"],
        trigger=Trigger(r["trigger"]),
        started_by=started_by,
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
        parent_id=r["parent_id"],
        retry_of=r["retry_of"],
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
        direction=r["direction"],
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
        exit_code=r["exit_code"],
        signal=r["signal"],
        rss_max=r["rss_max"],
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
        queues=tuple(json.loads(r["queues"])),
        processes=r["processes"],
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
