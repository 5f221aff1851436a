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
from ..core.outcome import OutcomeKind
from ..definitions.functions import load_call, resolve_function
from . import verdict
from .context import RunContext, make_current
from .interrupt import Interrupt
from .log_capture import LogCapture
from .order import Order
from .page import Page
from .peak import PeakMemory
from .recorder import ENDED, Recorder
from .verdict import Verdict

logger = logging.getLogger("jobdeck.run")


@dataclass(frozen=True, slots=True)
class Task:
    """What to call, how its arguments are restored from what was stored, and the type's options."""

    call: Callable[..., Any]
    restore: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


class Workshop:
    """Everything that one child uses for all of its attempts."""

    def __init__(
        self, application: Application, recorder: Recorder, page: Page, files_folder: Path, log_level: int
    ) -> None:
        self._application = application
        self._recorder = recorder
        self._page = page
        self._files_folder = files_folder
        self._capture = LogCapture(recorder, log_level)
        self._interrupt = Interrupt()
        self._memory = PeakMemory()
        self._tasks: dict[str, Task] = {}
        self._pid = os.getpid()

    def execute(self, order: Order) -> None:
        """Make the attempt and send its outcome."""
        started_us = time.time_ns() // 1000
        self._capture.begin(order.number, output=self._captures_output(order))
        result = self._attempt(order)
        self._tell(result)
        self._capture.end()
        self._send(order, result, started_us)

    def _attempt(self, order: Order) -> Verdict:
        try:
            task = self._find(order)
            context = RunContext(order, self._recorder, self._page, self._files_folder)
            make_current(context)
            try:
                with self._application.context():
                    positional, named = self._load(task, order)
                    context.arguments = named
                    value = self._call(task, positional, named, context)
            finally:
                make_current(None)
                context.close()
            return self._judge(task, value)
        except BaseException as error:  # SystemExit and KeyboardInterrupt are a task's failure too
            return verdict.raised(error)

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
        named = json.loads(order.arguments)
        if task.restore is not None:
            return positional, task.restore(named)
        return load_call(task.call, positional, named)

    def _call(self, task: Task, positional: Sequence[Any], named: Mapping[str, Any], context: RunContext) -> Any:
        self._interrupt.arm(context)
        try:
            value = task.call(*positional, **named)
        finally:
            self._interrupt.disarm()
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
            ENDED, order.number, result.kind, started_us, ended_us, self._memory.of_run(ended_us - started_us),
            result.result, result.message, result.traceback, result.errored_entries,
        )  # fmt: skip

    def _captures_output(self, order: Order) -> bool:
        job_type = self._application.registry.find(order.type) if order.type else None
        return job_type is None or bool(job_type.capture_output)
