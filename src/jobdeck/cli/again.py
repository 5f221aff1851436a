"""`jobdeck runs again`: one finished run, or all that fit a filter."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from ..core.filters import RunFilter
from ..core.run import FINAL_STATUSES, Run
from . import screen
from .arguments import Given, again_argument_options, naming_arguments, schema_of
from .following import report_start
from .options import again_options, filter_options, wanted
from .references import run_id_of
from .session import Session, pass_session


def _run_id(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    return None if value is None else run_id_of(context, parameter, value)


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False, callback=_run_id)
@again_argument_options
@filter_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@again_options
@pass_session
def again(
    session: Session,
    /,
    run_id: str | None,
    single: Mapping[str, str],
    whole: Mapping[str, Any] | None,
    yes: bool,
    wait: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Run again what a finished run ran, or all finished runs that fit the options.

    One run gets the arguments it had: an --arg changes one of them, --arguments replaces them all.
    """
    typed = Given(whole=whole, single=single)
    asked = wanted(session, **given)
    if (run_id is None) == (asked == RunFilter()):
        raise click.UsageError("Name one run, or say with --status, --type and the like which ones.")
    if run_id is not None:
        return report_start(session, _one(session, run_id, typed), "again", wait=wait, as_json=as_json)
    if wait or whole is not None or single:
        raise click.UsageError("Arguments and --wait are for one run.")
    made = _all(session, asked, yes=yes)
    if as_json:
        screen.write_json({"ids": made, "total": len(made)})
    else:
        screen.say(f"Queued {len(made):,} run{'' if len(made) == 1 else 's'}.")
    return 0


def _one(session: Session, run_id: str, typed: Given) -> Run:
    before = session.desk.runs.get(run_id)
    schema = schema_of(None if before.type is None else session.deck.registry.find(before.type))
    with naming_arguments(schema):
        return session.desk.runs.again(run_id, typed.over(before.arguments, schema))


def _all(session: Session, asked: RunFilter, *, yes: bool) -> list[str]:
    """Ask, saying how many there are; then run them again."""
    ended = tuple(status for status in asked.statuses or FINAL_STATUSES if status in FINAL_STATUSES)
    listing = session.desk.runs.list(replace(asked, statuses=ended)) if ended else None
    if listing is None or not listing.total:
        return []
    if not yes:
        number = f"{listing.total:,}" if listing.total_is_exact else f"more than {listing.total:,}"
        if not sys.stdin.isatty():
            raise click.UsageError(f"{number} runs fit, and nobody can be asked here; --yes runs them again.")
        click.confirm(f"Run {number} run{'' if listing.total == 1 else 's'} again?", abort=True)
    return list(session.desk.runs.again_all(asked))
