"""Reading the logs of runs, by cursor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.filters import Page, RunFilter
from ..core.ids import is_id
from ..core.json_values import SAFE_INTEGER
from ..core.log_entry import LEVELS, LogEntry
from ..core.permissions import Action
from ..core.text import clean
from ..errors import InvalidInput, NotFound
from ..store import logs, runs
from .office import Service

PAGE_LIMIT = 2000
RUNS_OF_JOB_SEARCHED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """`next` is the cursor to go on from; `total` the number of the run's last entry."""

    entries: Sequence[LogEntry]
    next: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMatches:
    """`cursor` continues after the last entry; `total` counts up to ten times the limit asked for."""

    entries: Sequence[LogEntry]
    total: int
    cursor: tuple[str, int] | None


class Logs(Service):
    """Log entries of the tenant's runs."""

    def of_run(
        self, run_id: str, *, after: int = 0, limit: int = 500, level: str | None = None, newest: bool = False
    ) -> LogPage:
        """Entries of a run above the cursor `after`, in order; with `newest` its last ones instead.

        `level` is the least severe level to tell; `limit` at most 2000.
        """
        self._require(Action.RUNS_READ, run_id)
        _check_limit(limit)
        if not 0 <= after <= SAFE_INTEGER:
            raise InvalidInput.of("after", f"Must be from 0 to {SAFE_INTEGER}.")
        if level is not None and level.upper() not in LEVELS:
            raise InvalidInput.of("level", f"Must be one of: {', '.join(LEVELS)}.")
        floor = LEVELS[level.upper()] if level else 0
        with self._database.read() as connection:
            head = logs.head(connection, self._tenant, run_id) if is_id(run_id) else None
            if head is None:
                raise NotFound(f"Run with ID {clean(run_id, 100)} does not exist.")
            if newest:
                entries = logs.newest(connection, self._tenant, run_id, limit, floor)
            else:
                entries = logs.after(connection, self._tenant, run_id, after, limit, floor)
        last = entries[-1].seq if entries else 0
        # A full page may have left entries out; otherwise all up to the head were looked at.
        reached = last if len(entries) == limit and not newest else max(head, after, last)
        return LogPage(entries=entries, next=reached, total=head)

    def search(self, text: str, *, after: tuple[str, int] | None = None, limit: int = 500) -> LogMatches:
        """Entries of the runs or jobs whose ids stand in `text`, holding all of its other words.

        At least one id is needed (InvalidInput `q`), so that no search reads the whole history; of a job, its newest
        100 runs are searched.
        """
        self._require(Action.RUNS_READ)
        _check_limit(limit)
        ids = [word for word in text.split() if is_id(word)]
        words = [clean(word) for word in text.split() if not is_id(word)]
        if not ids:
            raise InvalidInput.of("q", "Give the ID of a run or of a job, with or without words to look for.")
        if after is not None and not (is_id(after[0]) and 0 <= after[1] <= SAFE_INTEGER):
            raise InvalidInput.of("after", "Go on with the `cursor` of an earlier answer.")
        with self._database.read() as connection:
            wanted = set(runs.by_ids(connection, self._tenant, ids))
            for job_id in set(ids) - wanted:
                page = Page(size=RUNS_OF_JOB_SEARCHED)
                found, _, _ = runs.newest(connection, self._tenant, RunFilter(job_id=job_id), page, self._now_us())
                wanted |= {run.id for run in found}
            entries, total = logs.search(connection, self._tenant, sorted(wanted), words, after, limit)
        last = (entries[-1].run_id, entries[-1].seq) if entries else None
        return LogMatches(entries=entries, total=total, cursor=last)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= PAGE_LIMIT:
        raise InvalidInput.of("limit", f"Must be from 1 to {PAGE_LIMIT}.")
