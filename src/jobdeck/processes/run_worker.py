"""How a worker comes up: the application is loaded by a template process, which tells settings and job types."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..config import Settings
from ..core.engine import DATABASE
from ..core.queue import Carrier
from ..errors import ConfigurationError
from ..store.database import Database
from . import identity
from .log_lines import show_log_lines
from .signals import Signals
from .template_link import TemplateLink
from .tokens import deliveries
from .worker import Worker

logger = logging.getLogger(__name__)


def run_worker(
    reference: str | None,
    carriers: Callable[[], Mapping[str, Carrier]],
    *,
    queues: Sequence[str] | None = None,
    processes: int | None = None,
    burst: bool = False,
    fair: bool = False,
    engine: str | None = None,
    tokens: Path | None = None,
    watch: int | None = None,
) -> int:
    """Work until SIGTERM or SIGINT (a second one hurries), with `burst` until nothing is queued; the exit code.

    `reference` is `MODULE:NAME` of the application; `queues` defaults to all of the database, `processes` to the setting. Named
    queues are served in their order, with `fair`, and when none is named, by the age of what waits. With `engine` the queues are
    those of that engine, served as far as deliveries at the socket `tokens` allow, until the process `watch` is gone. For the
    main thread. `carriers` tells who serves each queue: asked for the words of a refusal alone, as it may have to load engines.
    ConfigurationError and StoreError tell why the worker cannot begin.
    """
    show_log_lines()
    identity.adopt_orphans()
    with Signals() as signals, deliveries(tokens, signals) as listener:
        link = TemplateLink(reference)
        try:
            told = link.hello(signals)
            if told is None:
                return 0
            for warning in told["warnings"]:
                logger.warning("%s", warning)
            settings = Settings.of_data(told["settings"])
            served = _served(settings, queues or (), engine or DATABASE, carriers)
            # A worker that waited longer for an answer would lose its claims meanwhile.
            database = Database(settings, patience_s=settings.lease_s / 3)
            try:
                database.check_schema()
                is_strict = bool(queues) and not fair
                worker = Worker(
                    settings, database, link, signals, told["types"], served, processes or settings.processes, is_strict,
                    engine=engine or DATABASE, tokens=listener, watch=watch,
                )  # fmt: skip
                return worker.work(burst=burst)
            finally:
                database.close()
        finally:
            link.close()


def _served(
    settings: Settings, queues: Sequence[str], engine: str, carriers: Callable[[], Mapping[str, Carrier]]
) -> tuple[str, ...]:
    """The queues that a worker of this engine serves, of those it was asked for."""
    for name in queues:
        if name not in settings.queues:
            raise ConfigurationError(f"There is no queue {name!r}; the queues are {', '.join(settings.queues)}.")
        other = settings.engine_of(name)
        if other != engine:
            told = carriers()[name].served_by
            raise ConfigurationError(f"The queue {name} is on the engine {other}; it is served by {told}.")
    ours = tuple(name for name in settings.queues if settings.engine_of(name) == engine)
    if ours:
        return tuple(dict.fromkeys(queues)) or ours
    if engine != DATABASE:
        raise ConfigurationError(f"No queue is on the engine {engine}; JOBDECK_ENGINES says which are.")
    others: dict[str, dict[str, None]] = {}
    for carrier in carriers().values():
        others.setdefault(carrier.engine, {})[carrier.served_by] = None
    told = "; ".join(f"those on {other} are served by {' and '.join(by)}" for other, by in others.items())
    raise ConfigurationError(
        f"Every queue is on another engine by JOBDECK_ENGINES, so that this worker has none: {told}."
    )
