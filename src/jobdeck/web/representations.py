"""The shapes of the REST interface, as plain functions from values to dicts.

No Flask here: the command line's `--json` prints the same. Neighbours: `schedule_shapes`, `queue_shapes`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
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
from ..core.queue import Carrier, Pause
from ..core.retry import policy_of
from ..core.run import SHOWN_STATUSES, Run
from ..core.times import iso
from ..core.waiting import WaitingReason, Why
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is told of runs beside what they are: `reasons` by their ids (`Runs.waiting_reasons`), `carriers` by their queues
    (`Queues.carriers`).
    """

    now: datetime
    reasons: Mapping[str, Sequence[WaitingReason]]
    carriers: Mapping[str, Carrier]


def run(value: Run, links: Links, known: Known) -> dict[str, Any]:
    """A run, the same wherever it is shown. Times are ISO 8601 with `+00:00`.

    `positional` are the arguments without a name, which only a plain function has. `isolation` is null when it is not known
    here how the engine executes; `fenced_deliveries` counts the messages of it that found the run taken.
    """
    here = f"{links.api}/runs/{value.id}"
    progress = value.progress
    carrier = known.carriers.get(value.queue, Carrier())
    return {
        "id": value.id,
        "job_id": value.job_id,
        "type": value.type,
        "function": value.function,
        "title": value.title,
        "status": value.shown_status(known.now),
        "reason": None if value.reason is None else str(value.reason),
        "message": value.message,
        "queue": value.queue,
        "engine": carrier.engine,
        "isolation": None if carrier.isolation is None else str(carrier.isolation),
        "trigger": str(value.trigger),
        "args": value.arguments,
        "positional": list(value.positional),
        "result": value.result,
        "progress": None if progress is None else asdict(progress),
        "attempt": value.attempt,
        "max_attempts": value.max_attempts,
        "timeout": value.timeout_s,
        "priority": value.priority,
        "waiting_reasons": [waiting_reason(one) for one in known.reasons.get(value.id, ())],
        "open_dependencies": value.open_dependencies,
        "start_at": iso(value.available_at) if value.available_at > value.created_at else None,
        "expires_at": iso(value.expires_at),
        "limit": value.limit_n,
        "limit_policy": value.limit_policy,
        "unique_key": value.unique_key,
        "retry_of": value.retry_of,
        "schedule_id": value.schedule_id,
        "fire_at": iso(value.fire_at),
        "rescues": value.rescues,
        "fenced_deliveries": value.fenced,
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
            "again": f"{here}/actions/again",
            "why": f"{here}/why",
            "subtasks": f"{links.api}/runs?parent_id={value.id}",
            "logs": f"{here}/logs",
            "files": f"{here}/files",
            "attempts": f"{here}/attempts",
        },
    }


def waiting_reason(value: WaitingReason) -> dict[str, Any]:
    """One thing that keeps a run from beginning."""
    return {"code": value.code, "message": value.message, "since": iso(value.since)}


def why(value: Why) -> dict[str, Any]:
    """Why a run is not running; `position` and `starts_at` are null while a reason holds."""
    return {
        "status": value.status,
        "summary": value.summary,
        "reasons": [waiting_reason(one) for one in value.reasons],
        "position": value.position,
        "starts_at": iso(value.starts_at),
        "processes": value.processes,
    }


def job(
    value: Job,
    links: Links,
    known: Known,
    *,
    type_known: bool,
    default_args: Mapping[str, Any] | None,
    problem: str | None,
) -> dict[str, Any]:
    """A job. `default_args` is what a run would be called with now; when None, `problem` says why. `schedule` is when its
    oldest schedule recurs, `next_run` when any starts it next.
    """
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
        "priority": value.priority,
        "max_attempts": value.max_attempts,
        "limit": value.run_limit,
        "limit_policy": value.limit_policy,
        "after_job": value.after_job_id,
        "after_need": value.after_need,
        "run_args": saved,
        "args": saved or {},
        "default_args": None if default_args is None else json.dumps(_in_stored_order(default_args)),
        "problem": problem,
        "schedule": value.schedules[0].recurrence.as_data() if value.schedules else None,
        "next_run": iso(value.next_run_at),
        "notification_emails": None,
        "notification_statuses": None,
        "created": iso(value.created_at),
        "updated": iso(value.updated_at),
        "last_run": None if value.last_run is None else run(value.last_run, links, known),
        "last_runs": {
            name: run(value.last_runs[name], links, known) if name in value.last_runs else {}
            for name in map(str.lower, SHOWN_STATUSES)
        },
        "links": {
            "self": here,
            "runs": f"{here}/runs",
            "self_admin_html": f"{links.pages}/jobs/{value.id}",
        },
    }


def runs_of(values: Iterable[Job]) -> list[Run]:
    """Every run that the shapes of these jobs show, each once."""
    shown = [one for value in values for one in (value.last_run, *value.last_runs.values()) if one is not None]
    return list({one.id: one for one in shown}.values())


def task(value: type[JobType], links: Links, paused: Mapping[str, Pause]) -> dict[str, Any]:
    """A job type, which the wire calls a task; `retry` is a number of attempts. `paused` are the paused types by id."""
    here = f"{links.api}/tasks/{quote(value.id, safe='')}"
    policy = policy_of(value.retry)
    return {
        "id": value.id,
        "title": str(value.title),
        "description": None if value.description is None else str(value.description),
        "queue": value.queue,
        "timeout": value.options()["timeout"],
        "priority": value.priority,
        "retry": None if policy is None else policy.max_attempts,
        "limit": value.limit,
        "limit_policy": None if value.limit is None else value.limit_policy,
        "restartable": value.restartable,
        "fresh_process": value.fresh_process,
        "paused": pause(paused.get(value.id)),
        "links": {
            "self": here,
            "args": f"{here}/args",
            "runs": f"{here}/runs",
            "pause": f"{here}/actions/pause",
            "resume": f"{here}/actions/resume",
        },
    }


def pause(value: Pause | None) -> dict[str, Any] | None:
    """Who paused something, when and why; None while it is not paused."""
    return None if value is None else {"at": iso(value.at), "by": value.by, "reason": value.reason}


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
    """One try at a run; `rss_max` in bytes. `engine` is null when the worker was forgotten meanwhile."""
    return {
        "attempt": value.attempt,
        "engine": value.engine,
        "worker_id": value.worker_id,
        "host": value.host,
        "pid": value.pid,
        "started_at": iso(value.started_at),
        "finished_at": iso(value.ended_at),
        "outcome": value.outcome,
        "message": value.message,
        "exit_code": value.exit_code,
        "signal": value.signal,
        "rss_max": value.rss_max,
    }


def log_entry(value: LogEntry, of: Run | None = None) -> dict[str, Any]:
    """A line of a run's log; `of` is the run, when it is known."""
    context: dict[str, Any] = {"run_id": value.run_id, "task_id": value.fields.get("task_id", value.run_id)}
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
    *,
    cursor: str = "id",
) -> dict[str, Any]:
    """One page of a list at `address` (absolute), with links that keep the other query `parameters`.

    Beyond what page numbers reach, `next` goes on by `before`, the last item's `cursor`.
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
        links["next"] = link(page=page.number + 1) if by_number else link(before=items[-1][cursor])
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
