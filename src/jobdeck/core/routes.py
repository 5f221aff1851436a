"""Which queues there are and which engine carries each, as settings write it.

JOBDECK_QUEUES and JOBDECK_ENGINES are read here; `config` puts them together. ValueError and TypeError say what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import ConfigurationError
from .engine import DATABASE, Route

_EVERY = "*"
_QUEUE_KEYS = ("title", "engine")


class ToldQueue(NamedTuple):
    """What is told of one queue; `route` is None when no engine is named there."""

    title: str
    route: Route | None


def names(value: Any) -> tuple[str, ...]:
    """Of a text, what stands between its commas; else the items, but for empty ones."""
    items = value.split(",") if isinstance(value, str) else value
    return tuple(item.strip() if isinstance(item, str) else item for item in items if item)


def queues(value: Any) -> Mapping[str, ToldQueue]:
    """`{"default": "Default"}`, `{"default": {"title": "Default", "engine": "rq"}}`, or names or `name=Title` pairs separated
    by commas.
    """
    if isinstance(value, str):
        value = {item.partition("=")[0]: item.partition("=")[2] for item in names(value)}
    if not isinstance(value, Mapping):
        value = dict.fromkeys(value, "")
    if not value:
        raise ValueError("name at least one queue")
    found = {}
    for name, told in value.items():
        if (
            not isinstance(name, str)
            or not 1 <= len(name) <= 64
            or not name.replace("-", "").replace("_", "").replace(".", "").isalnum()
        ):
            raise ValueError(f"{name!r} cannot name a queue: use letters, digits, '-', '_' and '.'")
        about = told if isinstance(told, Mapping) else {"title": told}
        unknown = [key for key in about if key not in _QUEUE_KEYS]
        if unknown:
            known = " and ".join(_QUEUE_KEYS)
            raise ValueError(f"{unknown[0]!r} says nothing of the queue {name!r}; the keys are {known}")
        title, engine = (about.get(key) for key in _QUEUE_KEYS)
        found[name] = ToldQueue(
            title=title or name.replace("_", " ").replace("-", " ").capitalize(),
            route=_route(engine, name) if engine else None,
        )
    return found


def engines(value: Any) -> Mapping[str, Route]:
    """`{"big": "celery:their-queue"}`, or such pairs as `big=celery` separated by commas; `celery` alone is for every other
    queue.
    """
    if isinstance(value, str):
        value = _pairs(value)
    if not isinstance(value, Mapping):
        raise TypeError("write QUEUE=ENGINE pairs separated by commas, or one engine for every queue")
    routes = {}
    for name, told in value.items():
        route = _route(told, str(name).strip())
        if name == _EVERY and route.queue != _EVERY:
            raise ValueError(
                f"{told!r} names one queue of {route.engine} for every queue of jobdeck; write QUEUE={told}"
            )
        routes[str(name).strip()] = route
    return routes


def of_queues(engines: Mapping[str, Route], queues: Mapping[str, ToldQueue]) -> Mapping[str, Route]:
    """Only queues that there are, and none that stays with the database. What JOBDECK_ENGINES says goes before what
    JOBDECK_QUEUES says.
    """
    everywhere = engines.get(_EVERY)
    routes = {name: queue.route for name, queue in queues.items() if queue.route is not None}
    if everywhere is not None:
        routes = {name: Route(engine=everywhere.engine, queue=name) for name in queues}
    for name, route in engines.items():
        if name not in queues and name != _EVERY:
            known = ", ".join(queues)
            raise ConfigurationError(f"JOBDECK_ENGINES: there is no queue {name!r}; the queues are {known}.")
        if name != _EVERY:
            routes[name] = route
    return {name: route for name, route in routes.items() if route.engine != DATABASE}


def _pairs(text: str) -> dict[str, str]:
    """Queue to engine, each queue once; without a queue, for every other one."""
    found: dict[str, str] = {}
    for item in names(text):
        first, equals, rest = (part.strip() for part in item.partition("="))
        name, told = (first, rest) if equals else (_EVERY, first)
        if name in found:
            what = "every other queue" if name == _EVERY else f"the queue {name!r}"
            raise ValueError(f"{found[name]!r} and {told!r}: name one engine for {what}, and only one")
        found[name] = told
    return found


def _route(told: Any, queue: str) -> Route:
    """`celery`, where a queue has the same name, or `celery:queue-there`."""
    engine, _, theirs = str(told).strip().partition(":")
    if not engine or not engine.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"{told!r} is no engine; write such as 'celery', or 'celery:queue-there'")
    return Route(engine=engine, queue=theirs or queue)
