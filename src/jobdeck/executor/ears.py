"""Where what a run logs, prints and warns about is heard: in a process of its own, or in one that it shares with others.

Records are taken where loggers hand them to their handlers, so that loggers that do not propagate are heard too.
The host's own handlers still run, at the level the host chose; what they print is not captured a second time.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from .log_capture import LogCapture


class ProcessEars:
    """All that this process says belongs to the run at hand."""

    def __init__(self, level: int) -> None:
        self._capture: LogCapture | None = None
        self._inside = _Inside()
        self._kept = sys.stdout, sys.stderr
        self._host_level = logging.getLogger().level
        logging.getLogger().setLevel(level)
        logging.captureWarnings(True)
        _hear(lambda: self._capture, self._is_for_host, self._inside)

    def open(self, capture: LogCapture) -> None:
        """Hear for `capture`."""
        self._capture = capture
        self._kept = sys.stdout, sys.stderr
        if capture.output:
            sys.stdout, sys.stderr = capture.streams()

    def shut(self, capture: LogCapture) -> None:
        """Hear for nobody."""
        sys.stdout, sys.stderr = self._kept
        self._capture = None

    def is_handling(self) -> bool:
        """Whether a handler of the host is at work on a record that was heard already."""
        return self._inside.handling

    def _is_for_host(self, logger: logging.Logger, level: int) -> bool:
        return level >= self._host_level or not _takes_level_from_root(logger)


class SharedEars:
    """What is said within the context of a run belongs to that run; several threads may execute one each.

    Outside of runs the host's process logs and prints as ever.
    """

    def __init__(self, level: int) -> None:
        self._here: ContextVar[LogCapture | None] = ContextVar("jobdeck_log", default=None)
        self._inside = _Inside()
        self._lock = threading.Lock()
        self._open: list[LogCapture] = []
        self._before: dict[LogCapture, LogCapture | None] = {}
        self._kept: tuple[Any, Any] = (sys.stdout, sys.stderr)
        self._routers: tuple[Any, ...] = ()
        self._has_caught_warnings = False
        host = logging.Logger.isEnabledFor
        _hear(self._here.get, host, self._inside)
        logging.Logger.isEnabledFor = _lowered(host, level, self._here.get)  # type: ignore[method-assign, assignment]  # a function as a method

    def open(self, capture: LogCapture) -> None:
        """Hear for `capture` what is said in this context."""
        with self._lock:
            if not self._open:
                self._install()
            self._open.append(capture)
        self._before[capture] = self._here.get()
        self._here.set(capture)

    def shut(self, capture: LogCapture) -> None:
        """Hear for whom was heard before."""
        self._here.set(self._before.pop(capture))
        with self._lock:
            self._open.remove(capture)
            if not self._open:
                self._uninstall()

    def is_handling(self) -> bool:
        """Whether a handler of the host is at work on a record that was heard already."""
        return self._inside.handling

    def forget(self) -> None:
        """Hear for nobody: this process was forked from one that did."""
        self._lock = threading.Lock()
        self._before.clear()
        self._here.set(None)
        if self._open:
            self._open.clear()
            self._uninstall()

    def _install(self) -> None:
        kept = sys.stdout, sys.stderr
        if kept != self._kept or not self._routers:
            self._kept = kept
            self._routers = tuple(_Router(number, real, self._here.get) for number, real in enumerate(kept))
        sys.stdout, sys.stderr = self._routers
        shown = warnings.showwarning
        logging.captureWarnings(True)
        # The host may have them logged already, and goes on.
        self._has_caught_warnings = warnings.showwarning is not shown

    def _uninstall(self) -> None:
        sys.stdout, sys.stderr = self._kept
        if self._has_caught_warnings:
            logging.captureWarnings(False)


class _Inside(threading.local):
    """Whether this thread is within a handler of the host."""

    handling = False


class _Router:
    """Stands for sys.stdout or sys.stderr: a run's own stream within its context, else the real one."""

    def __init__(self, number: int, real: Any, find: Callable[[], LogCapture | None]) -> None:
        self._number = number
        self._real = real
        self._find = find

    def _stream(self) -> Any:
        capture = self._find()
        return capture.streams()[self._number] if capture is not None and capture.output else self._real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream(), name)

    def __iter__(self) -> Any:
        return iter(self._stream())


def _hear(
    find: Callable[[], LogCapture | None], is_for_host: Callable[[logging.Logger, int], bool], inside: _Inside
) -> None:
    """Have every record shown to what `find` gives, before the host's handlers have it as far as it is for them."""
    hand_on = logging.Logger.callHandlers

    def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
        capture = find()
        outermost = not inside.handling
        if outermost and capture is not None:
            capture.record(record)
        if not is_for_host(logger, record.levelno):
            return
        inside.handling = True
        try:
            hand_on(logger, record)
        finally:
            inside.handling = not outermost

    # No handler sees every logger's records: one that does not propagate keeps them from the root.
    logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign, assignment]  # a function as a method


def _lowered(
    host: Callable[[logging.Logger, int], bool], lowest: int, find: Callable[[], LogCapture | None]
) -> Callable[[logging.Logger, int], bool]:
    """Within a run, loggers that have no level of their own take `lowest` for the root's."""

    def is_enabled_for(logger: logging.Logger, level: int) -> bool:
        if host(logger, level):
            return True
        if level < lowest or find() is None:
            return False
        return not logger.disabled and logger.manager.disable < level and _takes_level_from_root(logger)

    return is_enabled_for


def _takes_level_from_root(logger: logging.Logger) -> bool:
    above: logging.Logger | None = logger
    while above is not None and above.parent is not None:
        if above.level:
            return False
        above = above.parent
    return True
