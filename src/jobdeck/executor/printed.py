"""What stands for sys.stdout and sys.stderr while a run executes: each line printed is an entry of its log."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from ..core.text import LINE_LIMIT


class Printed(io.TextIOWrapper):
    """A text stream whose lines go to `say`. `buffer` takes bytes as a real one does, `fileno` is the real one's."""

    def __init__(self, name: str, real: Any, say: Callable[[str], None]) -> None:
        self._lines = _Lines(name, real, say)
        super().__init__(self._lines, encoding="utf-8", errors="backslashreplace", newline="\n", write_through=True)

    def end_line(self) -> None:
        """Tell what was printed without a newline."""
        self._lines.end_line()


class _Lines(io.BufferedIOBase):
    """Bytes in, lines out."""

    def __init__(self, name: str, real: Any, say: Callable[[str], None]) -> None:
        self.name = f"<{name}>"
        self._real = real
        self._say = say
        self._rest = b""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        number: int = self._real.fileno()
        return number

    def write(self, data: Any) -> int:
        data = bytes(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._tell(line)
        if len(self._rest) > LINE_LIMIT:
            self.end_line()
        return len(data)

    def end_line(self) -> None:
        if self._rest:
            rest, self._rest = self._rest, b""
            self._tell(rest)

    def _tell(self, line: bytes) -> None:
        text = line.decode("utf-8", "backslashreplace").rstrip("\r")
        if text and not text.isspace():
            self._say(text)
