"""The shapes of schedules, and of what became of their planned times, for REST and the command line; beside
`representations`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..core import zones
from ..core.schedule import Schedule
from ..core.tick import Tick
from ..core.times import iso
from ..services.descriptions import describe
from .representations import Links, pause


def schedule(value: Schedule, links: Links, job_title: str | None) -> dict[str, Any]:
    """A schedule. Spans are seconds; `next_fire_at_local` is the same instant with the offset of the schedule's zone."""
    here = f"{links.api}/schedules/{value.id}"
    at = value.next_fire_at
    return {
        "id": value.id,
        "job_id": value.job_id,
        "job_title": job_title,
        "recurrence": value.recurrence.as_data(),
        "description": describe(value.recurrence, value.time_zone),
        "time_zone": value.time_zone,
        "starts_at": iso(value.starts_at),
        "ends_at": iso(value.ends_at),
        "max_count": value.max_count,
        "count": value.count,
        "jitter": value.jitter_s,
        "misfire": str(value.misfire),
        "misfire_window": value.misfire_window_s,
        "overlap": str(value.overlap),
        "args": value.arguments,
        "custom_args": value.custom_arguments,
        "next_fire_at": iso(at),
        "next_fire_at_local": None if at is None else _local(at, value.time_zone),
        "last_fire_at": iso(value.last_fire_at),
        "paused": pause(value.pause),
        "problem": value.problem,
        "principal": {"id": value.principal.id, "username": value.principal.name},
        "tzdata": value.tzdata,
        "created": iso(value.created_at),
        "updated": iso(value.updated_at),
        "links": {
            "self": here,
            "self_admin_html": f"{links.pages}/schedules/{value.id}",
            "job": f"{links.api}/jobs/{value.job_id}",
            "ticks": f"{here}/ticks",
            "pause": f"{here}/actions/pause",
            "resume": f"{here}/actions/resume",
        },
    }


def tick(value: Tick, time_zone: str, links: Links) -> dict[str, Any]:
    """What became of one planned time of a schedule in this zone."""
    return {
        "fire_at": iso(value.fire_at),
        "fire_at_local": _local(value.fire_at, time_zone),
        "kind": str(value.kind),
        "reason": None if value.reason is None else str(value.reason),
        "detail": value.detail,
        "run_id": value.run_id,
        "recorded_at": iso(value.recorded_at),
        "links": {} if value.run_id is None else {"run": f"{links.api}/runs/{value.run_id}"},
    }


def _local(at: datetime, time_zone: str) -> str:
    return at.astimezone(zones.zone_or_utc(time_zone)).isoformat()
