"""Starting what runs after something else: jobs whose turn has come, by a worker, which has no application loaded.

Such a run is stored without arguments (`UNPREPARED`); the child that executes it makes them when it begins.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from ..config import Settings
from ..core.ids import new_id
from ..core.job import Job
from ..core.permissions import Action
from ..core.principal import SYSTEM, Principal
from ..core.run import Trigger
from ..core.times import to_us
from ..errors import RequestError
from ..store import audit, followups, jobs
from ..store.database import Database
from ..store.statements import set_apart
from . import checks, storing
from .options import Asked, plan

logger = logging.getLogger(__name__)
_AT_ONCE = 100
UNPREPARED = ""

Declared = Mapping[str, Mapping[str, Any]]


def carry_out(database: Database, settings: Settings, declared: Declared, now_us: int) -> int:
    """Start what is due of the job types that are `declared`; how many runs."""
    with database.read() as connection:
        if not followups.is_any(connection):
            return 0
    started = 0
    with database.write() as connection:
        followups.forget_deleted(connection)
        for job_id, after, tenant, principal_id, name in followups.due(connection, sorted(declared), _AT_ONCE):
            job = jobs.get(connection, tenant, job_id)
            by = Principal(id=principal_id or SYSTEM.id, name=name or SYSTEM.name, tenant=tenant)
            if job is not None and job.active:
                started += _start(connection, settings, declared[job.type], job, after, by, now_us)
            followups.done(connection, job_id, after)
    return started


def preparation(database: Database, tenant: str, job_id: str | None) -> str | None:
    """What a child needs to make the arguments of an unprepared run of this job, as JSON; None when the job is gone."""
    with database.read() as connection:
        job = None if job_id is None else jobs.get(connection, tenant, job_id)
    if job is None:
        return None
    since = None if job.since is None else to_us(job.since)
    told = {"title": job.title, "arguments": job.arguments, "custom_arguments": job.custom_arguments, "since_us": since}
    return json.dumps(told)


def _start(
    connection: Connection,
    settings: Settings,
    options: Mapping[str, Any],
    job: Job,
    after: str,
    by: Principal,
    now_us: int,
) -> int:
    problems = checks.Problems()
    planned = plan(Asked(trigger=Trigger.DEPENDENCY), problems, settings, by, now_us, job=job, type_id=job.type,
                   declared=options)  # fmt: skip
    try:
        problems.raise_if_any()
        new = planned.new_run(now_us, UNPREPARED)
        with set_apart(connection):
            storing.store(connection, [new], by=by)
    except RequestError as error:
        logger.warning("job %s was to run after run %s, and could not be started: %s", job.id, after, error)
        return 0
    audit.add(
        connection, entry_id=new_id(now_us), tenant=by.tenant, at=now_us, principal_id=by.id, action=Action.RUNS_START,
        object=f"run:{new.id}", after={"job": job.id, "after": after},
    )  # fmt: skip
    return 1
