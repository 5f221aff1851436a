"""Finding what packages offer by entry point: job types, beside those named to the deck, and engines."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..errors import ConfigurationError, DefinitionError
from .registry import Registry

GROUP = "jobdeck.job_types"
ENGINES = "jobdeck.engines"


def discover(things: Iterable[Any]) -> Registry:
    """A registry of `things` (as `Registry.register` takes them) and of every entry point `jobdeck.job_types`."""
    registry = Registry()
    registry.register(*things)
    for entry_point in entry_points(group=GROUP):
        try:
            registry.register(_load(entry_point))
        except DefinitionError as error:
            raise DefinitionError(f"{_place(entry_point)}: {error}") from error.__cause__
    return registry


def engine(name: str) -> Any:
    """What makes the engine of this name, by its entry point `jobdeck.engines`; ConfigurationError names those there are."""
    offered = {entry_point.name: entry_point for entry_point in entry_points(group=ENGINES)}
    if name not in offered:
        known = ", ".join(["database", *sorted(offered)])
        raise ConfigurationError(f"JOBDECK_ENGINES: there is no engine {name!r}; the engines are {known}.")
    try:
        return offered[name].load()
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The engine {name} needs the package {error.name}; install it with `pip install 'jobdeck[{name}]'`."
        ) from error
    except Exception as error:  # a package may fail in any way while it is imported
        place = _place(offered[name])
        raise ConfigurationError(f"{place} cannot be imported ({type(error).__name__}: {error}).") from error


def _load(entry_point: EntryPoint) -> Any:
    try:
        return entry_point.load()
    except Exception as error:  # a package may fail in any way while it is imported
        raise DefinitionError(
            f"{entry_point.value} cannot be imported ({type(error).__name__}: {error}); repair or uninstall the package."
        ) from error


def _place(entry_point: EntryPoint) -> str:
    package = f" of {entry_point.dist.name} {entry_point.dist.version}" if entry_point.dist else ""
    return f"The entry point {entry_point.name!r}{package}"
