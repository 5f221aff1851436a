"""The Celery engine: rings go as messages of the task `jobdeck.execute` through the broker of the site's own Celery application.

Imported by whoever rings; what Celery's workers import is `engines.celery`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from celery import Celery
from celery.app.utils import find_app
from kombu.serialization import prepare_accept_content

from ..core.capability import Capability
from ..core.engine import Isolation
from ..core.ring import Ring
from ..core.text import one_line
from ..errors import ConfigurationError, EngineError
from .celery_wire import Wire

if TYPE_CHECKING:
    from ..deck import Deck

T = TypeVar("T")
_IN_PROCESS = "Runs execute in the processes of Celery's workers (JOBDECK_ISOLATION=none)"
_CANNOT = {
    Capability.FORCE_STOP: f"{_IN_PROCESS}: one that does not look whether it should stop cannot be ended.",
    Capability.TIMEOUT: f"{_IN_PROCESS}: one whose time is up ends where it looks whether it should stop, and not before.",
}


class CeleryEngine:
    """`JOBDECK_CELERY` names the application. Safe to use from several threads."""

    name = "celery"
    is_immediate = False

    def __init__(self, deck: Deck) -> None:
        self._settings = deck.settings
        self._lock = threading.Lock()
        self._wire: Wire | None = None

    @cached_property
    def app(self) -> Celery:
        """The site's Celery application; ConfigurationError says why there is none."""
        reference = self._settings.celery
        if not reference:
            raise ConfigurationError(
                "JOBDECK_CELERY is not set: name the site's Celery application, such as JOBDECK_CELERY=my_site.tasks:app."
            )
        try:
            found = find_app(reference)
        except Exception as error:  # a module may fail in any way while it is imported
            reason = one_line(f"{type(error).__name__}: {error}")
            raise ConfigurationError(f"JOBDECK_CELERY={reference} cannot be imported ({reason}).") from error
        if not isinstance(found, Celery):
            raise ConfigurationError(f"JOBDECK_CELERY={reference} is no Celery application; write MODULE:NAME of one.")
        return found

    def ring(self, rings: Sequence[Ring]) -> int:
        """Publish a message for each; how many were taken, in order. EngineError when none was."""
        routes = self._settings.engines
        messages = [(routes[ring.queue].queue, f"{ring.run_id}:{ring.number}", ring) for ring in rings]
        taken = self._on_wire(lambda wire: wire.send(messages))
        if taken < len(messages):
            self._drop()
            with suppress(EngineError):
                taken += self._on_wire(lambda wire: wire.send(messages[taken:]))
        return taken

    def depth(self, queue: str) -> int | None:
        """How many messages of a queue of jobdeck wait at the broker: Redis and RabbitMQ tell. EngineError."""
        theirs = self._settings.engines[queue].queue
        return self._on_wire(lambda wire: wire.depth(theirs))

    def command(self, queue: str) -> str:
        """A worker of the application that takes this queue alone."""
        theirs = self._settings.engines[queue].queue
        return f"celery -A {self._settings.celery or 'MODULE:NAME'} worker -Q {theirs} -I jobdeck.engines.celery"

    def problems(self) -> list[str]:
        """What is wrong with the application's settings for this, or with the way to its broker."""
        try:
            found = list(_misfits(self.app, self._queues()))
            self._on_wire(lambda wire: None)
        except (ConfigurationError, EngineError) as error:
            return [str(error)]
        return found

    def cannot(self) -> Mapping[Capability, str]:
        """What runs lack in the processes of Celery's workers; nothing in our own child processes."""
        return _CANNOT if self._settings.isolation is Isolation.NONE else {}

    def close(self) -> None:
        """Let go of the connection; the next use makes a new one."""
        # In a forked child, a thread that it lacks may have held the lock.
        self._lock = threading.Lock()
        self._drop()

    def _on_wire(self, use: Callable[[Wire], T]) -> T:
        """On the connection there is; on a new one when that has broken, as happens while nobody uses it."""
        with self._lock:
            if self._wire is not None:
                with suppress(EngineError):
                    return use(self._wire)
                self._drop()
            try:
                self._wire = Wire(self.app)
                return use(self._wire)
            except ConfigurationError as error:
                raise EngineError(str(error)) from error
            except EngineError:
                self._drop()
                raise

    def _queues(self) -> list[str]:
        return [route.queue for route in self._settings.engines.values() if route.engine == self.name]

    def _drop(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()


def _misfits(app: Celery, queues: Iterable[str]) -> Iterator[str]:
    """What in the settings of an application keeps its workers from reading our messages."""
    if "application/json" not in prepare_accept_content(app.conf.accept_content):
        yield f"Celery's accept_content is {app.conf.accept_content}, so that its workers refuse our messages; add 'json'."
    if str(app.conf.broker_write_url).startswith("memory:"):
        yield "Celery's broker_url is memory://, which no other process reads; use Redis or RabbitMQ."
    for queue in queues:
        if not app.conf.task_create_missing_queues and queue not in app.amqp.queues:
            yield f"Celery's task_create_missing_queues is off and its task_queues have no {queue!r}; name it there."
