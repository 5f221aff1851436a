"""The error tree. Every message says what is wrong and what would be right.

::

    JobdeckError
    ├── ConfigurationError           a setting is wrong; start is refused
    │   └── DefinitionError          a job type is declared wrongly
    ├── StoreError                   the database cannot serve
    │   └── SchemaOutdated           its tables are not of this version
    ├── EngineError                  an engine cannot be rung: its broker is away, or refuses
    ├── AlreadyRunning               another process holds this home or port
    ├── RequestError                 somebody asked for something that cannot be had
    │   ├── InvalidInput             with one message list a field
    │   ├── TooLarge                 over a size limit
    │   ├── NotSignedIn              no or unknown credentials
    │   ├── NotAllowed               known caller without the right
    │   ├── NotFound                 unknown, or of another tenant
    │   └── Conflict                 not in this state
    │       └── Occupied             a limit is full, or a unique key is taken
    ├── OutsideRun                   current_run used where no run executes
    ├── Retry                        raised by a task: try again, later
    └── TaskExecutionPartialError    raised by a task: done, but not all of it

    RunStopped (BaseException)       raised inside a task that somebody asked to stop

Lives here: classes only. Neighbours: every floor raises these; the doors render `RequestError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


class JobdeckError(Exception):
    """Root of every error that jobdeck raises on purpose."""


class ConfigurationError(JobdeckError):
    """A setting is missing or wrong; the message names it and what would be right."""


class DefinitionError(ConfigurationError):
    """A job type is declared wrongly: duplicate id, no task, a schema of no known kind."""


class StoreError(JobdeckError):
    """The database cannot be reached or refused a statement."""


class SchemaOutdated(StoreError):
    """The tables are missing or of another version; `jobdeck db upgrade` brings them up to date."""


class EngineError(JobdeckError):
    """An engine's broker cannot be reached or refuses; the message is fit for an operator, without passwords."""


class AlreadyRunning(JobdeckError):
    """Another jobdeck serves from the same home folder, or the port is taken."""


class RequestError(JobdeckError):
    """A request that cannot be served. `message` is safe to show to the caller."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """What is wrong with one field: its dotted path (`args.since`) and one or more sentences."""

    field: str
    messages: tuple[str, ...]


class InvalidInput(RequestError):
    """The input does not fit; `errors` holds one `FieldError` a field."""

    def __init__(self, errors: Iterable[FieldError], message: str = "A validation error occurred.") -> None:
        self.errors = tuple(errors)
        super().__init__(message)

    def __str__(self) -> str:
        details = "; ".join(f"{e.field}: {' '.join(e.messages)}" for e in self.errors)
        return details or self.message

    @classmethod
    def of(cls, field: str, *messages: str) -> InvalidInput:
        """One field, one or more messages."""
        return cls([FieldError(field=field, messages=messages)])

    @classmethod
    def from_mapping(cls, errors: Mapping[str, Iterable[str]]) -> InvalidInput:
        """`{"title": ["Too long."]}` → the same as field errors."""
        return cls(FieldError(field=name, messages=tuple(texts)) for name, texts in errors.items())

    def under(self, prefix: str) -> InvalidInput:
        """The same errors with every field moved below `prefix` (`since` → `args.since`)."""
        return InvalidInput(
            [FieldError(field=f"{prefix}.{e.field}", messages=e.messages) for e in self.errors],
            self.message,
        )


class TooLarge(RequestError):
    """A body, argument or file over its size limit."""


class NotSignedIn(RequestError):
    """No credentials, or credentials that are unknown or expired."""


class NotAllowed(RequestError):
    """The caller is known and lacks the right."""


class NotFound(RequestError):
    """There is no such object, or it belongs to another tenant."""


class Conflict(RequestError):
    """The object is in a state that does not allow this."""


class Occupied(Conflict):
    """Another run is in the way: its limit is full, or it has the unique key. It can be asked for again later."""


class OutsideRun(JobdeckError):
    """`current_run` was used in code that no run is executing."""


class TaskExecutionPartialError(JobdeckError):
    """Raise from a task that did its work except for some entries: the run ends PARTIAL_SUCCESS.

    `errored_entries_count` is added to the run's counter; `result` is kept as the run's result, as a
    returned value would be.
    """

    def __init__(
        self,
        message: str = "The task was executed with errors.",
        errored_entries_count: int = 0,
        *,
        result: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.errored_entries_count = errored_entries_count
        self.result = result


class Retry(JobdeckError):
    """Raise from a task to be tried again: `after` seconds, or a span such as `"5m"`; None: as the type's policy says.

    It uses up an attempt; when none is left, the run ends FAILED with `message`.
    """

    def __init__(self, message: str = "The task asked to be tried again.", *, after: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.after = after


class RunStopped(BaseException):
    """Raised inside a task whose run was asked to stop, so that `except Exception` does not swallow it."""
