"""What a Celery worker does with the tasks that a run has sent: while one executes, all that it logs is heard, and written in the
log of that run, with the task's id.

Lines are gathered and written by a thread, so that no task waits for the database; what cannot be written is told and dropped,
and never fails a task. A task that sends another, or itself again, has its lines written first, so that they stand before the
other's.
"""

# Celery has no types.
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import json
import logging
import math
import os
import threading
from collections.abc import Callable
from contextvars import Token
from typing import Any

from celery import signals

from ..core.log_entry import LEVELS
from ..errors import JobdeckError, StoreError
from ..executor.log_capture import LogCapture
from ..executor.places import shared_process
from ..services import subtask_logs
from ..services.subtask_logs import Line, Origin
from . import host
from .celery_context import HEADER, followed

logger = logging.getLogger(__name__)

TOGETHER_S = 0.1
RETRY_S = 1.0
AT_ONCE = 200
HELD_LIMIT = 20_000
TASK_LIMIT = 10 * 1024 * 1024
FIRST_S = 0.5
END_S = 5.0

_Numbered = tuple[int, Origin, Line]
"""A line with its place among all that were added."""


class Writer:
    """Writes the lines of the process that made it, some at a time."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._changed = threading.Condition()
        self._held: list[_Numbered] = []
        self._writing: list[_Numbered] = []
        self._added = self._lost = self._hurried = 0
        self._is_ending = self._is_slow = False
        self._thread: threading.Thread | None = None

    def add(self, origin: Origin, line: Line) -> None:
        """Have a line written soon."""
        with self._changed:
            if len(self._held) >= HELD_LIMIT:
                self._lost += 1
                return
            self._added += 1
            self._held.append((self._added, origin, line))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="jobdeck-lines", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def hurry(self) -> None:
        """Return when all that was added before is written; soon, even if the database does not answer, and at once from then on
        until something was written again.
        """
        with self._changed:
            last = self._added
            self._hurried += 1
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._is_slow or self._oldest() > last, FIRST_S):
                self._is_slow = True
                self._changed.notify_all()
            self._hurried -= 1

    def end(self) -> None:
        """Write what is held, as far as that is done in a few seconds."""
        if self._thread is not None:
            with self._changed:
                self._is_ending = True
                self._changed.notify_all()
            self._thread.join(END_S)

    def _work(self) -> None:
        while not self._is_done():
            with self._changed:
                self._changed.wait_for(lambda: self._is_ending or self._hurried > 0, TOGETHER_S)
            some = self._take()
            try:
                subtask_logs.append(host.deck().database, some[0][1], [line for _, _, line in some])
            except StoreError as error:
                logger.warning("log lines of sub-tasks wait: %s", error)
                if self._is_ending:
                    return
                self._done(some)
                with self._changed:
                    self._changed.wait_for(lambda: self._is_ending, RETRY_S)
            except Exception as error:  # whatever a driver finds wrong with a line, and a host with its application
                logger.error("%d log lines of sub-tasks could not be kept: %.300s", len(some), error)
                self._done([])
            else:
                self._done([])

    def _is_done(self) -> bool:
        """After waiting until there is something to write, or nothing will come any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._held or self._is_ending)
            return not self._held

    def _done(self, unwritten: list[_Numbered]) -> None:
        with self._changed:
            self._held = sorted(unwritten + self._held)
            self._writing, self._is_slow = [], bool(unwritten)
            self._changed.notify_all()

    def _oldest(self) -> float:
        """The number of the first line that is not written yet."""
        return min((lines[0][0] for lines in (self._held, self._writing) if lines), default=math.inf)

    def _take(self) -> list[_Numbered]:
        """The first lines of one run, as many as are written at once."""
        with self._changed:
            origin = self._held[0][1]
            some = [one for one in self._held if one[1] == origin][:AT_ONCE]
            taken = {number for number, _, _ in some}
            self._held = [one for one in self._held if one[0] not in taken]
            lost, self._lost = self._lost, 0
            self._writing = some
        if lost:
            logger.error("%d log lines of sub-tasks were dropped: more came than could be written", lost)
        return some


class Lines:
    """Takes what one task logs, as `executor.recorder` takes what a run says."""

    def __init__(self, origin: Origin, task_id: str, task: str, write: Callable[[Origin, Line], None]) -> None:
        self._origin = origin
        self._about = {"task_id": task_id, "task": task}
        self._write = write
        self._size = 0

    def say(self, *message: Any) -> None:
        """Take a line; of a task that logs too much, only the first ones."""
        _, _, at_us, level, name, text, fields = message
        if self._size > TASK_LIMIT:
            return
        self._size += len(text) + len(fields or "")
        if self._size > TASK_LIMIT:
            text, fields = "… the further lines of this task are not kept …", None
        about = json.dumps({**(json.loads(fields) if fields else {}), **self._about}, ensure_ascii=False)
        self._write(self._origin, (at_us, level, name, text, about))


_writer = Writer()
_open: dict[str, tuple[LogCapture, Token[Any]]] = {}


def _add(origin: Origin, line: Line) -> None:
    global _writer
    if _writer.pid != os.getpid():
        # Forked: the thread stayed behind, and writes there what was held.
        _writer = Writer()
    _writer.add(origin, line)


@signals.task_prerun.connect(weak=False)
def _begin(task_id: str, task: Any, **_: Any) -> None:
    """A task that a run has sent begins here."""
    data = task.request.get(HEADER)
    # One that is executed where it was sent is heard there already.
    if data is None or task.request.is_eager:
        return
    try:
        origin = Origin.of_data(data)
        place = shared_process(LEVELS[host.settings().log_level])
    except (ValueError, JobdeckError) as error:
        logger.warning("what task %s logs is not kept with a run: %s", task_id, error)
        return
    capture = LogCapture(Lines(origin, task_id, task.name, _add), place.ears)
    capture.begin(1, output=False)
    _open[task_id] = capture, followed.set(origin.as_data())


@signals.before_task_publish.connect(weak=False)
def _write_first(**_: Any) -> None:
    """A task that executes here sends another."""
    if followed.get() is not None and _writer.pid == os.getpid():
        _writer.hurry()


@signals.task_postrun.connect(weak=False)
def _end(task_id: str, **_: Any) -> None:
    """It is over, and with it what was told about its run."""
    if task_id in _open:
        capture, token = _open.pop(task_id)
        followed.reset(token)
        capture.end()


def finish() -> None:
    """Have all lines of this process written, as it ends."""
    if _writer.pid == os.getpid():
        _writer.end()
