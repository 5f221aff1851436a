"""What follows a start: saying which run it is, and, on request, printing its log until it is over."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..core.log_entry import LogEntry
from ..core.run import Run, Status
from . import screen, shapes, tables
from .session import Session

POLL_S = 0.25
READ_AT_ONCE = 1000


def report_start(session: Session, run: Run, called: str, *, wait: bool, as_json: bool) -> int:
    """Print the new run of what is `called` so, with `wait` when it is over; the command's exit code."""
    if not as_json:
        screen.say(f"Queued run {run.id} ({screen.line(run.title or called)}).")
    if wait:
        for entry in follow(session, run.id):
            if not as_json:
                print_entry(entry)
        run = session.desk.runs.get(run.id)
    if as_json:
        screen.write_json(shapes.run(session, run))
    elif wait:
        screen.say(verdict(run))
    return 0 if not wait or run.status is Status.SUCCESS else 1


def follow(session: Session, run_id: str, *, after: int = 0, level: str | None = None) -> Iterator[LogEntry]:
    """Entries above the cursor as they come, until the run is over and all of them were given."""
    while True:
        # Asked for before the log is read: whatever a finished run has logged is there by then.
        over = session.desk.runs.get(run_id).is_final
        entries, after = read_page(session, run_id, after, level)
        yield from entries
        if len(entries) < READ_AT_ONCE:
            if over:
                return
            time.sleep(POLL_S)


def read_page(session: Session, run_id: str, after: int, level: str | None) -> tuple[list[LogEntry], int]:
    """One page of a log and the cursor behind it."""
    page = session.desk.runs.logs(run_id, after=after, limit=READ_AT_ONCE, level=level)
    return list(page.entries), page.next


def print_entry(entry: LogEntry) -> None:
    """One entry; the later lines of its message are indented, so that none can pass for an entry."""
    at = entry.at.astimezone()
    start = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} {entry.level:<8} {screen.line(entry.logger)}: "
    tables.log_line(start + screen.block(entry.message, indent="    "), entry.level)


def verdict(run: Run) -> str:
    """How a run ended, in one sentence."""
    reason = f" ({run.reason})" if run.reason else ""
    message = f": {screen.line(run.message)}" if run.message else "."
    return f"Run {run.id} is {run.status}{reason}{message}"
