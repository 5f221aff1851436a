"""Deleting old finished runs, a slice at a time, with their files.

`Retention.prune` is what people ask for; `prune_slice` is for workers, which do it beside their work.
"""

from __future__ import annotations

import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection

from ..config import Settings
from ..core.ids import new_id
from ..core.permissions import Action
from ..core.principal import SYSTEM
from ..core.retention import Rule, Rules, Verdicts, parse
from ..core.run import Status
from ..errors import InvalidInput
from ..store import audit, retention
from ..store.database import Database
from ..store.retention import Finished
from . import leftovers, old_ticks
from .office import Service

SLICE = 500
LOG_LIMIT = 20_000
LOOK_LIMIT = 20_000
_PAGE = 2000

Counts = Mapping[tuple[str, Status], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What a prune did, or would do: how many runs, and how many by (type or function, status).

    `rules` None: there are none, and every run is kept. `folders` of runs that had long been gone were removed, too, and
    what was told about so many planned times of schedules (`ticks`).
    """

    deleted: int
    counts: Counts
    rules: tuple[Rule, ...] | None
    folders: int
    ticks: int
    dry_run: bool


class Retention(Service):
    """Deleting the old finished runs of the principal's tenant."""

    def prune(self, *, dry_run: bool = False, keep: str | Iterable[str] | None = None) -> Pruned:
        """Delete the finished runs that the rules do not keep; with `dry_run` only count them.

        `keep` comes before the setting `retention`; InvalidInput when it is no rule.
        """
        self._require(Action.RUNS_PRUNE)
        rules = self._office.settings.retention if keep is None else _parse(keep)
        counts: Counter[tuple[str, Status]] = Counter()
        folders = ticks = 0
        if rules is not None:
            walk = Walk(self._tenant, rules, self._now_us())
            try:
                while not walk.is_over:
                    due = walk.next_due(self._database)
                    counts.update(_kinds(due if dry_run else _remove(self._database, self._office.settings, walk, due)))
            finally:
                if counts and not dry_run:
                    with self._database.write() as connection:
                        self._audit(connection, Action.RUNS_PRUNE, None, after=_told(rules, counts))
            if not dry_run:
                folders = self._sweep()
                ticks = old_ticks.forget_all(self._database, rules, self._now_us(), self._tenant)
        return Pruned(deleted=counts.total(), counts=counts, rules=rules, folders=folders, ticks=ticks, dry_run=dry_run)

    def _sweep(self) -> int:
        folder = self._office.settings.files_folder
        total, after = leftovers.sweep(self._database, folder, "", self._now_us())
        while after:
            removed, after = leftovers.sweep(self._database, folder, after, self._now_us())
            total += removed
        return total


def prune_slice(database: Database, settings: Settings, now_us: int) -> int:
    """Delete the next `SLICE` runs at most, of whatever tenant, that the setting does not keep; how many there were.

    0: nothing is left to do. A call that has found nothing among `LOOK_LIMIT` runs gives their number: there are more to
    look at. The next call of this process goes on from there; the one after a 0 begins anew.
    """
    if settings.retention is None:
        return 0
    current = _at_work.pop(database, None)
    if current is None or current.rules != settings.retention:
        current = _Round(settings.retention)
    deleted = current.step(database, settings, now_us)
    # Not after an error: what was taken and not deleted is found again by a new one.
    _at_work[database] = current
    return deleted


class Walk:
    """The runs of one tenant that are due at one moment, oldest first; knows how far it got."""

    def __init__(self, tenant: str, rules: Sequence[Rule], now_us: int) -> None:
        self.tenant = tenant
        self.now_us = now_us
        found = Rules(rules)
        self._verdicts = Verdicts(found, now_us)
        self._counted_to: str | None = None
        self._is_counted = not found.has_counts
        self._read_to = ""
        self._is_read = False
        self._due: deque[Finished] = deque()

    @property
    def is_over(self) -> bool:
        """Whether all that are due have been given."""
        return self._is_read and not self._due

    def next_due(self, database: Database) -> list[Finished]:
        """The next `SLICE` at most, fewer when they have long logs; perhaps none after a look at `LOOK_LIMIT` runs."""
        looked = 0
        with database.read() as connection:
            while not self._is_counted and looked < LOOK_LIMIT:
                self._count(connection)
                looked += _PAGE
            while self._is_counted and not self._is_read and len(self._due) < SLICE and looked < LOOK_LIMIT:
                self._read(connection)
                looked += _PAGE
        return self._take()

    def _count(self, connection: Connection) -> None:
        found, self._counted_to = retention.newest(connection, self.tenant, self._counted_to, _PAGE)
        for run in found:
            self._verdicts.count(run.id, run.subject, run.status)
        self._is_counted = self._counted_to is None

    def _read(self, connection: Connection) -> None:
        below = self._verdicts.below()
        found, read_to = retention.oldest(connection, self.tenant, self._read_to, below, _PAGE)
        due = [run for run in found if self._verdicts.is_due(run.id, run.subject, run.status, run.ended_us)]
        if due:
            free = retention.removable(connection, self.tenant, [run.id for run in due])
            self._due.extend(run for run in due if run.id in free)
        self._is_read = read_to is None
        self._read_to = read_to or ""

    def _take(self) -> list[Finished]:
        taken: list[Finished] = []
        entries = 0
        while self._due and len(taken) < SLICE:
            entries += self._due[0].log_entries
            if taken and entries > LOG_LIMIT:
                break
            taken.append(self._due.popleft())
        return taken


class _Round:
    """The walks of all tenants, one after the other, then a look at schedules and the files folder, and again."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self._tenant = ""
        self._walk: Walk | None = None
        self._swept_to = self._forgotten_to = ""

    def step(self, database: Database, settings: Settings, now_us: int) -> int:
        """Delete one slice; how many runs those were, or were looked at for nothing; 0 at the end."""
        while walk := self._walk or self._next_walk(database, now_us):
            due = walk.next_due(database)
            gone = _remove(database, settings, walk, due, partial(self._audit, now_us))
            self._walk = None if walk.is_over else walk
            if gone or not (due or walk.is_over):
                return len(gone) or LOOK_LIMIT
        removed, forgotten_to = old_ticks.forget(database, self.rules, self._forgotten_to, now_us)
        self._forgotten_to = forgotten_to or ""
        if forgotten_to is not None:
            return removed
        _, self._swept_to = leftovers.sweep(database, settings.files_folder, self._swept_to, now_us)
        return 0

    def _next_walk(self, database: Database, now_us: int) -> Walk | None:
        with database.read() as connection:
            tenant = retention.next_tenant(connection, self._tenant)
        self._tenant = tenant or ""
        return None if tenant is None else Walk(tenant, self.rules, now_us)

    def _audit(self, now_us: int, connection: Connection, removed: Sequence[Finished]) -> None:
        audit.add(
            connection,
            entry_id=new_id(now_us),
            tenant=self._tenant,
            at=now_us,
            principal_id=SYSTEM.id,
            action=Action.RUNS_PRUNE,
            object=None,
            after=_told(self.rules, Counter(_kinds(removed))),
        )


_at_work: WeakKeyDictionary[Database, _Round] = WeakKeyDictionary()


def _remove(
    database: Database,
    settings: Settings,
    walk: Walk,
    due: Sequence[Finished],
    tell: Callable[[Connection, Sequence[Finished]], None] | None = None,
) -> Sequence[Finished]:
    """Remove due runs in one transaction, then their files; those that were still there."""
    if not due:
        return ()
    with database.write() as connection:
        gone = retention.remove(connection, walk.tenant, [run.id for run in due], walk.now_us)
        removed = [run for run in due if run.id in gone]
        if removed and tell is not None:
            tell(connection, removed)
    for run in removed:
        shutil.rmtree(settings.files_folder / run.id, ignore_errors=True)
    return removed


def _parse(keep: str | Iterable[str]) -> tuple[Rule, ...] | None:
    try:
        return parse(keep)
    except ValueError as error:
        raise InvalidInput.of("keep", f"{error}.") from None


def _kinds(found: Iterable[Finished]) -> Iterable[tuple[str, Status]]:
    return ((run.subject or "", run.status) for run in found)


def _told(rules: Sequence[Rule], counts: Counter[tuple[str, Status]]) -> dict[str, Any]:
    by_status: Counter[str] = Counter()
    for (_, status), count in counts.items():
        by_status[status] += count
    return {"count": counts.total(), "by_status": by_status, "rules": [str(rule) for rule in rules]}
