"""Writes `docs/reference/` from the code: settings, commands, REST routes, Python names, statuses, and what engines can do,
from the verdicts of their conformance suite.

`make docs` runs it; a test says when a page is out of date.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import click

import jobdeck
from jobdeck import Deck, LastSuccess
from jobdeck.cli.commands import program
from jobdeck.config import described
from jobdeck.core.lifecycle import TABLE, TRANSITIONS
from jobdeck.core.run import Reason, Status, Trigger
from jobdeck.definitions import last_success
from jobdeck.testing import conformance
from jobdeck.web.application import create_app

REFERENCE = Path(__file__).resolve().parent / "reference"
VERDICTS = Path(__file__).resolve().parent / "engines.json"
_GENERATED = "*Made from the code by `make docs`.*"


def pages() -> dict[str, str]:
    """Every page by its file name."""
    made = {
        "settings.md": ("Settings", settings()),
        "commands.md": ("Commands", commands()),
        "rest.md": ("REST API", rest()),
        "python.md": ("Python names", python_names()),
        "statuses.md": ("Statuses", statuses()),
        "engines.md": ("Engines", engines()),
    }
    found = {
        name: "\n".join([f"# {title}", "", _GENERATED, "", *lines]).rstrip() + "\n"
        for name, (title, lines) in made.items()
    }
    contents = ["# Reference", "", _GENERATED, "", *(f"- [{title}]({name})" for name, (title, _) in made.items())]
    return {"README.md": "\n".join(contents) + "\n", **found}


def settings() -> Iterator[str]:
    """A table of all settings."""
    yield "An argument of `Deck(…)` (`processes=4`) comes first, then `app.config`, then the environment."
    yield ""
    yield "| setting | default | what it is for |"
    yield "|---|---|---|"
    for name, default, about in described():
        yield f"| `{name}` | {f'`{default}`' if default and default != 'none' else '–'} | {about} |"


def commands() -> Iterator[str]:
    """Usage, help and options of every command."""
    yield "`--json` prints the shapes of the REST API. Exit codes: 0 done, 1 refused or failed, 2 wrong usage."
    yield ""
    yield from _command(program, click.Context(program, info_name="jobdeck"))


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    if command.hidden:
        return
    pieces = [piece for piece in command.collect_usage_pieces(context) if piece]
    yield f"## `{' '.join([context.command_path, *pieces])}`"
    yield ""
    yield from (inspect.cleandoc(command.help or "").replace("\b\n", "").splitlines())
    yield ""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[0] != "--help":
            yield f"- `{record[0]}`: {' '.join(record[1].split())}"
    yield ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from _command(found, click.Context(found, info_name=name, parent=context))


def rest() -> Iterator[str]:
    """A table of all routes of the API."""
    yield "Send `Authorization: Bearer TOKEN`. Bodies are JSON objects of at most 1 MiB; an unknown field is refused by name."
    yield 'Errors: `{"status", "message", "errors": [{"field", "messages"}]}`. Lists:'
    yield '`{"hits": {"hits": […], "total"}, "sortBy", "page", "links"}`, with `page`, `size` (at most 100) and `before`.'
    yield ""
    yield "| method | path | does |"
    yield "|---|---|---|"
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Deck(home=folder))
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, sorted(rule.methods or ()))):
            if rule.endpoint.startswith("jobdeck_api."):
                about = _first_line(app.view_functions[rule.endpoint])
                for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                    yield f"| {method} | `{rule.rule}` | {about} |"


def python_names() -> Iterator[str]:
    """The public names with their signatures and docstrings."""
    for name in sorted(jobdeck.__all__, key=str.lower):
        yield from _documented(name, getattr(jobdeck, name))


def _documented(name: str, thing: Any) -> Iterator[str]:
    """What is ours to say; a type alias or an enumeration would speak in the words of this Python's own library."""
    if thing is LastSuccess:
        yield from ("## `LastSuccess`", "", inspect.getdoc(last_success) or "", "")
        return
    is_enumeration = inspect.isclass(thing) and issubclass(thing, Enum)
    yield f"## `{name}{'' if is_enumeration else _signature(thing)}`"
    yield ""
    yield inspect.getdoc(thing) or ""
    yield ""
    kind = thing if inspect.isclass(thing) else type(thing) if name == "current_run" else None
    if kind is None or issubclass(kind, BaseException) or kind.__module__.startswith(("enum", "marshmallow")):
        return
    for member, value in vars(kind).items():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if (
            member.startswith("_")
            or not callable(function)
            or not inspect.getdoc(function)
            or inspect.isclass(function)
        ):
            continue
        call = "" if isinstance(value, property) else _signature(function)
        yield f"- **`{member}{call}`** {' '.join((inspect.getdoc(function) or '').split())}"
    yield ""


def _signature(thing: Any) -> str:
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    parameters = [one for one in found.parameters.values() if one.name not in ("self", "cls")]
    text = str(found.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
    return re.sub(r": '([^']*)'", r": \1", text.replace("jobdeck.", "")) if len(text) < 400 else "(…)"


def statuses() -> Iterator[str]:
    """The transitions as a diagram, and the words."""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield "    [*] --> QUEUED"
    for old, new in sorted(TRANSITIONS):
        names = ", ".join(row.name for row in TABLE if row.old is old and new in row.new)
        yield f"    {old} --> {new}: {names}"
    yield "```"
    yield ""
    yield "Two more are shown and never stored: WAITING is QUEUED while something keeps the run from its turn, CANCELLING is RUNNING"
    yield "with a stop requested."
    yield ""
    yield "| transition | from | to | by | only while |"
    yield "|---|---|---|---|---|"
    for row in TABLE:
        reached = ", ".join(row.new) if len(row.new) < len(Status) - 2 else "any final status"
        yield f"| {row.name} | {row.old or '–'} | {reached} | {row.actor} | {row.guard} |"
    yield ""
    yield f"- **Statuses**: {', '.join(f'`{one}`' for one in Status)}"
    yield f"- **Reasons** of FAILED and CANCELLED: {', '.join(f'`{one}`' for one in Reason)}"
    yield f"- **Triggers**: {', '.join(f'`{one}`' for one in Trigger)}"


def engines() -> Iterator[str]:
    """The matrix of what each engine can do, and how an engine of somebody else is proven."""
    verdicts: dict[str, dict[str, str]] = json.loads(VERDICTS.read_text())
    reasons = list(
        dict.fromkeys(told for column in verdicts.values() for told in column.values() if told != conformance.YES)
    )
    yield "What each engine did when the conformance suite was run on it, with real servers, workers and kills. Unless it says"
    yield "otherwise, runs execute in child processes (`JOBDECK_ISOLATION=process`); *in process* is `none`."
    yield ""
    yield f"| | {' | '.join(verdicts)} |"
    yield f"|---|{':-:|' * len(verdicts)}"
    for capability, about in conformance.ABOUT.items():
        cells = [_cell(column[capability], reasons) for column in verdicts.values()]
        yield f"| **{capability}**: {about} | {' | '.join(cells)} |"
    yield ""
    for number, told in enumerate(reasons, 1):
        yield f"{number}. {told.removeprefix('no: ')}"
    yield ""
    yield "## Proving an engine of your own: `jobdeck.testing.conformance`"
    yield ""
    yield inspect.getdoc(conformance) or ""
    yield ""
    yield from _documented("Stack", conformance.Stack)


def _cell(verdict: str, reasons: list[str]) -> str:
    return "yes" if verdict == conformance.YES else f"no ({reasons.index(verdict) + 1})"


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def main(arguments: list[str]) -> int:
    """Write all pages; with `--check`, only name those that are out of date, and return 1 when there are any."""
    made = pages()
    if "--check" in arguments:
        found = {path.name: path.read_text() for path in REFERENCE.iterdir()}
        stale = sorted(name for name in made.keys() | found.keys() if made.get(name) != found.get(name))
        sys.stdout.writelines(f"{name}\n" for name in stale)
        return int(bool(stale))
    REFERENCE.mkdir(exist_ok=True)
    for name, text in made.items():
        (REFERENCE / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
