"""Everything a run logs, prints or warns about becomes an entry of its log.

Records are taken where loggers hand them to their handlers, so that loggers that do not propagate are heard too.
The host's own handlers still run; what they print is not captured a second time.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

from ..core.json_values import NotJson, to_json_value
from ..core.text import LINE_LIMIT, clean
from .recorder import LOG, Recorder

_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}
_FIELDS_LIMIT = 16
_NAME_LIMIT = 200


class LogCapture:
    """Captures for one run at a time; `errors` counts the records of level ERROR and above."""

    def __init__(self, recorder: Recorder, level: int) -> None:
        self._recorder = recorder
        self._number = 0
        self._inside = threading.local()
        self.errors = 0
        logging.getLogger().setLevel(level)
        logging.captureWarnings(True)
        self._install()

    @contextlib.contextmanager
    def of_run(self, number: int, *, output: bool) -> Iterator[None]:
        """Capture for run `number`; with `output` also what it prints."""
        self._number, self.errors = number, 0
        # Forgets which warnings were shown, so that each run shows its own.
        warnings.simplefilter("default", append=True)
        kept = sys.stdout, sys.stderr
        if output:
            sys.stdout = _Printed(self, "stdout", logging.INFO)
            sys.stderr = _Printed(self, "stderr", logging.WARNING)
        try:
            yield
        finally:
            if output:
                for stream in (sys.stdout, sys.stderr):
                    with contextlib.suppress(Exception):
                        stream.flush()
            sys.stdout, sys.stderr = kept
            self._number = 0

    def record(self, record: logging.LogRecord) -> None:
        """Take one record; a record that cannot be written down is told about, never raised."""
        if record.levelno >= logging.ERROR:
            self.errors += 1
        try:
            message = record.getMessage()
        except Exception as error:
            message = f"{record.msg!r} (its arguments do not fit: {error})"
        self.say(int(record.created * 1_000_000), record.levelno, record.name, message, _fields(record))

    def say(self, at_us: int, level: int, logger: str, message: str, fields: dict[str, Any] | None) -> None:
        """Write one entry of the run at hand."""
        if self._number:
            self._recorder.say(
                LOG, self._number, at_us, level, clean(logger, _NAME_LIMIT), clean(message, LINE_LIMIT), fields
            )

    def is_handling(self) -> bool:
        """Whether this thread is inside the host's own handlers."""
        return getattr(self._inside, "handling", False)

    def _install(self) -> None:
        hand_on = logging.Logger.callHandlers
        capture = self

        def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            if not capture.is_handling():
                capture.record(record)
            with capture._handling():
                hand_on(logger, record)

        # No handler sees every logger's records: one that does not propagate keeps them from the root.
        logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign, assignment]

    @contextlib.contextmanager
    def _handling(self) -> Iterator[None]:
        before = self.is_handling()
        self._inside.handling = True
        try:
            yield
        finally:
            self._inside.handling = before


class _Printed(io.TextIOBase):
    """Stands for stdout or stderr during a run; a line printed is an entry."""

    def __init__(self, capture: LogCapture, name: str, level: int) -> None:
        self._capture = capture
        self._name = name
        self._level = level
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not self._capture.is_handling():
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._say(line)
            if len(self._rest) > LINE_LIMIT:
                self.flush()
        return len(text)

    def flush(self) -> None:
        rest, self._rest = self._rest, ""
        if rest:
            self._say(rest)

    def _say(self, line: str) -> None:
        if line.strip():
            self._capture.say(time.time_ns() // 1000, self._level, self._name, line.rstrip("\r"), None)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = {"module": record.module, "function": record.funcName, "line": record.lineno}
    if record.exc_info and record.exc_info[1] is not None:
        fields["traceback"] = clean("".join(traceback.format_exception(record.exc_info[1])))
    if record.stack_info:
        fields["stack"] = clean(record.stack_info)
    for name in record.__dict__.keys() - _STANDARD:
        if len(fields) < _FIELDS_LIMIT:
            fields[clean(name, _NAME_LIMIT)] = _plain(record.__dict__[name])
    return fields


def _plain(value: Any) -> Any:
    try:
        value = to_json_value(value)
    except NotJson:
        value = repr(value)
    return clean(value, LINE_LIMIT) if isinstance(value, str) else value
