"""The drill's servers as benchmarks start them: once, and with the process that processor time is counted of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

from jobdeck.drill import processes, servers
from jobdeck.errors import ConfigurationError


class Measured(servers.Server):
    """A server of which it is known what it spends."""

    @property
    def pid(self) -> int:
        """Its own process, below which it has all others; while it runs."""
        assert self._guard is not None, "it was started"
        _, pid = processes.below(self._guard.pid)[0]
        return pid


S = TypeVar("S", bound=Measured)


@contextmanager
def serving(make: Callable[[], S]) -> Iterator[S]:
    """Start a server, and stop it in the end. RuntimeError when it is not installed."""
    try:
        server = make()
    except ConfigurationError as error:
        raise RuntimeError(f"{error} `make bench` installs it.") from None
    with closing(server):
        server.start()
        server.wait()
        yield server
