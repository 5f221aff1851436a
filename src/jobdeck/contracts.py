"""The sockets: what a part must offer to be plugged in. One page; no implementation lives here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from .config import Settings
from .core.capability import Capability
from .core.principal import Principal
from .core.ring import Ring


class Clock(Protocol):
    """Where time comes from, so that tests can give their own."""

    def now_us(self) -> int:
        """Microseconds since 1970, UTC."""
        ...


class ArgumentSchema(Protocol):
    """What arguments a job type takes. Forms, REST and CLI read only `json_schema()`."""

    @property
    def last_success_fields(self) -> tuple[str, ...]:
        """Names of arguments that, left empty, get the start of the last successful run."""
        ...

    def load(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Typed values of JSON `data`, defaults filled in; InvalidInput with one entry a wrong field."""
        ...

    def dump(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON form of loaded values, as it is stored."""
        ...

    def restore(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """What the task is called with, from what was stored."""
        ...

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of an object; each property with title, default, description where known."""
        ...

    def redact(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """`data` with secret values hidden, fit to be shown."""
        ...


class Authenticator(Protocol):
    """Tells who makes a request, in a host's own way (`Deck.init_app(app, authenticator=…)`)."""

    def principal(self, request: Any) -> Principal | None:
        """The principal of a Flask request, or None when nobody is signed in."""
        ...

    def find(self, principal_id: str) -> Principal | None:
        """The principal with this id as it is now, None when it is gone. Asked whenever a schedule of it fires."""
        ...


class Engine(Protocol):
    """Carries rings to workers that somebody else operates. A run is won in the database; a ring is lost or doubled without
    harm. Found by its name in the entry point group `jobdeck.engines`: a callable that takes the `Deck`.
    """

    name: str

    is_immediate: bool
    """Whether `ring` executes the runs right there, so that whoever enqueues rings itself."""

    def ring(self, rings: Sequence[Ring]) -> int:
        """Send these; how many were taken, in order. EngineError when none was, in words for an operator."""
        ...

    def depth(self, queue: str) -> int | None:
        """How many messages wait in a queue of jobdeck's there; None when the engine cannot tell. EngineError."""
        ...

    def command(self, queue: str) -> str | None:
        """The shell command that starts a worker of a queue of jobdeck's, without passwords; None when no command does."""
        ...

    def problems(self) -> list[str]:
        """What keeps it from working, each a sentence that says what would be right: asked by `jobdeck check` and at start."""
        ...

    def cannot(self) -> Mapping[Capability, str]:
        """What it cannot do as it is set up, each with the reason in a sentence for administrators."""
        ...

    def close(self) -> None:
        """Let go of connections; the next use opens new ones. Called in a forked child too."""
        ...


class Application(Protocol):
    """What a worker's template process loads: the job types and the context that their tasks need."""

    @property
    def settings(self) -> Settings:
        """The settings that hold for whoever runs jobs of this application."""
        ...

    @property
    def registry(self) -> Any:
        """The `definitions.registry.Registry` of all job types."""
        ...

    def context(self) -> AbstractContextManager[Any]:
        """Entered around every attempt (a Flask application context, or nothing)."""
        ...

    def after_fork(self) -> None:
        """Called once in a new child process: let go of what must not be shared with the template."""
        ...
