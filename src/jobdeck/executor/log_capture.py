"""Everything a run logs, prints or warns about becomes an entry of its log. Where it is heard is `executor.ears`."""

from __future__ import annotations

import logging
import sys
import time
import traceback
import warnings
from json import JSONEncoder
from typing import Any, Protocol

from ..core.json_values import NotJson, to_json_value
from ..core.text import LINE_LIMIT, clean
from .printed import Printed
from .recorder import LOG, Says

_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}
_FIELDS_LIMIT = 16
_FIELDS_SIZE_LIMIT = 96 * 1024
_NAME_LIMIT = 200
_WARNINGS = "py.warnings"
_PRINTED_LEVELS = (logging.INFO, logging.WARNING)

_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Ears(Protocol):
    """What hears for a capture while a run executes."""

    def open(self, capture: LogCapture) -> None:
        """Give it all that the run logs from here to `shut`, and what it prints where it asks for output."""
        ...

    def shut(self, capture: LogCapture) -> None:
        """The run is over."""
        ...

    def is_handling(self) -> bool:
        """Whether a handler of the host is at work on a record that was heard already."""
        ...


class LogCapture:
    """Captures for one run at a time; `errors` counts the records of level ERROR and above."""

    def __init__(self, recorder: Says, ears: Ears) -> None:
        self._recorder = recorder
        self._ears = ears
        self._number = 0
        self.errors = 0
        self.output = False
        self._streams: list[Printed] = []
        self._warned = False

    def begin(self, number: int, *, output: bool) -> None:
        """Capture for run `number` from here to `end`; with `output` also what it prints."""
        self._number, self.errors, self.output = number, 0, output
        if self._warned:
            self._warned = False
            # Forgets which warnings were shown, so that each run shows its own.
            warnings.simplefilter("default", append=True)
        self._ears.open(self)

    def end(self) -> None:
        """Capture no more, until the next run begins."""
        self._ears.shut(self)
        for stream in self._streams:
            stream.end_line()
        self._number = 0

    def streams(self) -> list[Printed]:
        """What takes the place of sys.stdout and sys.stderr."""
        if not self._streams or any(stream.closed for stream in self._streams):
            self._streams = [self._new_stream(*of) for of in zip(_PRINTED_LEVELS, ("stdout", "stderr"), strict=True)]
        return self._streams

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
        if not self._ears.is_handling():
            self.say(time.time_ns() // 1000, level, stream, line, None)

    def _new_stream(self, level: int, name: str) -> Printed:
        return Printed(name, getattr(sys, f"__{name}__"), lambda line: self.say_printed(level, name, line))


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
