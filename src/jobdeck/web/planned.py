"""The shapes of what is to come and of what is late, for REST and the command line; beside `representations`."""

from __future__ import annotations

from typing import Any

from ..core.overdue import Overdue
from ..core.preview import Preview, Simulation
from ..core.times import iso
from .representations import Links


def preview(value: Preview, links: Links) -> dict[str, Any]:
    """The next times of a schedule. `local` is the same instant with the offset of the schedule's zone."""
    return {
        "description": value.description,
        "time_zone": value.time_zone,
        "tzdata": value.tzdata,
        "times": [{"at": iso(one.at), "local": one.local.isoformat(), "note": one.note} for one in value.times],
        "is_complete": value.is_complete,
        "clock_changes": [{"at": iso(one.at), "text": one.text} for one in value.clock_changes],
        "collisions": [
            {
                "at": iso(one.at),
                "count": one.count,
                "schedule_id": one.schedule_id,
                "job_id": one.job_id,
                "job_title": one.job_title,
                "links": {"schedule": f"{links.api}/schedules/{one.schedule_id}"},
            }
            for one in value.collisions
        ],
        "collisions_are_complete": value.collisions_are_complete,
    }


def simulation(value: Simulation, links: Links, address: str) -> dict[str, Any]:
    """The times of all schedules, in order."""
    items = [
        {
            "at": iso(one.at),
            "local": one.local.isoformat(),
            "time_zone": one.schedule.time_zone,
            "schedule_id": one.schedule.id,
            "job_id": one.schedule.job_id,
            "job_title": one.job_title,
            "collides": one.collides,
            "links": {"schedule": f"{links.api}/schedules/{one.schedule.id}"},
        }
        for one in value.times
    ]
    return {
        "hits": {"hits": items, "total": len(items)},
        "is_complete": value.is_complete,
        "sortBy": ["at"],
        "links": {"self": address},
    }


def overdue(value: Overdue, links: Links) -> dict[str, Any]:
    """One thing that is late."""
    to = {"schedule": f"{links.api}/schedules/{value.schedule_id}"}
    return {
        "kind": str(value.kind),
        "message": value.message,
        "since": iso(value.since),
        "run_id": value.run_id,
        "schedule_id": value.schedule_id,
        "job_id": value.job_id,
        "job_title": value.job_title,
        "links": to if value.run_id is None else {**to, "run": f"{links.api}/runs/{value.run_id}"},
    }
