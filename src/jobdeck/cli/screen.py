"""Printing: text that data cannot turn into terminal commands, JSON, and one line on stderr.

Everything that stands in a run, a log line or a file name is foreign: it is shown with control, format and
direction characters escaped, and never read as markup.
"""

from __future__ import annotations

import io
import json
import re
import sys
import unicodedata
from typing import Any

import click

from ..core.text import one_line
from ..errors import InvalidInput

_JOINERS = "\u200c\u200d"
_COMPLAINT_LIMIT = 2000


def prepare_streams() -> None:
    """Characters that the terminal's encoding lacks are written as escapes, not refused."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def safe(text: object, keep: str = "") -> str:
    """`text` with everything that is not plainly printable escaped, but for the characters in `keep`."""
    text = str(text)
    return text if text.isprintable() else "".join(_shown(c, keep) for c in text)


def line(text: object) -> str:
    """`text` on one line, safe to print."""
    return safe(" ".join(str(text).split()))


def block(text: object, indent: str = "") -> str:
    """`text` with its line ends kept, later lines indented: no line of it can pass for one of ours."""
    return f"\n{indent}".join(safe(part, "\t") for part in re.split(r"\r\n|\n", str(text)))


def say(text: str = "") -> None:
    """One line on stdout. The text has been made safe already."""
    click.echo(text)


def complain(text: str) -> None:
    """One line on stderr."""
    click.echo(f"jobdeck: {safe(one_line(text, _COMPLAINT_LIMIT))}", err=True)


def told(error: Exception) -> str:
    """What an error says; each wrong field with what is wrong about it."""
    if isinstance(error, InvalidInput) and error.errors:
        fields = [f"{wrong.field}: {' '.join(wrong.messages)}" for wrong in error.errors]
        return "; ".join([*(text.rstrip(".") for text in fields[:-1]), fields[-1]])
    return str(error)


def write_json(value: Any) -> None:
    """`value` as JSON over several lines."""
    say(json_text(value, indent=2))


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON in which whatever a terminal could obey is escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return "".join(c if c == "\n" or c.isprintable() else _json_escape(c) for c in text)


def _shown(character: str, keep: str) -> str:
    if character.isprintable() or character in keep or character in _JOINERS:
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode()


def _json_escape(character: str) -> str:
    return json.dumps(character)[1:-1] if not character.isascii() else f"\\u{ord(character):04x}"
