"""`jobdeck worker`: one supervising process and its children."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from ..core.queue import Carrier
from ..web.server_log import log_to_stderr
from .session import Session, pass_session


@click.command()
@click.argument("queues", metavar="[QUEUE]...", nargs=-1)
@click.option(
    "--processes", type=click.IntRange(1, 256), help="How many runs at once.  [default: JOBDECK_PROCESSES, 2]"
)
@click.option("--fair", is_flag=True, help="Serve the named queues by the age of what waits, not in their order.")
@click.option("--burst", is_flag=True, help="End when nothing is queued any more.")
@click.option("--engine", metavar="NAME", hidden=True, help="The engine whose deliveries say what may be claimed.")
@click.option("--tokens", type=click.Path(path_type=Path), metavar="SOCKET", hidden=True, help="Where they come in.")
@click.option(
    "--watch", type=click.IntRange(1), metavar="PID", hidden=True, help="Whose end is the end of this worker."
)
@pass_session
def worker(
    session: Session,
    queues: tuple[str, ...],
    processes: int | None,
    fair: bool,
    burst: bool,
    engine: str | None,
    tokens: Path | None,
    watch: int | None,
) -> int:
    """Start a worker, for all queues or the named ones: the first named one is served before the next.

    Queues that JOBDECK_ENGINES gives to another engine are served by that engine's own workers. The tables must be up to
    date. Ctrl-C or SIGTERM lets running work finish for JOBDECK_STOP_GRACE.
    """
    from ..processes.run_worker import run_worker  # late: `--help` does without the database

    def carriers() -> Mapping[str, Carrier]:
        return session.deck.queues.carriers()

    log_to_stderr()
    return run_worker(
        session.reference,
        carriers,
        queues=queues,
        processes=processes,
        fair=fair,
        burst=burst,
        engine=engine,
        tokens=tokens,
        watch=watch,
    )
