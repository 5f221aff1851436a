"""What a cell has left behind, and what must hold of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from jobdeck.core.lifecycle import verdict
from jobdeck.core.outcome import OutcomeKind
from jobdeck.core.run import FINAL_STATUSES
from jobdeck.store.database import Database

from . import walls
from .ground import Place

FAILING = {("again", 1), ("leave", 1)}
"""(type, attempt) of those bodies that fail by themselves"""


class Row(NamedTuple):
    id: str
    type: str
    status: str
    reason: str | None
    result: str | None
    ended_at: int | None
    attempt: int
    max_attempts: int
    releases: int
    rescues: int
    fence: int
    owner: str | None
    stop_requested_at: int | None
    parent_id: str | None
    total_entries: int
    total_subtasks: int
    completed_subtasks: int


@dataclass(slots=True)
class History:
    """All rows of a cell, and what its bodies noted."""

    runs: dict[str, Row]
    attempts: dict[str, list[tuple[int, int, str | None]]]
    """run → (attempt, fence, outcome)"""
    events: dict[str, list[tuple[int, str, str, str]]]
    """run → (fence, from, to, detail)"""
    logs: dict[str, list[tuple[int, int, str]]]
    """run → (number, attempt, message)"""
    files: dict[str, list[str]]
    effects: list[list[str]]
    breaches: list[str]

    def shown(self) -> str:
        lines = []
        for run_id, run in sorted(self.runs.items()):
            lines.append(str(run))
            for name in ("attempts", "events", "logs"):
                lines += [f"    {name}: {row}" for row in getattr(self, name)[run_id]]
        return "\n".join([*lines, *(" ".join(line) for line in self.effects), *self.breaches])


def rows(database: Database) -> dict[str, Row]:
    with database.read() as connection:
        found = connection.exec_driver_sql(f"SELECT {', '.join(Row._fields)} FROM jobdeck_run ORDER BY id").fetchall()
    return {row[0]: Row(*row) for row in found}


def history(place: Place) -> History:
    return History(
        runs=rows(place.deck.database),
        attempts=_of_runs(place, "attempt, fence, outcome", "attempt", "attempt"),
        events=_of_runs(place, "fence, from_status, to_status, detail", "run_event", "id"),
        logs=_of_runs(place, "seq, attempt, message", "log_entry", "seq"),
        files={
            run_id: [path for (path,) in paths] for run_id, paths in _of_runs(place, "path", "file", "path").items()
        },
        effects=place.lines(),
        breaches=walls.breaches(place.deck.database),
    )


def _of_runs(place: Place, columns: str, table: str, order: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    with place.deck.database.read() as connection:
        for run_id, *row in connection.exec_driver_sql(
            f"SELECT run_id, {columns} FROM jobdeck_{table} ORDER BY {order}"
        ):
            found[run_id].append(tuple(row))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How many attempts at most may be lost without a trace of their body, and fail though their body does not."""

    files_folder: Path
    unstarted_losses: int | None
    errors: int


def problems(found: History, expected: Expected) -> list[str]:
    """What is wrong."""
    wrong = [f"a wall was breached: {breach}" for breach in found.breaches]
    wrong += [f"a body began or ended twice in one attempt: {key}" for key, n in _effects(found).items() if n > 1]
    for run in found.runs.values():
        wrong += [f"run {run.id} ({run.type}): {problem}" for problem in _problems_of(run, found, expected)]
    lost = [
        (run_id, attempt)
        for run_id, attempts in found.attempts.items()
        for attempt, _, outcome in attempts
        if outcome == "lost" and ("begin", run_id, str(attempt)) not in _effects(found)
    ]
    if expected.unstarted_losses is not None and len(lost) > expected.unstarted_losses:
        wrong.append(f"attempts were lost that had not begun: {lost}")
    failed = [
        (run.id, attempt)
        for run in found.runs.values()
        for attempt, _, outcome in found.attempts[run.id]
        if outcome == "error" and (run.type, attempt) not in FAILING
    ]
    if len(failed) > expected.errors:
        wrong.append(f"attempts failed whose body does not: {failed}")
    return wrong


def _effects(found: History) -> Counter[tuple[str, str, str]]:
    return Counter((what, run_id, attempt) for what, run_id, attempt, _ in found.effects)


def _problems_of(run: Row, found: History, expected: Expected) -> list[str]:
    wrong = []
    attempts, effects = found.attempts[run.id], _effects(found)
    started = sorted({int(attempt) for what, run_id, attempt in effects if run_id == run.id and what == "begin"})
    starts = sum(n for (what, run_id, _), n in effects.items() if run_id == run.id and what == "begin")
    if run.status not in FINAL_STATUSES:
        wrong.append(f"is {run.status}")
    if [attempt for attempt, _, _ in attempts] != list(range(1, run.attempt + 1)):
        wrong.append(f"was attempted {run.attempt} times and has the attempts {attempts}")
    if not set(started) <= {attempt for attempt, _, _ in attempts}:
        wrong.append(f"began in the attempts {started} and has the attempts {attempts}")
    if starts > run.max_attempts + run.releases or run.attempt > run.max_attempts:
        wrong.append(f"began {starts} times in {run.attempt} attempts of {run.max_attempts}")
    if (status := folded(run, attempts, found.events[run.id])) != run.status:
        wrong.append(f"is {run.status}, and its history says {status}")
    wrong += _problems_of_family(run, found)
    if run.status == "SUCCESS" and effects["end", run.id, str(run.attempt)] != 1:
        wrong.append("is SUCCESS, and its last attempt did not end")
    return wrong + _problems_of_output(run, found, expected.files_folder)


def _problems_of_family(run: Row, found: History) -> list[str]:
    wrong = []
    below = [one for one in found.runs.values() if one.parent_id == run.id]
    if (run.total_subtasks, run.completed_subtasks) != (len(below), len(below)):
        wrong.append(f"has counted {run.completed_subtasks} of {run.total_subtasks} sub-runs and has {len(below)}")
    if any((one.ended_at or 0) > (run.ended_at or 0) for one in below):
        wrong.append("ended before a sub-run of it")
    if run.type == "parent" and run.status == "SUCCESS" and run.total_entries != 3:
        wrong.append(f"has counted {run.total_entries} entries, not 3")
    return wrong


def _problems_of_output(run: Row, found: History, files_folder: Path) -> list[str]:
    wrong = []
    logs = found.logs[run.id]
    if [number for number, _, _ in logs] != list(range(1, len(logs) + 1)):
        wrong.append(f"has log lines with the numbers {[number for number, _, _ in logs]}")
    if run.type == "talk" and run.status == "SUCCESS":
        said = [message for _, attempt, message in logs if attempt == run.attempt]
        if said != ["one", "two", "three"]:
            wrong.append(f"has logged {said}")
        contents = [
            (files_folder / path).read_bytes() for path in found.files[run.id] if (files_folder / path).exists()
        ]
        if contents != [b"said"] or len(found.files[run.id]) != 1:
            wrong.append(f"has files with {contents}")
    return wrong


def folded(run: Row, attempts: list[tuple[int, int, str | None]], events: list[tuple[int, str, str, str]]) -> str:
    """The status that attempts and events add up to."""
    moved = {fence: new for fence, old, new, _ in events if old == "RUNNING"}
    asked = run.stop_requested_at is not None
    for _, fence, outcome in attempts:
        if fence not in moved:
            moved[fence] = "RUNNING" if outcome is None else str(verdict(OutcomeKind(outcome), stop_requested=asked)[0])
    ended = [new for _, old, new, _ in events if old == "QUEUED"]
    return [*(moved[fence] for fence in sorted(moved)), *ended][-1] if moved or ended else "QUEUED"
