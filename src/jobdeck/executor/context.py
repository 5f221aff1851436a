"""The run at hand, as the task's code sees it: `current_run` and `track`.

A child executes one run at a time, so the run at hand belongs to the process: threads that a task starts
see it too. In a process that it shares with others, a run belongs to its context (`contextvars`).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ..contracts import Application
from ..core.file import check_media_type, check_name
from ..core.json_values import SAFE_INTEGER
from ..core.principal import Principal
from ..core.text import one_line
from ..errors import OutsideRun, RunStopped
from . import spawning
from .order import Order
from .recorder import ENTRIES, FILE, PROGRESS, SPAWN, Says

T = TypeVar("T")
StopHook = Callable[[str], object]
CAUSES = ("stop", "timeout", "shutdown")
logger = logging.getLogger("jobdeck.run")
PROGRESS_EVERY_S = 0.1
_MESSAGE_LIMIT = 500


class Asks(Protocol):
    """Where whoever looks after a run asks for its end; `executor.page` for a child."""

    is_cooperative: bool
    """Whether a run ends only where it looks."""

    @property
    def since_us(self) -> int:
        """When the run began, in microseconds of the host's monotonic clock."""
        ...

    @property
    def cause(self) -> int:
        """Why the run is asked to end, a place in `CAUSES`."""
        ...

    def is_asked_to_stop(self, number: int) -> bool:
        """Whether run `number` is asked to end."""
        ...

    def hook(self) -> None:
        """The run wants to be told at once."""
        ...


class RunContext:
    """What is known about the run at hand where it executes."""

    def __init__(self, order: Order, recorder: Says, page: Asks, files_folder: Path, application: Application) -> None:
        self.order = order
        self.application = application
        self.hooks: list[StopHook] = []
        self.arguments: Mapping[str, Any] = {}
        self._recorder = recorder
        self._page = page
        self._folder = files_folder
        self._outputs: list[OutputFile] = []
        self._progress: tuple[int, int | None, str | None] | None = None
        self._said: tuple[int, int | None, str | None] | None = None
        self._say_after = 0.0

    @property
    def should_stop(self) -> bool:
        """Whether somebody asks for the end of this run."""
        is_asked = self._page.is_asked_to_stop(self.order.number)
        if is_asked and self.hooks and self._page.is_cooperative:
            self.call_hooks()
        return is_asked

    def progress(self, done: int, total: int | None, message: str | None) -> None:
        """Remember the progress, and tell it unless it was told a moment ago."""
        self._progress = (done, total, message)
        now = time.monotonic()
        if now >= self._say_after:
            self._say_after = now + PROGRESS_EVERY_S
            self.flush()

    def flush(self) -> None:
        """Tell the latest progress."""
        if self._progress is not None and self._progress != self._said:
            self._said = self._progress
            self._recorder.say(PROGRESS, self.order.number, *self._progress)

    @property
    def seconds_left(self) -> float | None:
        """Until its timeout; None without one."""
        if self.order.timeout_s is None:
            return None
        return self.order.timeout_s - (time.monotonic() - self._page.since_us / 1_000_000)

    @property
    def cause(self) -> str:
        """Why it is asked to end."""
        return CAUSES[self._page.cause]

    def hook(self, hook: StopHook) -> None:
        """Have `hook(cause)` called when it is asked to end."""
        self.hooks.append(hook)
        self._page.hook()

    def call_hooks(self) -> None:
        """Tell all hooks, each once; what one raises is logged."""
        hooks, self.hooks = self.hooks, []
        for hook in hooks:
            try:
                hook(self.cause)
            except Exception:  # a hook must not decide what becomes of the run
                logger.exception("a hook that was told of the end of the run failed")

    def tell(self, kind: str, *message: Any) -> None:
        """Send a message about this run."""
        self._recorder.say(kind, self.order.number, *message)

    def open_output(self, name: str, media_type: str | None) -> OutputFile:
        """A new file of this run, under a path of jobdeck's choosing."""
        order = self.order
        name, media_type = check_name(name), check_media_type(media_type)
        path = f"{order.run_id}/{order.attempt}-{order.fence}/{os.urandom(8).hex()}"
        place = self._folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        output = OutputFile(place, name, media_type, path, self)
        self._outputs.append(output)
        return output

    def keep(self, output: OutputFile, size: int, sha256: str) -> None:
        """Tell of a file that is complete."""
        at_us = time.time_ns() // 1000
        self._recorder.say(
            FILE, self.order.number, output.name_shown, output.media_type, size, sha256, output.path, at_us
        )

    def close(self) -> None:
        """End of the attempt: tell the last progress, drop outputs that nobody closed."""
        self.flush()
        for output in self._outputs:
            output.discard()


class OutputFile(io.BufferedRandom):
    """A binary file being written; `close` (or the end of its `with` block) adds it to the run's files.

    When the `with` block raises, the file is discarded.
    """

    def __init__(self, place: Path, name: str, media_type: str, path: str, context: RunContext) -> None:
        super().__init__(io.FileIO(place.with_suffix(".part"), "w+b"))
        self.name_shown = name
        self.media_type = media_type
        self.path = path
        self._place = place
        self._context = context

    def close(self) -> None:
        """Keep the file as it is now; nothing happens the second time."""
        if self.closed:
            return
        self.flush()
        size = self.seek(0, os.SEEK_END)
        self.seek(0)
        sha256 = hashlib.file_digest(self, "sha256").hexdigest()
        os.fsync(self.fileno())
        super().close()
        self._part.rename(self._place)
        self._context.keep(self, size, sha256)

    def discard(self) -> None:
        """Close without keeping anything; nothing happens after `close`."""
        if not self.closed:
            super().close()
            self._part.unlink(missing_ok=True)

    def __exit__(self, kind: Any, *details: Any) -> None:
        if kind is not None:
            self.discard()
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.discard()

    @property
    def _part(self) -> Path:
        return self._place.with_suffix(".part")


_active: RunContext | None = None
_here: ContextVar[RunContext | None] = ContextVar("jobdeck_run", default=None)


def make_current(context: RunContext | None) -> RunContext | None:
    """Make `context` the run at hand of this process, None: there is none any more. Which one was."""
    global _active
    before, _active = _active, context
    return before


def make_current_here(context: RunContext | None) -> RunContext | None:
    """The same for what is executed in this context (`contextvars`)."""
    before = _here.get()
    _here.set(context)
    return before


def current() -> RunContext | None:
    """The run at hand, if there is one."""
    return _here.get() or _active


class CurrentRun:
    """The run that executes this code. Everything here raises OutsideRun when there is none."""

    @property
    def id(self) -> str:
        """The run's UUID."""
        return self._context.order.run_id

    @property
    def job_id(self) -> str | None:
        """The UUID of the job that was run, None for a run without one."""
        return self._context.order.job_id

    @property
    def type(self) -> str | None:
        """The job type's id, None for a plain function."""
        return self._context.order.type

    @property
    def attempt(self) -> int:
        """Which try this is, from 1."""
        return self._context.order.attempt

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The keyword arguments that the task was called with."""
        return self._context.arguments

    @property
    def tenant(self) -> str:
        """The tenant the run belongs to."""
        return self._context.order.tenant

    @property
    def principal(self) -> Principal | None:
        """Who started the run."""
        order = self._context.order
        if order.principal_id is None:
            return None
        return Principal(id=order.principal_id, name=order.principal_name or order.principal_id, tenant=order.tenant)

    @property
    def should_stop(self) -> bool:
        """Whether somebody asked this run to stop, or its time is up."""
        return self._context.should_stop

    def check_stop(self) -> None:
        """RunStopped when the run should stop."""
        if self._context.should_stop:
            raise RunStopped("The run was asked to stop.")

    def progress(self, done: int, total: int | None = None, message: str | None = None) -> None:
        """Tell how far the run is; RunStopped when it should stop.

        Call it as often as you like: it is passed on ten times a second at most. ValueError for negative or huge numbers.
        """
        context = self._context
        if context.should_stop:
            raise RunStopped("The run was asked to stop.")
        done, total = int(done), None if total is None else int(total)
        if not 0 <= done <= SAFE_INTEGER or not (total is None or 0 <= total <= SAFE_INTEGER):
            raise ValueError("progress is told in numbers from 0 to 2^53")
        context.progress(done, total, None if message is None else one_line(str(message), _MESSAGE_LIMIT))

    def open_output(self, name: str, media_type: str | None = None) -> OutputFile:
        """A binary file to write; once closed it can be downloaded from the run's page.

        `name` is 1 to 200 characters without slashes (ValueError); the same name again replaces the earlier file. A
        `with` block that raises discards the file.
        """
        return self._context.open_output(name, media_type)

    @property
    def seconds_left(self) -> float | None:
        """Until the run's timeout; None without one, below 0 when it is over."""
        return self._context.seconds_left

    def on_stop(self, hook: StopHook) -> StopHook:
        """Have `hook(cause)` called, once, when the run is asked to end: "stop", "timeout", or "shutdown" of its worker.

        It is called in the main thread between two of its instructions, at once, when half the grace period is left to
        what follows (RunStopped). At a shutdown the run may go on for most of the grace period. Where runs execute in the process
        of an engine, it is called when the run next looks whether it should stop. Usable as a decorator.
        """
        self._context.hook(hook)
        return hook

    def add_entries(self, *, total: int = 0, inserted: int = 0, updated: int = 0, errored: int = 0) -> None:
        """Count entries: so many more are expected, inserted, updated, went wrong. ValueError for negative numbers."""
        counts = [int(count) for count in (total, inserted, updated, errored)]
        if any(not 0 <= count <= SAFE_INTEGER for count in counts):
            raise ValueError("entries are counted in numbers from 0 to 2^53")
        self._context.tell(ENTRIES, *counts)

    def spawn(self, target: Any, arguments: Mapping[str, Any] | None = None, **options: Any) -> str:
        """Queue a sub-run of a job type (by its id, its class or its decorated function); the id of the new run.

        This run ends when its body has returned and all its sub-runs have ended: as SUCCESS when all succeeded, as
        PARTIAL_SUCCESS when some failed, as FAILED when all did. A stop or a failure of this run stops them.
        `options` are title, queue, timeout, priority, retry, start_in, expires_in. InvalidInput names what does not fit.
        """
        context = self._context
        new = spawning.new_run(context.application, context.order, target, arguments, options)
        context.tell(SPAWN, *new.row())
        return new.id

    @property
    def _context(self) -> RunContext:
        context = current()
        if context is None:
            raise OutsideRun("No run is executing this code; current_run works only inside a task that jobdeck runs.")
        return context


current_run = CurrentRun()


def track(items: Iterable[T], total: int | None = None, message: str | None = None) -> Iterator[T]:
    """Iterate over `items`, telling the run's progress and stopping it where that was asked (RunStopped).

    `total` defaults to `len(items)` where there is one. Outside a run this only iterates.
    """
    if current() is None:
        yield from items
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    done = 0
    current_run.progress(done, total, message)
    for item in items:
        yield item
        done += 1
        current_run.progress(done, total, message)
