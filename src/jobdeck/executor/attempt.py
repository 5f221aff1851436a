"""One attempt of one run: find the task, load its arguments, call it inside its context, judge what it came to."""

from __future__ import annotations

import json
import logging
import resource
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..contracts import Application
from ..core.outcome import OutcomeKind
from ..definitions.functions import load_call, resolve_function
from . import verdict
from .context import RunContext, executing
from .interrupt import Interrupt
from .log_capture import LogCapture
from .order import Order
from .page import Page
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
        self._tasks: dict[str, Task] = {}

    def execute(self, order: Order) -> None:
        """Make the attempt and send its outcome."""
        started_us = time.time_ns() // 1000
        task: Task | None = None
        with ExitStack() as stack:
            stack.enter_context(self._capture.of_run(order.number, output=self._captures_output(order)))
            try:
                task = self._find(order)
                context = RunContext(order, self._recorder, self._page, self._files_folder)
                result = self._judge(task, self._call(task, order, context))
            except BaseException as error:
                result = verdict.raised(error)
            self._tell(result)
        self._send(order, result, started_us)

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

    def _call(self, task: Task, order: Order, context: RunContext) -> Any:
        """Call the task with its arguments, as the run at hand, in the application's context."""
        positional = json.loads(order.positional) if order.positional else []
        named = json.loads(order.arguments)
        with executing(context), self._application.context():
            if task.restore is not None:
                named = task.restore(named)
            else:
                positional, named = load_call(task.call, positional, named)
            context.arguments = named
            with self._interrupt.armed():
                return task.call(*positional, **named)

    def _judge(self, task: Task, value: Any) -> Verdict:
        return verdict.returned(
            value,
            errors_logged=self._capture.errors,
            warn_on_errors=task.options.get("warn_on_errors", False),
        )

    def _tell(self, result: Verdict) -> None:
        """The outcome lines of the run's own log."""
        now_us = time.time_ns() // 1000
        if result.kind is OutcomeKind.ERROR:
            fields = {"traceback": result.traceback}
            self._capture.say(now_us, logging.ERROR, logger.name, result.message or "", fields)
        elif result.kind is OutcomeKind.PARTIAL:
            self._capture.say(now_us, logging.WARNING, logger.name, result.message or "", None)
        elif result.kind is OutcomeKind.STOPPED:
            self._capture.say(now_us, logging.WARNING, logger.name, "Stopped.", None)
        if result.problem is not None:
            self._capture.say(now_us, logging.WARNING, logger.name, result.problem, None)

    def _send(self, order: Order, result: Verdict, started_us: int) -> None:
        self._recorder.say(
            ENDED, order.number, result.kind, started_us, time.time_ns() // 1000, result.result,
            result.message, result.traceback, result.errored_entries, _peak_memory(),
        )  # fmt: skip

    def _captures_output(self, order: Order) -> bool:
        job_type = self._application.registry.find(order.type) if order.type else None
        return job_type is None or bool(job_type.capture_output)


def _peak_memory() -> int:
    """The most memory that this process has had so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
