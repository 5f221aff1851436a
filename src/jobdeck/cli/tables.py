"""Tables and sheets for people, by rich: fitted to a terminal, whole and without colour anywhere else.

Neighbours: the commands say which columns; `screen` makes foreign text safe; `moments` writes times.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..core.filters import Listing
from ..core.queue import Pause
from . import moments, screen

# Wide enough for any row: what is piped is never wrapped or cut.
_PIPED_WIDTH = 100_000

_STATUSES = {
    "WAITING": ("◷", "cyan"),
    "QUEUED": ("○", "cyan"),
    "RUNNING": ("▶", "blue"),
    "CANCELLING": ("◌", "magenta"),
    "SUCCESS": ("✔", "green"),
    "PARTIAL_SUCCESS": ("◐", "yellow"),
    "WARNING": ("▲", "yellow"),
    "FAILED": ("✘", "red"),
    "CANCELLED": ("■", "magenta"),
}
_LEVELS = {"DEBUG": "dim", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}


@dataclass(frozen=True, slots=True)
class Column:
    """A heading; `whole` cells are never wrapped, `right` ones are numbers."""

    heading: str
    whole: bool = False
    right: bool = False


def is_terminal() -> bool:
    """Whether a person reads stdout."""
    return sys.stdout.isatty()


def table(columns: Sequence[Column], rows: Iterable[Sequence[Text | object]], nothing: str) -> None:
    """Print rows under headings, or the sentence `nothing`."""
    made = Table(box=SIMPLE_HEAD if is_terminal() else None, pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        made.add_column(
            column.heading,
            no_wrap=column.whole or not is_terminal(),
            justify="right" if column.right else "left",
            overflow="fold",
        )
    for row in rows:
        made.add_row(*(_cell(value, screen.line) for value in row))
    if not made.rows:
        screen.say(nothing)
        return
    _print(made)


def sheet(rows: Iterable[tuple[str, Text | object]]) -> None:
    """Print names and values, one below the other; what is None is left out."""
    made = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    made.add_column(no_wrap=True, style="bold")
    made.add_column(overflow="fold", no_wrap=not is_terminal())
    for name, value in rows:
        if value is not None:
            made.add_row(Text(name), _cell(value, screen.block))
    _print(made)


def heading(text: str) -> None:
    """Print a heading with a free line above."""
    _print(Text(f"\n{text}", style="bold"))


def log_line(text: str, level: str) -> None:
    """Print one entry of a log, coloured by its level; long lines are the terminal's to wrap."""
    if is_terminal():
        console(True).print(Text(text, style=_LEVELS.get(level, "")), soft_wrap=True)
    else:
        screen.say(text)


def status(shown: str) -> Text:
    """A status with its symbol and colour."""
    symbol, style = _STATUSES.get(shown, ("", ""))
    fits = not console(is_terminal()).options.ascii_only
    return Text(f"{symbol} {shown}" if fits and symbol else shown, style=style)


def when(at: datetime | None) -> str | None:
    """A time in a table: how long ago for a person, the instant itself in a file."""
    return moments.relative(at) if is_terminal() else moments.absolute(at)


def paused(pause: Pause | None) -> str | None:
    """Who paused something and why; None while it is not paused."""
    if pause is None:
        return None
    return f"{when(pause.at)} by {pause.by}" + (f": {pause.reason}" if pause.reason else "")


def more(listing: Listing[Any]) -> None:
    """Say that there are more than were printed, and how to see them."""
    page = listing.page
    if listing.has_more:
        total = f"{listing.total:,}" if listing.total_is_exact else f"more than {listing.total:,}"
        screen.say(f"\n{len(listing.items)} of {total}; --page {page.number + 1} shows the next.")


@cache
def console(terminal: bool) -> Console:
    """Where everything is printed; nothing in a text is taken for markup or an emoji."""
    return Console(markup=False, highlight=False, emoji=False, width=None if terminal else _PIPED_WIDTH)


def _print(what: Table | Text) -> None:
    wide = console(is_terminal())
    if is_terminal():
        wide.print(what)
        return
    with wide.capture() as captured:
        wide.print(what)
    # Rich fills the last column with spaces, which nobody wants in a file.
    for text in captured.get().splitlines():
        screen.say(text.rstrip())


def _cell(value: Text | object, write: Callable[[object], str]) -> Text:
    if isinstance(value, Text):
        return value
    return Text("–" if value is None else write(value))
