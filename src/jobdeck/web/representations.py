"""The shapes of the REST interface, as plain functions from values to dicts.

No Flask here: the command line's `--json` prints the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from ..config import Settings
from ..core.attempt import Attempt
from ..core.file import RunFile
from ..core.filters import COUNT_LIMIT, Listing
from ..core.job import Job
from ..core.log_entry import LogEntry
from ..core.run import SHOWN_STATUSES, Run
from ..core.times import iso
from ..core.worker import WorkerInfo
from ..definitions.job_type import JobType

# Fields with a place of their own in a log entry; the rest of `fields` is shown as it is.
_PLACE = ("module", "function", "line")


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where the API and the pages are reached; without trailing slash."""

    api: str
    pages: str

    @classmethod
    def of(cls, settings: Settings, root: str = "") -> Links:
        """Links below the configured base URL, else below `root` (scheme, host and mount point)."""
        base = settings.base_url or root.rstrip("/")
        return cls(api=base + settings.api_prefix, pages=base + settings.pages_prefix)


def run(value: Run, links: Links, now: datetime) -> dict[str, Any]:
    """A run, the same wherever it is shown. Times are ISO 8601 with `+00:00`.

    `positional` are the arguments without a name, which only a plain function has.
    """
    here = f"{links.api}/runs/{value.id}"
    progress = value.progress
    return {
        "id": value.id,
        "job_id": value.job_id,
        "type": value.type,
        "function": value.function,
        "title": value.title,
        "status": value.shown_status(now),
        "reason": None if value.reason is None else str(value.reason),
        "message": value.message,
        "queue": value.queue,
        "trigger": str(value.trigger),
        "args": value.arguments,
        "positional": list(value.positional),
        "result": value.result,
        "progress": None if progress is None else asdict(progress),
        "attempt": value.attempt,
        "max_attempts": value.max_attempts,
        "timeout": value.timeout_s,
        "waiting_reasons": [],
        "created": iso(value.created_at),
        "updated": iso(value.updated_at),
        "started_at": iso(value.started_at),
        "finished_at": iso(value.ended_at),
        "started_by_id": None if value.started_by is None else value.started_by.id,
        "started_by": _started_by(value),
        "stop_requested_at": iso(value.stop_requested_at),
        "stop_requested_by": value.stop_requested_by,
        "stop_reason": value.stop_reason,
        "task_id": value.id,
        "parent_run_id": value.parent_id,
        "subtasks": [],
        **asdict(value.counters),
        "files": [file(one, links) for one in value.files],
        "links": {
            "self": here,
            "self_admin_html": f"{links.pages}/runs/{value.id}",
            "stop": f"{here}/actions/stop",
            "logs": f"{here}/logs",
            "files": f"{here}/files",
            "attempts": f"{here}/attempts",
        },
    }


def job(
    value: Job,
    links: Links,
    now: datetime,
    *,
    type_known: bool,
    default_args: Mapping[str, Any] | None,
    problem: str | None,
) -> dict[str, Any]:
    """A job. `default_args` is what a run would be called with now; when None, `problem` says why."""
    here = f"{links.api}/jobs/{value.id}"
    saved = _saved_arguments(value)
    return {
        "id": value.id,
        "title": value.title,
        "description": value.description,
        "task": value.type,
        "type_known": type_known,
        "active": value.active,
        "default_queue": value.queue,
        "timeout": value.timeout_s,
        "run_args": saved,
        "args": saved or {},
        "default_args": None if default_args is None else json.dumps(_in_stored_order(default_args)),
        "problem": problem,
        "schedule": None,
        "next_run": None,
        "notification_emails": None,
        "notification_statuses": None,
        "created": iso(value.created_at),
        "updated": iso(value.updated_at),
        "last_run": None if value.last_run is None else run(value.last_run, links, now),
        "last_runs": {
            name: run(value.last_runs[name], links, now) if name in value.last_runs else {}
            for name in map(str.lower, SHOWN_STATUSES)
        },
        "links": {
            "self": here,
            "runs": f"{here}/runs",
            "self_admin_html": f"{links.pages}/jobs/{value.id}",
        },
    }


def task(value: type[JobType], links: Links) -> dict[str, Any]:
    """A job type, which the wire calls a task."""
    here = f"{links.api}/tasks/{quote(value.id, safe='')}"
    return {
        "id": value.id,
        "title": str(value.title),
        "description": None if value.description is None else str(value.description),
        "queue": value.queue,
        "timeout": value.options()["timeout"],
        "links": {"self": here, "args": f"{here}/args", "runs": f"{here}/runs"},
    }


def file(value: RunFile, links: Links) -> dict[str, Any]:
    """A file that a run made; size in bytes."""
    return {
        "name": value.name,
        "size": value.size,
        "media_type": value.media_type,
        "sha256": value.sha256,
        "created": iso(value.created_at),
        "links": {"content": f"{links.api}/runs/{value.run_id}/files/{quote(value.name, safe='')}"},
    }


def attempt(value: Attempt) -> dict[str, Any]:
    """One try at a run; `rss_max` in bytes."""
    return {
        "attempt": value.attempt,
        "worker_id": value.worker_id,
        "host": value.host,
        "pid": value.pid,
        "started_at": iso(value.started_at),
        "finished_at": iso(value.ended_at),
        "outcome": value.outcome,
        "exit_code": value.exit_code,
        "signal": value.signal,
        "rss_max": value.rss_max,
    }


def worker(value: WorkerInfo) -> dict[str, Any]:
    """A worker that lives."""
    return {
        "id": value.id,
        "host": value.host,
        "pid": value.pid,
        "queues": list(value.queues),
        "processes": value.processes,
        "started_at": iso(value.started_at),
        "seen_at": iso(value.seen_at),
    }


def log_entry(value: LogEntry, of: Run | None = None) -> dict[str, Any]:
    """A line of a run's log; `of` is the run, when it is known."""
    context: dict[str, Any] = {"run_id": value.run_id, "task_id": value.run_id}
    if of is not None:
        starter = None if of.started_by is None else of.started_by.id
        context |= {"job_id": of.job_id, "identity_id": starter}
    return {
        "timestamp": iso(value.at),
        "level": value.level,
        "message": value.message,
        **{name: value.fields.get(name) for name in _PLACE},
        "seq": value.seq,
        "attempt": value.attempt,
        "logger": value.logger,
        "fields": {name: field for name, field in value.fields.items() if name not in _PLACE},
        "context": context,
    }


def log_page(entries: Iterable[LogEntry], total: int, cursor: int, of: Run, links: Links) -> dict[str, Any]:
    """Entries of one run; `next` is the `after` to go on from."""
    return {
        "hits": {"hits": [log_entry(entry, of) for entry in entries], "total": total},
        "next": cursor,
        "links": {"self": f"{links.api}/runs/{of.id}/logs"},
    }


def envelope(
    shown: Listing[Any],
    items: list[dict[str, Any]],
    address: str,
    parameters: Mapping[str, Any] | None = None,
    sort_by: str | None = None,
) -> dict[str, Any]:
    """One page of a list at `address` (absolute), with links that keep the other query `parameters`.

    Beyond what page numbers reach, `next` goes on by `before`.
    """
    page = shown.page
    kept = {**(parameters or {}), "size": page.size}

    def link(**position: Any) -> str:
        return f"{address}?{urlencode(kept | position, doseq=True)}"

    links = {"self": link(before=page.before) if page.before else link(page=page.number)}
    if page.before is None and page.number > 1:
        links["prev"] = link(page=page.number - 1)
    if shown.has_more and items:
        by_number = page.before is None and (page.number + 1) * page.size <= COUNT_LIMIT
        links["next"] = link(page=page.number + 1) if by_number else link(before=items[-1]["id"])
    return {
        "hits": {"hits": items, "total": shown.total, "total_is_exact": shown.total_is_exact},
        "sortBy": [sort_by] if sort_by else [],
        "page": page.number,
        "links": links,
    }


def whole(items: list[dict[str, Any]], address: str, sort_by: str) -> dict[str, Any]:
    """The envelope of a list that is never long enough to have pages."""
    return {
        "hits": {"hits": items, "total": len(items)},
        "sortBy": [sort_by],
        "page": 1,
        "links": {"self": address},
    }


def _started_by(value: Run) -> dict[str, Any] | None:
    who = value.started_by
    return None if who is None else {"id": who.id, "username": who.name, "type": "user", "links": {}}


def _saved_arguments(value: Job) -> dict[str, Any] | None:
    if value.custom_arguments is None:
        return value.arguments
    return {**(value.arguments or {}), "custom_args": value.custom_arguments}


def _in_stored_order(value: Any) -> Any:
    """Keys of every object by length, then by bytes, as PostgreSQL's JSONB has them: InvenioRDM's order."""
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return {key: _in_stored_order(value[key]) for key in keys}
    if isinstance(value, list | tuple):
        return [_in_stored_order(item) for item in value]
    return value
