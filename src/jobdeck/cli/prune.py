"""`jobdeck prune`: deleting the finished runs that need not be kept any longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from . import screen, tables
from .session import Session, pass_session
from .tables import Column

if TYPE_CHECKING:
    from ..services.retention import Pruned

_KEEP_ALL = (
    "No retention is set, so every run is kept; set JOBDECK_RETENTION, such as to '90d, FAILED=365d', or use --keep."
)


@click.command()
@click.option("--keep", metavar="RULES", help="What to keep, in place of the setting JOBDECK_RETENTION: such as "
              "'90d, FAILED=365d, harvest/SUCCESS=1000'.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Delete nothing; say what would be deleted.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_session
def prune(session: Session, keep: str | None, dry_run: bool, as_json: bool) -> None:
    """Delete the finished runs that need not be kept any longer, with their logs and files.

    Workers do the same by themselves when JOBDECK_RETENTION is set. Queued and running runs are never deleted.
    """
    found = session.desk.retention.prune(dry_run=dry_run, keep=keep)
    if as_json:
        screen.write_json(_shape(found))
        return
    if found.rules is None:
        screen.say(_KEEP_ALL)
        return
    rows = [(subject, tables.status(status), f"{count:,}") for subject, status, count in _sorted(found)]
    kept = ", ".join(str(rule) for rule in found.rules)
    tables.table([Column("Type"), Column("Status", whole=True), Column("Runs", right=True)], rows,
                 f"Nothing to delete; the rules are {kept}.")  # fmt: skip
    if rows:
        runs = "1 run" if found.deleted == 1 else f"{found.deleted:,} runs"
        screen.say(f"\n{runs} {'would be deleted' if dry_run else 'deleted'}; the rules are {kept}.")
    if found.folders:
        screen.say(f"{found.folders:,} folders of runs that had gone before were removed.")
    if found.ticks:
        screen.say(f"What was told about {found.ticks:,} planned times of schedules was removed.")


def _sorted(found: Pruned) -> list[tuple[str, str, int]]:
    return sorted((subject, str(status), count) for (subject, status), count in found.counts.items())


def _shape(found: Pruned) -> dict[str, Any]:
    return {
        "dry_run": found.dry_run,
        "rules": None if found.rules is None else [str(rule) for rule in found.rules],
        "deleted": found.deleted,
        "runs": [{"type": subject, "status": status, "count": count} for subject, status, count in _sorted(found)],
        "leftover_folders": found.folders,
        "planned_times": found.ticks,
    }
