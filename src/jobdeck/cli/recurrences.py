"""When something recurs, as it is typed: `--cron`, `--every`, `--at` and what goes with them, for the service to check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import click

from ..core.times import parse_span
from ..errors import FieldError, InvalidInput

Command = TypeVar("Command", bound=Callable[..., Any])

_KINDS = ("cron", "every", "at")
_UNITS = (("weeks", timedelta(weeks=1)), ("days", timedelta(days=1)), ("hours", timedelta(hours=1)),
          ("minutes", timedelta(minutes=1)), ("seconds", timedelta(seconds=1)),
          ("milliseconds", timedelta(milliseconds=1)), ("microseconds", timedelta(microseconds=1)))  # fmt: skip
_OPTIONS = {"time_zone": "--tz", "starts_at": "--from", "ends_at": "--until", "max_count": "--count", "jitter": "--jitter",
            "misfire": "--misfire", "misfire_window": "--misfire-window", "overlap": "--overlap", "after": "--after", "count": "-n",
            "from": "--from", "to": "--to", "limit": "--limit"}  # fmt: skip


def recurrence_options(command: Command) -> Command:
    """Adds `--cron`, `--every`, `--at` and `--tz`; `recurrence_of` makes one thing of the first three."""
    options: list[Callable[[Command], Command]] = [
        click.option("--cron", metavar="EXPR", help='"0 2 * * *", @daily; six fields begin with seconds.'),
        click.option("--every", metavar="SPAN", callback=_span, help="15m, 1d, 90s: in real time, whatever the clocks do."),
        click.option("--at", metavar="TIME", help="Once: 2027-01-31T02:00:00 by the clock of the time zone, or with an "
                     "offset."),
        click.option("--tz", "time_zone", metavar="ZONE", help="A time zone such as Europe/Berlin; else that of the "
                     "settings."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def recurrence_of(given: Mapping[str, Any], *, required: bool = True) -> dict[str, Any] | None:
    """The recurrence in its wire form, from the options of `recurrence_options`; None when none of them is given."""
    named = [name for name in _KINDS if given.get(name) is not None]
    if len(named) > 1 or (required and not named):
        raise click.UsageError('Give one of --cron "0 2 * * *", --every 15m and --at 2027-01-31T02:00:00.')
    if not named:
        return None
    value = given[named[0]]
    if named[0] == "cron":
        return {"type": "cron", "expression": value}
    return {"type": "once", "at": value} if named[0] == "at" else {"type": "interval", **value}


@contextmanager
def naming_options(given: Mapping[str, Any]) -> Iterator[None]:
    """Has a refused field called as the option that gave it."""
    kind = next((f"--{name}" for name in _KINDS if given.get(name) is not None), "--cron")
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(
            FieldError(field=kind if wrong.field.startswith("recurrence") else _OPTIONS.get(wrong.field, wrong.field),
                       messages=wrong.messages)
            for wrong in error.errors
        ) from None  # fmt: skip


def _span(context: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, int] | None:
    """An interval in the largest unit that fits."""
    if value is None:
        return None
    try:
        span = parse_span(value)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is no span; write for example 15m, 1d or 90s.", context, parameter
        ) from None
    unit, size = next(((unit, size) for unit, size in _UNITS if not span % size), _UNITS[-1])
    return {unit if span else "seconds": span // size}
