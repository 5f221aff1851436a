"""What time alone makes due, whoever sees it first: queued runs expire, limits that have room let the next ones go on."""

from __future__ import annotations

from ..store import slots, subruns
from ..store.database import Database
from . import aftermath, lifecycle

_AT_ONCE = 500


def tend(database: Database, now_us: int) -> int:
    """One look; how many runs it changed. Safe to be done by any number of workers at once."""
    changed = 0
    with database.write_quickly() as connection:
        changed += lifecycle.expire(connection, now_us, _AT_ONCE)
    with database.write_quickly() as connection:
        parked = slots.parked_keys(connection, _AT_ONCE)
        for tenant, key, n in sorted(parked):
            if key in slots.lock(connection, tenant, [key], wait=False):
                free = n - slots.running(connection, [key])[key]
                changed += slots.make_room(connection, key, free) if free > 0 else 0
        slots.forget_unused(connection, _AT_ONCE)
    with database.write_quickly() as connection:
        ended = [one for parent_id in subruns.overdue(connection, _AT_ONCE)
                 for one in aftermath.complete(connection, parent_id, now_us)]  # fmt: skip
        aftermath.settle(connection, ended, now_us)
        changed += len(ended)
    return changed
