"""`jobdeck drill`: what becomes of runs when everything around them is killed, tried out in a scratch instance."""

from __future__ import annotations

import random
import signal

import click

from . import screen


@click.command()
@click.option("--seconds", type=click.IntRange(5, 3600), default=30, show_default=True,
              help="How long faults last; the calm after them comes on top.")  # fmt: skip
@click.option("--engine", type=click.Choice(["database", "celery-redis", "celery-rabbitmq", "rq"]), default="database",
              show_default=True, help="What carries the runs; brokers are started for the drill.")  # fmt: skip
@click.option("--database", metavar="URL", help="postgresql://… of a server on which a scratch database can be made, or "
              "`postgresql` for a server that the drill starts and kills itself; without it, the drill uses SQLite.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), help="Make the random choices of an earlier drill.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def drill(seconds: int, engine: str, database: str | None, seed: int | None, as_json: bool) -> int:
    """Kill workers, schedulers, brokers and connections under load, and check that nothing was lost or done twice.

    Everything happens in a scratch instance, of which nothing is left: no other database or home folder is touched. The
    exit code is 0 when every MUST holds and every kind of fault hit what had something to lose.
    """
    from ..drill.exercise import exercise  # late: `--help` does without the database

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    click.echo(f"jobdeck: drill with seed {seed}, about {seconds + 15} s", err=True)
    sheet = exercise(seconds=seconds, seed=seed, database_url=database, engine=engine)
    if as_json:
        screen.write_json(sheet.as_data())
    else:
        for line in sheet.lines():
            screen.say(screen.safe(line))
    return 0 if sheet.passes else 1
