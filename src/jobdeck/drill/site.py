"""The scratch instance: a temporary home, a database of its own, a deck on it, and what workers need to serve it."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import PREFIX, resolve
from ..deck import Deck
from ..errors import ConfigurationError
from ..store import drill
from . import processes
from .brokers import Broker
from .carriers import QUEUE, Carrier
from .servers import PostgreSQL
from .trace import NAME, Reader

LEASE_S = 2.0
GRACE_S = 1.0
REAP_S = LEASE_S / 4
_SETTINGS: dict[str, Any] = {
    "lease": LEASE_S,
    "stop_grace": GRACE_S,
    "queues": QUEUE,
    "log_level": "DEBUG",
    "processes": 2,
}
_JOB_TYPES = "jobdeck.drill.job_types"
OWN_POSTGRESQL = "postgresql"
"""Given as the address of the database: a server of the drill's own, which can be killed."""
_ELSEWHERE = """\
# Loaded by every process of a worker that believes to be on another host.
import socket

socket.gethostname = lambda: "elsewhere"
"""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a drill takes place."""

    home: Path
    deck: Deck
    environment: dict[str, str]
    trace: Reader
    carrier: Carrier
    broker: Broker | None
    server: PostgreSQL | None
    """That of the database, where it is the drill's own."""

    @property
    def is_sqlite(self) -> bool:
        """Whether its database is a file."""
        return self.deck.database.is_sqlite

    @property
    def elsewhere(self) -> Path:
        """A folder for PYTHONPATH: a process that has it there believes to be on another host, so that those here know of it by
        its heartbeats alone.
        """
        return self.home / "elsewhere"


@contextmanager
def prepare(database_url: str | None, carrier: Carrier) -> Iterator[Site]:
    """A site for the block; afterwards nothing is left of it, processes included."""
    carrier.require()
    with ExitStack() as stack:
        stack.enter_context(_own_settings())
        broker = stack.enter_context(closing(carrier.broker())) if carrier.broker else None
        home = Path(tempfile.mkdtemp(prefix="jobdeck-drill-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        if broker is not None:
            broker.start()
        server, url = _database(stack, home, database_url)
        if broker is not None:
            broker.wait()
        settings = _SETTINGS if broker is None else {**_SETTINGS, **carrier.settings(broker.url)}
        deck = Deck(job_types=[_JOB_TYPES], home=home, database_url=url, **settings)
        stack.callback(deck.close)
        stack.callback(processes.end_all_of, home)
        deck.upgrade_database()
        drill.post_witness(deck.database)
        told = {"home": str(home), "job_types": _JOB_TYPES, "database_url": url or "", **settings}
        environment = {PREFIX + name.upper(): str(value) for name, value in told.items() if value != ""}
        environment["PYTHONPATH"] = os.pathsep.join([str(home), *filter(None, [os.environ.get("PYTHONPATH")])])
        if broker is not None:
            environment |= carrier.environment(broker.url)
            carrier.prepare(home, broker.url)
        (home / "elsewhere").mkdir()
        (home / "elsewhere" / "sitecustomize.py").write_text(_ELSEWHERE)
        yield Site(home, deck, {**os.environ, **environment}, Reader(home / NAME), carrier, broker, server)


def _database(stack: ExitStack, home: Path, database_url: str | None) -> tuple[PostgreSQL | None, str | None]:
    """The server, where it is the drill's own, and the address of a database for the drill; None: a file."""
    if database_url is None:
        return None, None
    if database_url == OWN_POSTGRESQL:
        server = stack.enter_context(closing(PostgreSQL()))
        server.make()
        server.start()
        server.wait()
        return server, server.url
    settings = resolve({"home": home, "database_url": database_url})
    if settings.is_sqlite:
        raise ConfigurationError("The drill makes its own SQLite file; --database takes postgresql://….")
    return None, stack.enter_context(drill.scratch(settings, f"jobdeck_drill_{secrets.token_hex(6)}"))


@contextmanager
def _own_settings() -> Iterator[None]:
    """Nothing that the caller has set for another instance counts here."""
    others = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    for name in others:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(others)
