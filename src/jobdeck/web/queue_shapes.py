"""The shapes of queues and of who serves them in the REST interface; the command line's `--json` prints the same."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from ..core.queue import Alert, Queue
from ..core.times import iso
from ..core.worker import DispatcherInfo, HeldRun, SchedulerInfo, WorkerInfo
from .representations import Links, pause


def queue(value: Queue, links: Links, now: datetime) -> dict[str, Any]:
    """A queue: what carries its runs, how much waits and works there, who serves it. `processes` are slots, `depth` messages at
    its engine, `oldest_waiting_age` whole seconds; `command` starts a worker for it.
    """
    here = f"{links.api}/queues/{quote(value.name, safe='')}"
    age = None if value.oldest_at is None else max(0, int((now - value.oldest_at).total_seconds()))
    return {
        "name": value.name,
        "title": value.title,
        "engine": value.carrier.engine,
        "engine_queue": value.carrier.queue,
        "isolation": None if value.carrier.isolation is None else str(value.carrier.isolation),
        "queued": value.queued,
        "running": value.running,
        "oldest_waiting_at": iso(value.oldest_at),
        "oldest_waiting_age": age,
        "depth": value.depth,
        "workers": value.workers,
        "processes": value.processes,
        "limit": value.limit,
        "paused": pause(value.pause),
        "cannot": dict(value.cannot),
        "problem": value.problem,
        "alert": None if value.alert is None else alert(value.alert),
        "command": value.carrier.command,
        "links": {
            "self": here,
            "pause": f"{here}/actions/pause",
            "resume": f"{here}/actions/resume",
            "runs": f"{links.api}/runs?{urlencode({'queue': value.name})}",
        },
    }


def alert(value: Alert) -> dict[str, Any]:
    """That nobody serves a queue; `command` starts what is missing, null when no command is enough."""
    return {"code": value.code, "message": value.message, "command": value.command, "since": iso(value.since)}


def worker(value: WorkerInfo, links: Links) -> dict[str, Any]:
    """A worker that lives; `types` is how many job types it knows, `busy` how many of its `processes` are at work, `runs` the
    first runs there, the longest at work first.
    """
    return {
        "id": value.id,
        "engine": value.engine,
        "host": value.host,
        "pid": value.pid,
        "queues": list(value.queues),
        "types": len(value.types),
        "processes": value.processes,
        "busy": value.busy,
        "runs": [held_run(one, links) for one in value.holds],
        "started_at": iso(value.started_at),
        "seen_at": iso(value.seen_at),
        "stale_writes": value.stale_writes,
    }


def held_run(value: HeldRun, links: Links) -> dict[str, Any]:
    """A run that a worker executes."""
    return {
        "id": value.id,
        "title": value.title,
        "job_id": value.job_id,
        "type": value.type,
        "function": value.function,
        "started_at": iso(value.started_at),
        "links": {"self": f"{links.api}/runs/{value.id}", "self_admin_html": f"{links.pages}/runs/{value.id}"},
    }


def dispatcher(value: DispatcherInfo) -> dict[str, Any]:
    """A dispatcher that lives; `problems` by engine, `depths` by queue, in messages that wait there."""
    return {
        "id": value.id,
        "host": value.host,
        "pid": value.pid,
        "engines": list(value.engines),
        "problems": dict(value.problems),
        "depths": dict(value.depths),
        "started_at": iso(value.started_at),
        "seen_at": iso(value.seen_at),
    }


def scheduler(value: SchedulerInfo) -> dict[str, Any]:
    """A scheduler that lives; `tzdata` is the version of its time zone data."""
    return {
        "id": value.id,
        "host": value.host,
        "pid": value.pid,
        "tzdata": value.tzdata,
        "started_at": iso(value.started_at),
        "seen_at": iso(value.seen_at),
    }
