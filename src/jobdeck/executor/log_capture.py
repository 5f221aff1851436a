"""Everything a run logs, prints or warns about becomes an entry of its log.

Records are taken where loggers hand them to their handlers, so that loggers that do not propagate are heard too.
The host's own handlers still run, at the level the host chose; what they print is not captured a second time.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
import warnings
from json import JSONEncoder
from typing import Any

from ..core.json_values import NotJson, to_json_value
from ..core.text import LINE_LIMIT, clean
from .printed import Printed
from .recorder import LOG, Recorder

_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}
_FIELDS_LIMIT = 16
_FIELDS_SIZE_LIMIT = 96 * 1024
_NAME_LIMIT = 200
_WARNINGS = "py.warnings"

_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class LogCapture:
    """Captures for one run at a time; `errors` counts the records of level ERROR and above."""

    def __init__(self, recorder: Recorder, level: int) -> None:
        self._recorder = recorder
        self._number = 0
        self._inside = threading.local()
        self.errors = 0
        self._host_level = logging.getLogger().level
        logging.getLogger().setLevel(level)
        logging.captureWarnings(True)
        self._install()
        self._streams = self._new_streams()
        self._kept = sys.stdout, sys.stderr
        self._warned = False

    def begin(self, number: int, *, output: bool) -> None:
        """Capture for run `number` from here to `end`; with `output` also what it prints."""
        self._number, self.errors = number, 0
        if self._warned:
            self._warned = False
            # Forgets which warnings were shown, so that each run shows its own.
            warnings.simplefilter("default", append=True)
        self._kept = sys.stdout, sys.stderr
        if output:
            if self._streams[0].closed or self._streams[1].closed:
                self._streams = self._new_streams()
            sys.stdout, sys.stderr = self._streams

    def end(self) -> None:
        """Capture no more, until the next run begins."""
        sys.stdout, sys.stderr = self._kept
        for stream in self._streams:
            stream.end_line()
        self._number = 0

    def record(self, record: logging.LogRecord) -> None:
        """Take one record; a record that cannot be written down is told about, never raised."""
        if record.levelno >= logging.ERROR:
            self.errors += 1
        if not self._number:
            return
        self._warned = self._warned or record.name == _WARNINGS
        try:
            message = record.getMessage()
        except Exception as error:  # whatever a caller's own __str__ raises
            message = f"{record.msg!r} (its arguments do not fit: {error})"
        try:
            fields = _fields(record)
        except Exception as error:  # as above
            fields = {"fields": f"(cannot be written down: {type(error).__name__})"}
        self.say(int(record.created * 1_000_000), record.levelno, record.name, message, fields)

    def say(self, at_us: int, level: int, logger: str, message: str, fields: dict[str, Any] | None) -> None:
        """Write one entry of the run at hand; its fields travel as JSON text, as they are stored."""
        if self._number:
            text = None if fields is None else _encode(fields)
            if text is not None and len(text) > _FIELDS_SIZE_LIMIT:
                text = _encode({"fields": f"(not kept: {len(text):,} characters of JSON)"})
            self._recorder.say(
                LOG, self._number, at_us, level, clean(str(logger), _NAME_LIMIT), clean(message, LINE_LIMIT), text
            )

    def say_printed(self, level: int, stream: str, line: str) -> None:
        """Write one printed line, unless a handler of the host printed a record that was captured already."""
        if not self._is_handling():
            self.say(time.time_ns() // 1000, level, stream, line, None)

    def _is_handling(self) -> bool:
        return getattr(self._inside, "handling", False)

    def _new_streams(self) -> tuple[Printed, Printed]:
        return (
            Printed("stdout", sys.stdout, lambda line: self.say_printed(logging.INFO, "stdout", line)),
            Printed("stderr", sys.stderr, lambda line: self.say_printed(logging.WARNING, "stderr", line)),
        )

    def _install(self) -> None:
        hand_on = logging.Logger.callHandlers
        inside, take, host_level = self._inside, self.record, self._host_level

        def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            outermost = not getattr(inside, "handling", False)
            if outermost:
                take(record)
            if record.levelno < host_level and _takes_level_from_root(logger):
                return
            inside.handling = True
            try:
                hand_on(logger, record)
            finally:
                inside.handling = not outermost

        # No handler sees every logger's records: one that does not propagate keeps them from the root.
        logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign, assignment]  # a function as a method


def _takes_level_from_root(logger: logging.Logger) -> bool:
    above: logging.Logger | None = logger
    while above is not None and above.parent is not None:
        if above.level:
            return False
        above = above.parent
    return True


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = {"module": record.module, "function": record.funcName, "line": record.lineno}
    if record.exc_info and record.exc_info[1] is not None:
        fields["traceback"] = clean("".join(traceback.format_exception(record.exc_info[1])))
    if record.stack_info:
        fields["stack"] = clean(record.stack_info)
    for name in record.__dict__.keys() - _STANDARD:
        if len(fields) < _FIELDS_LIMIT:
            fields[clean(str(name), _NAME_LIMIT)] = _plain(record.__dict__[name])
    return fields


def _plain(value: Any) -> Any:
    try:
        value = to_json_value(value)
    except NotJson:
        value = repr(value)
    return clean(value, LINE_LIMIT) if isinstance(value, str) else value
