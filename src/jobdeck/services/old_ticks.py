"""Deleting what is told about planned times long ago, a slice at a time. They do not come back: `served_until` stays."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.retention import Rule
from ..store import schedules
from ..store.database import Database

SLICE = 5000
_HOUR_US = 3_600_000_000


def forget(
    database: Database, rules: Sequence[Rule], after: str, now_us: int, tenant: str | None = None
) -> tuple[int, str | None]:
    """Delete rows of planned times that are older than the longest age of a rule, of schedules after this id.

    How many, and the id to go on after: None at the end. Rules without an age keep all of them.
    """
    ages = [rule.age_h for rule in rules if rule.age_h is not None]
    if not ages:
        return 0, None
    before_us = now_us - max(ages) * _HOUR_US
    removed, at = 0, after
    while removed < SLICE:
        with database.read() as connection:
            following = schedules.next_with_ticks_before(connection, tenant, at, before_us)
        if following is None:
            return removed, None
        with database.write() as connection:
            count = schedules.remove_ticks(connection, following, before_us, SLICE)
        removed += count
        if count < SLICE:
            at = following
    return removed, at


def forget_all(database: Database, rules: Sequence[Rule], now_us: int, tenant: str) -> int:
    """All slices of a tenant; how many rows."""
    total = 0
    after: str | None = ""
    while after is not None:
        removed, after = forget(database, rules, after, now_us, tenant)
        total += removed
    return total
