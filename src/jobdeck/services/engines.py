"""What carries the runs of each queue, as far as this process can tell without asking a broker.

Neighbours: `services.unserved` says who is missing there; the doors show and explain what an engine cannot do.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..config import Settings
from ..contracts import Engine
from ..core.engine import Isolation
from ..core.queue import Carrier
from ..errors import ConfigurationError
from .office import Office


def carriers(office: Office) -> Mapping[str, Carrier]:
    """The carrier of every configured queue, by the queue's name."""
    found, _ = _engines(office)
    return {name: _carrier(office.settings, name, found) for name in office.settings.queues}


def trouble(office: Office) -> str | None:
    """Why the engines that the settings name cannot be loaded here; None when they can."""
    return _engines(office)[1]


def cannot(office: Office, engine: str) -> Mapping[str, str]:
    """What an engine cannot do, each with the reason in a sentence."""
    found, _ = _engines(office)
    return {str(name): reason for name, reason in found[engine].cannot().items()} if engine in found else {}


def _engines(office: Office) -> tuple[Mapping[str, Engine], str | None]:
    if not office.settings.engines:
        return {}, None
    try:
        return office.engines(), None
    except ConfigurationError as error:
        return {}, str(error)


def _carrier(settings: Settings, queue: str, engines: Mapping[str, Engine]) -> Carrier:
    route = settings.engines.get(queue)
    if route is None:
        return Carrier(command=f"jobdeck worker {queue}")
    engine = engines.get(route.engine)
    if engine is None:
        return Carrier(engine=route.engine, queue=route.queue, isolation=None)
    return Carrier(
        engine=route.engine,
        queue=route.queue,
        isolation=Isolation.NONE if engine.is_immediate else settings.isolation,
        is_immediate=engine.is_immediate,
        command=engine.command(queue),
    )
