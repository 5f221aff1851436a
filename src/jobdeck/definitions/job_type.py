"""What an author declares: a class, a factory's class, or a decorated function. All become a `JobType` class.

Nothing is registered here; `definitions.registry` does that. Of services and executor, `schema`, `check`, `prepare`,
`custom`, `callable`, `restore` and `options` are called. The libraries behind argument schemas are loaded with the
first schema, not with this module.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from inspect import Parameter
from typing import Any, ClassVar, TypeVar, overload

from ..contracts import ArgumentSchema
from ..core.job import Job
from ..core.limits import check_scope
from ..core.retry import RetryPolicy, policy_of
from ..core.times import parse_timeout
from ..errors import DefinitionError, InvalidInput, JobdeckError
from . import arguments, building, declaration, tasks
from .arguments import messages
from .arguments.shape import words
from .building import DISCRIMINATOR
from .fields import fields_of

__all__ = ["JobType", "fields_of", "job_type"]

F = TypeVar("F", bound=Callable[..., Any])
Title = Any
logger = logging.getLogger("jobdeck.definitions")
_LIBRARIES = ("marshmallow", "abc", "builtins")


class _Predefined:
    """The default of `arguments_schema`; its module loads marshmallow, so it is imported when asked for."""

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return importlib.import_module(f"{__package__}.predefined").PredefinedArgsSchema


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What is made of a declaration, once. `taken` are the names that the task takes; None = any."""

    schema: ArgumentSchema | None
    call: Callable[..., Any]
    taken: frozenset[str] | None


class JobType:
    """Something that can be run. Subclass it, or use `JobType.create` or `@job_type`; it is never instantiated.

    - `id`: names it for ever; `title` and `description` are for people
    - `task`: a function, an `async def`, a Celery task, or the dotted path of one (`"package.module:name"`)
    - `arguments_schema`: a marshmallow Schema class, a dict of marshmallow fields, a JSON Schema, a function whose
      typed parameters say it, or None for no arguments
    - `queue`: where its runs wait unless somebody says otherwise
    - `timeout`: seconds, a timedelta, or a text such as `"1h"`; -1 = none, None = the deck's setting
    - `priority`: a head start in minutes, -100 to 100
    - `retry`: a number of attempts, or a `RetryPolicy`
    - `limit`: how many of its runs may be at work at once, counted by `limit_scope` ("type", "job", "queue", or the names
      of arguments); when that is full, `limit_policy` says "wait", "skip", "reject" or "replace"
    - `restartable`: a run that is at work when its worker is shut down may be begun anew
    - `fresh_process`: each of its runs has a process in which nothing ran before; one that a run left threads, subprocesses or
      much memory in is replaced anyway
    - `warn_on_errors`: a run that logged an error ends WARNING, not SUCCESS
    - `capture_output`: what a run prints goes into its log
    """

    id: ClassVar[str] = ""
    title: ClassVar[Title] = None
    description: ClassVar[Title] = None
    task: ClassVar[Any] = None
    arguments_schema: ClassVar[Any] = _Predefined()
    queue: ClassVar[str | None] = None
    timeout: ClassVar[str | float | timedelta | None] = None
    priority: ClassVar[int] = 0
    retry: ClassVar[int | RetryPolicy | None] = None
    limit: ClassVar[int | None] = None
    limit_scope: ClassVar[str | tuple[str, ...]] = "type"
    limit_policy: ClassVar[str] = "wait"
    restartable: ClassVar[bool] = False
    fresh_process: ClassVar[bool] = False
    warn_on_errors: ClassVar[bool] = False
    capture_output: ClassVar[bool] = True
    _names: ClassVar[Mapping[str, Any]] = {}
    _made_once: ClassVar[_Made | None] = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._made_once = None
        if cls.title is None and isinstance(cls.id, str) and cls.id:
            cls.title = words(cls.id)

    @classmethod
    def create(
        cls,
        job_cls_name: str,
        arguments_schema: Any,
        id_: str,
        task: Any,
        description: Title,
        title: Title,
        attrs: Mapping[str, Any] | None = None,
    ) -> type[JobType]:
        """A new subclass of JobType; `attrs` are further class attributes, such as `{"queue": "exports"}`."""
        body = {
            "__module__": sys._getframe(1).f_globals.get("__name__", __name__),
            "id": id_,
            "title": title,
            "description": description,
            "task": task,
            "arguments_schema": arguments_schema,
            **(attrs or {}),
        }
        return type(job_cls_name, (JobType,), body)

    @classmethod
    def build_task_arguments(
        cls,
        job_obj: Job,  # names for those who override it
        since: datetime | None = None,  # names for those who override it
        **kwargs: Any,  # names for those who override it
    ) -> dict[str, Any]:
        """Override to decide what the task is called with; without an override it gets the arguments that it takes.

        `job_obj` is the saved job, or a stand-in when the type is run without one. `since` is what was asked for, else
        the start of the last successful run, else None. The others come by name, as the schema loads them; a builder
        without `**kwargs` gets those it names. What it returns is kept as JSON; a datetime without a zone counts as UTC.
        """
        return {}

    @classmethod
    def schema(cls) -> ArgumentSchema | None:
        """The argument schema; None when the type takes no arguments."""
        return cls._made().schema

    @classmethod
    def options(cls) -> dict[str, Any]:
        """What whoever starts, executes or shows its runs needs to know of the type, as JSON: `timeout` in seconds (-1 =
        none, None = not said), `retry` the policy's delays as a run keeps them.
        """
        policy = policy_of(cls.retry)
        return {
            "queue": cls.queue,
            "timeout": parse_timeout(cls.timeout),
            "priority": cls.priority,
            "max_attempts": 1 if policy is None else policy.max_attempts,
            "retry": None if policy is None else policy.as_data(),
            "limit": cls.limit,
            "limit_scope": list(cls.scope()),
            "limit_policy": cls.limit_policy,
            "restartable": cls.restartable,
            "fresh_process": cls.fresh_process,
            "warn_on_errors": cls.warn_on_errors,
            "capture_output": cls.capture_output,
        }

    @classmethod
    def scope(cls) -> tuple[str, ...]:
        """`limit_scope` as names."""
        return check_scope(cls.limit_scope)

    @classmethod
    def may_retry(cls, error: BaseException) -> bool:
        """Whether an attempt that ended with this exception may be tried again, if any is left."""
        policy = policy_of(cls.retry)
        return policy is None or policy.covers(error)

    @classmethod
    def callable(cls) -> Callable[..., Any]:
        """The task as a plain callable that returns when the work is done."""
        return cls._made().call

    @classmethod
    def knows_last_runs(cls) -> bool:
        """Whether its arguments can depend on earlier runs."""
        schema = cls.schema()
        return cls._has_builder() or (schema is not None and bool(schema.last_success_fields))

    @classmethod
    def check(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON to save with a job. What is given must fit; what is missing may stay missing."""
        given = cls._given(data)
        try:
            values = cls._load(given)
        except InvalidInput as error:
            if wrong := [one for one in error.errors if _is_about(one.field, given)]:
                raise InvalidInput(wrong) from None
            return given
        schema = cls.schema()
        dumped = {} if schema is None else schema.dump(values)
        return {name: dumped.get(name, value) for name, value in given.items()}

    @classmethod
    def prepare(cls, data: Mapping[str, Any], job: Job, last_success: datetime | None) -> dict[str, Any]:
        """The JSON that the task is called with; InvalidInput names each argument that does not fit."""
        made = cls._made()
        values = cls._load(cls._given(data))
        for name in made.schema.last_success_fields if made.schema else ():
            if values.get(name) is None:
                values[name] = last_success
        if cls._has_builder():
            values.setdefault("since", None)
            values["since"] = last_success if values["since"] is None else values["since"]
            return building.build(cls, job, values)
        dumped = {} if made.schema is None else made.schema.dump(values)
        dumped.pop(DISCRIMINATOR, None)
        return {name: value for name, value in dumped.items() if made.taken is None or name in made.taken}

    @classmethod
    def custom(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments that are handed to the task as they are, without a look at the schema."""
        return dict(arguments)

    @classmethod
    def restore(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        """What the task is called with, from what a run has stored: typed values for a typed signature, else JSON."""
        schema = cls._made().schema
        return dict(stored) if schema is None or cls._has_builder() else schema.restore(stored)

    @classmethod
    def place(cls) -> str:
        """Where it is declared, for people: `ExportRecords (my_site.jobs)`."""
        return f"{cls.__qualname__} ({cls.__module__})"

    @classmethod
    def verify(cls) -> None:
        """DefinitionError when the type is declared wrongly."""
        cls._made()

    @classmethod
    def _made(cls) -> _Made:
        if cls._made_once is None:
            try:
                cls._made_once = cls._make()
            except DefinitionError as error:
                raise DefinitionError(f"Job type {cls.place()}: {error}") from error.__cause__
        return cls._made_once

    @classmethod
    def _make(cls) -> _Made:
        task = cls.task
        if task is None:
            raise DefinitionError("it has no task; name the function to run, such as task = export_records.")
        if isinstance(task, str):
            try:
                task = tasks.find(task)
            except LookupError as error:
                raise DefinitionError(f"its task {cls.task!r} is not there: {error}.") from error.__cause__
        declaration.check(cls, task)
        schema = arguments.schema_of(cls.arguments_schema, cls._names)
        taken = _taken(task)
        if schema is not None and taken is not None and not cls._has_builder():
            lost = schema.json_schema()["properties"].keys() - taken - {DISCRIMINATOR, *schema.last_success_fields}
            if lost:
                names = ", ".join(sorted(lost))
                logger.warning("Job type %s: neither its task nor a build_task_arguments takes %s.", cls.place(), names)
        return _Made(schema=schema, call=tasks.runnable(task), taken=taken)

    @classmethod
    def _has_builder(cls) -> bool:
        inherited: Any = JobType.build_task_arguments
        return getattr(cls.build_task_arguments, "__func__", cls.build_task_arguments) is not inherited.__func__

    @classmethod
    def _load(cls, given: dict[str, Any]) -> dict[str, Any]:
        schema = cls.schema()
        if schema is None:
            if given:
                raise InvalidInput.from_mapping({name: [messages.UNKNOWN] for name in given})
            return {}
        try:
            return schema.load(given)
        except JobdeckError:
            raise
        except Exception as error:  # an author's validator may raise anything, and a list of jobs must not break on it
            logger.exception("The arguments schema of the job type %s failed.", cls.id)
            message = f"The arguments schema of {cls.id} raised {type(error).__name__}: {error}."
            raise InvalidInput.of("_schema", message) from error

    @classmethod
    def _given(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """`data` as JSON, without the name of the schema, which a client may send and may leave out."""
        given: dict[str, Any] = messages.json_of(data)
        named = given.pop(DISCRIMINATOR, None)
        if named is None or named == "custom":
            return given
        declared = cls.arguments_schema
        bases = (declared if isinstance(declared, type) else type(declared)).__mro__
        # Also that of a base, because a subclass may have inherited the name that its form sends.
        if named not in [base.__name__ for base in bases if base.__module__.partition(".")[0] not in _LIBRARIES]:
            raise InvalidInput.of(DISCRIMINATOR, f"Unsupported value: {named}")
        return given


def _is_about(field: str, given: Mapping[str, Any]) -> bool:
    """Whether an error is about something that was given, and not about what is missing."""
    return field == "_schema" or any(field == name or field.startswith(f"{name}.") for name in given)


def _taken(task: Any) -> frozenset[str] | None:
    parameters = tasks.signature(task).parameters.values()
    if any(one.kind is Parameter.VAR_KEYWORD for one in parameters):
        return None
    return frozenset(
        one.name for one in parameters if one.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    )


@overload
def job_type(function: F, /) -> F: ...


@overload
def job_type(
    *,
    id: str | None = None,
    title: Title = None,
    description: Title = None,
    queue: str | None = None,
    timeout: str | float | timedelta | None = None,
    priority: int = 0,
    retry: int | RetryPolicy | None = None,
    limit: int | None = None,
    limit_scope: str | tuple[str, ...] = "type",
    limit_policy: str = "wait",
    restartable: bool = False,
    fresh_process: bool = False,
    warn_on_errors: bool = False,
    capture_output: bool = True,
) -> Callable[[F], F]: ...


def job_type(function: Any = None, /, **options: Any) -> Any:
    """Make a typed function a job type: `@job_type`, or `@job_type(title="Export records", timeout="1h")`.

    Its parameters are the arguments, its name the id, the first line of its docstring the description, unless an
    option says otherwise. The function stays what it was; its `job_type` attribute is the JobType class. Nothing is
    registered: name the function, or its module, to the deck.
    """
    names = _names_around(sys._getframe(1))

    def decorate(function: Any) -> Any:
        _declare(function, options, names)
        return function

    return decorate if function is None else decorate(function)


def _names_around(frame: Any) -> Mapping[str, Any]:
    """The local names of the function in which a job type is declared; a module's are found without us."""
    return {} if frame.f_locals is frame.f_globals else dict(frame.f_locals)


def _declare(function: Any, options: Mapping[str, Any], names: Mapping[str, Any]) -> None:
    name = getattr(function, "__name__", None)
    # What stands for a Celery task says that it comes from Celery.
    module = getattr(tasks.written(function) if tasks.is_celery(function) else function, "__module__", "?")
    place = f"{getattr(function, '__qualname__', function)!s} ({module})"
    for option in options:
        if wrong := declaration.option_problem(option):
            raise DefinitionError(f"Job type {place}: {wrong}")
    if name is None or (wrong := tasks.problem(function)):
        raise DefinitionError(f"Job type {place}: @job_type stands above a named function that does the work.")
    body = {
        "__module__": module,
        "__qualname__": getattr(function, "__qualname__", name),
        "__doc__": function.__doc__,
        "id": name,
        "description": next(iter((function.__doc__ or "").strip().splitlines()), None),
        "task": staticmethod(function),
        "arguments_schema": staticmethod(function),
        "_names": names,
        **{option: value for option, value in options.items() if value is not None},
    }
    function.job_type = type(name, (JobType,), body)
