"""`jobdeck worker`: one supervising process and its children."""

from __future__ import annotations

import logging

import click

from ..web.server_log import LineFormatter
from .session import Session, pass_session


@click.command()
@click.argument("queues", metavar="[QUEUE]...", nargs=-1)
@click.option(
    "--processes", type=click.IntRange(1, 256), help="How many runs at once.  [default: JOBDECK_PROCESSES, 2]"
)
@click.option("--burst", is_flag=True, help="End when nothing is queued any more.")
@pass_session
def worker(session: Session, queues: tuple[str, ...], processes: int | None, burst: bool) -> int:
    """Start a worker, for all queues or the named ones.

    The tables must be up to date. Ctrl-C or SIGTERM lets running work finish for JOBDECK_STOP_GRACE.
    """
    from ..processes.worker import run_worker  # late: `--help` does without the database

    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    return run_worker(session.reference, queues=queues, processes=processes, burst=burst)
