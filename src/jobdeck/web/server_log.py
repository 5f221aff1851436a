"""The web server's own log: one line an event, which no request can forge."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..core.text import clean

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger("jobdeck.web.access")


class LineFormatter(logging.Formatter):
    """UTC time, level, logger, message. Line ends in a message are escaped, a traceback is indented."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name in `logging`
        """The line, whatever stands in the message."""
        return _escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the name in `logging`
        """The traceback, indented."""
        lines = super().formatException(ei).splitlines()
        return "\n".join(f"    {clean(line)}" for line in lines)


def log_to_stderr() -> None:
    """Write log lines from INFO on to stderr in this form, unless logging is set up already."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class AccessLog:
    """WSGI middleware: one INFO line a request, when its answer is complete. The query string is left out."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request and log it."""
        began = time.monotonic()
        seen: dict[str, str] = {"status": "-"}

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            seen["status"] = status[:3]
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        def finish() -> None:
            path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
            took_ms = (time.monotonic() - began) * 1000
            logger.info(
                "%s %s %s %s %.0f ms",
                environ.get("REMOTE_ADDR", "-"),
                environ.get("REQUEST_METHOD", "-"),
                _escaped(path),
                seen["status"],
                took_ms,
            )

        return _Finishing(self._application(environ, start), finish)


class _Finishing:
    """An answer's body that says when it is over."""

    def __init__(self, body: Iterable[bytes], finish: Callable[[], None]) -> None:
        self._body = body
        self._finish = finish

    def __iter__(self) -> Any:
        return iter(self._body)

    def close(self) -> None:
        """End of the answer, complete or not."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._finish()


def _escaped(text: str) -> str:
    # WSGI paths are bytes shown as Latin-1, in which 0x85 (and more) end a line for some readers.
    text = clean(text).replace("\n", "\\n").replace("\t", "\\t")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
