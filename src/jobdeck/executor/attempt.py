"""One attempt of one run, as a pipe of named steps:

find the task → load its arguments → enter the run's context → call → judge → tell the log → send the outcome.

Whatever the first five raise is the attempt's verdict; the last two always happen. Neighbours: `processes.child` gives
the orders, `processes.pool` takes what is sent.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..contracts import Application
from ..core.job import Job
from ..core.outcome import OutcomeKind
from ..core.times import from_us
from ..definitions.functions import load_call, resolve_function
from ..errors import DefinitionError
from ..services import checks, preparing
from . import verdict
from .context import Asks, RunContext
from .log_capture import LogCapture
from .order import Order
from .places import Place
from .recorder import ARGUMENTS, ENDED, Says
from .verdict import Verdict

logger = logging.getLogger("jobdeck.run")


@dataclass(frozen=True, slots=True)
class Task:
    """What to call, how its arguments are restored from what was stored, and the type's options."""

    call: Callable[..., Any]
    restore: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


class Workshop:
    """Everything that is used for attempts one after another: by a child, or by a thread in `place`."""

    def __init__(self, application: Application, recorder: Says, page: Asks, files_folder: Path, place: Place) -> None:
        self._application = application
        self._recorder = recorder
        self._page = page
        self._files_folder = files_folder
        self._place = place
        self._capture = LogCapture(recorder, place.ears)
        self._tasks: dict[str, Task] = {}
        self._pid = os.getpid()

    def execute(self, order: Order) -> None:
        """Make the attempt and send its outcome."""
        started_us = time.time_ns() // 1000
        self._capture.begin(order.number, output=self._captures_output(order))
        try:
            result = self._attempt(order)
            self._tell(result)
        finally:
            # A process of somebody else's may be interrupted anywhere, and has to be as it was.
            self._capture.end()
        self._send(order, result, started_us)

    def _attempt(self, order: Order) -> Verdict:
        try:
            task = self._find(order)
            context = RunContext(order, self._recorder, self._page, self._files_folder, self._application)
            before = self._place.make_current(context)
            try:
                with self._application.context():
                    positional, named = self._load(task, order)
                    context.arguments = named
                    value = self._call(task, positional, named, context)
            finally:
                self._place.make_current(before)
                context.close()
            return self._judge(task, value)
        except BaseException as error:  # SystemExit and KeyboardInterrupt are a task's failure too
            result = verdict.raised(error)
            if result.retry is None:
                result.retry = self._may_retry(order, error)
            return result

    def _may_retry(self, order: Order, error: BaseException) -> bool:
        job_type = self._application.registry.find(order.type) if order.type else None
        return job_type is None or bool(job_type.may_retry(error))

    def _find(self, order: Order) -> Task:
        """The task of a job type or of a plain function; found once in the life of a child."""
        key = order.type or order.function or ""
        task = self._tasks.get(key)
        if task is None:
            if order.type is not None:
                job_type = self._application.registry.get(order.type)
                task = Task(job_type.callable(), job_type.restore, job_type.options())
            else:
                task = Task(resolve_function(key))
            self._tasks[key] = task
        return task

    def _load(self, task: Task, order: Order) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Positional and named arguments, as the task wants them."""
        positional = json.loads(order.positional) if order.positional else ()
        named = json.loads(order.arguments) if order.arguments else self._prepare(order)
        if task.restore is not None:
            return positional, task.restore(named)
        return load_call(task.call, positional, named)

    def _prepare(self, order: Order) -> Mapping[str, Any]:
        """The arguments of a run that was stored without: made now, as they would be at a start, and told."""
        if order.prepare is None:
            raise DefinitionError("The job of this run was deleted before its arguments were made.")
        job_type = self._application.registry.get(order.type or "")
        told = json.loads(order.prepare)
        now = from_us(time.time_ns() // 1000)
        job = Job(id=order.job_id, tenant=order.tenant, title=told["title"], description=None, type=job_type.id,
                  queue="", active=True, arguments=told["arguments"], custom_arguments=told["custom_arguments"],
                  created_at=now, updated_at=now)  # fmt: skip
        since = None if told["since_us"] is None else from_us(told["since_us"])
        text = checks.json_text(preparing.task_arguments(job_type, job, None, None, since), "args")
        self._recorder.say(ARGUMENTS, order.number, text)
        made: Mapping[str, Any] = json.loads(text)
        return made

    def _call(self, task: Task, positional: Sequence[Any], named: Mapping[str, Any], context: RunContext) -> Any:
        self._place.interrupt.arm(context)
        try:
            value = task.call(*positional, **named)
        finally:
            self._place.interrupt.disarm()
        if os.getpid() != self._pid:
            # The task forked and came back twice; only the process that was given the order speaks for the run.
            os._exit(0)
        return value

    def _judge(self, task: Task, value: Any) -> Verdict:
        return verdict.returned(
            value,
            errors_logged=self._capture.errors,
            warn_on_errors=task.options.get("warn_on_errors", False),
        )

    def _tell(self, result: Verdict) -> None:
        """The outcome's lines in the run's own log."""
        if result.kind is OutcomeKind.ERROR:
            self._note(logging.ERROR, result.message or "", {"traceback": result.traceback})
        elif result.kind is OutcomeKind.PARTIAL:
            self._note(logging.WARNING, result.message or "")
        elif result.kind is OutcomeKind.STOPPED:
            self._note(logging.WARNING, "Stopped.")
        if result.problem is not None:
            self._note(logging.WARNING, result.problem)

    def _note(self, level: int, message: str, fields: dict[str, Any] | None = None) -> None:
        self._capture.say(time.time_ns() // 1000, level, logger.name, message, fields)

    def _send(self, order: Order, result: Verdict, started_us: int) -> None:
        ended_us = time.time_ns() // 1000
        self._recorder.say(
            ENDED, order.number, result.kind, started_us, ended_us, self._place.memory_of_run(ended_us - started_us),
            result.result, result.message, result.traceback, result.errored_entries, result.retry,
        )  # fmt: skip

    def _captures_output(self, order: Order) -> bool:
        job_type = self._application.registry.find(order.type) if order.type else None
        return job_type is None or bool(job_type.capture_output)
