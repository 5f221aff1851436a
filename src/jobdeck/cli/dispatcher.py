"""`jobdeck dispatcher`: the process that tells engines of runs."""

from __future__ import annotations

import click

from ..errors import ConfigurationError
from ..web.server_log import log_to_stderr
from .session import Session, pass_session


@click.command()
@pass_session
def dispatcher(session: Session) -> int:
    """Start a dispatcher: it tells the engines of JOBDECK_ENGINES of the runs that wait for them.

    One is enough; more may run, on other hosts too. The tables must be up to date. Ctrl-C or SIGTERM ends it after what it is
    just sending.
    """
    # Late: `--help` does without the database and the application.
    from ..hosting import load_deck
    from ..processes.dispatcher import Dispatcher
    from ..processes.signals import Signals

    log_to_stderr()
    deck = load_deck(session.reference)
    deck.check_schema()
    if not any(not engine.is_immediate for engine in deck.engines.values()):
        raise ConfigurationError(
            "No queue is on an engine that has to be told of runs; JOBDECK_ENGINES says which are."
        )
    with Signals() as signals:
        return Dispatcher(deck.office, deck.engines, signals).run()
