"""Writes `docs/reference/` from the code: settings, commands, REST routes, Python names, the services of a deck, statuses, and
what engines can do, from the verdicts of their conformance suite.

`make docs` runs it; a test says when a page is out of date.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import sys
import tempfile
import textwrap
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import click

import jobdeck
from jobdeck import Deck, LastSuccess
from jobdeck.cli.commands import program
from jobdeck.config import described
from jobdeck.contracts import Engine
from jobdeck.core.lifecycle import TABLE, TRANSITIONS
from jobdeck.core.ring import Ring
from jobdeck.core.run import Reason, Status, Trigger
from jobdeck.definitions import last_success
from jobdeck.definitions.discovery import ENGINES
from jobdeck.engines import within
from jobdeck.engines.beside import Beside
from jobdeck.services.office import Service
from jobdeck.testing import conformance
from jobdeck.web.application import create_app

REFERENCE = Path(__file__).resolve().parent / "reference"
VERDICTS = Path(__file__).resolve().parent / "engines.json"
_GENERATED = "*Made from the code by `make docs`.*"
_TOO_LONG = "(…)"


def pages() -> dict[str, str]:
    """Every page by its file name."""
    made = {
        "settings.md": ("Settings", settings()),
        "commands.md": ("Commands", commands()),
        "rest.md": ("REST API", rest()),
        "python.md": ("Python names", python_names()),
        "services.md": ("Services of a deck", services()),
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
    yield "An argument of `Deck(…)` (`processes=4`) comes first, then `app.config`, then the environment. A span of time is a number of"
    yield "seconds, or a number with a unit: `500ms`, `90s`, `15m`, `1h`, `2d`, `1w`."
    yield ""
    yield "| setting | default | what it is for |"
    yield "|---|---|---|"
    for name, default, about in described():
        yield f"| `{name}` | {f'`{default}`' if default and default != 'none' else '–'} | {about} |"
    yield ""
    yield "These are no settings; in the environment, they stand for options of [commands](commands.md). Workers of Celery and RQ know the"
    yield "application from `JOBDECK_APP`, too."
    yield ""
    named = {
        one.envvar: one for command in _all_commands(program) for one in command.params if isinstance(one.envvar, str)
    }
    for variable, parameter in named.items():
        yield f"- `{variable}`: `{parameter.opts[0]}`"


def _all_commands(command: click.Command) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, "it is one of those listed"
            yield from _all_commands(found)


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
        if record is not None and record[1] and "--help" not in record[0]:
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
    yield "What `deck.jobs`, `deck.runs` and the like offer stands under [Services of a deck](services.md)."
    yield ""
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
    if dataclasses.is_dataclass(thing) and _signature(thing) == _TOO_LONG:
        yield from (f"Its fields: {_fields(thing)}", "")
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
        yield from _entry(f"{member}{'' if isinstance(value, property) else _signature(function)}", function)
    yield ""


def _entry(head: str, thing: Any) -> Iterator[str]:
    """An item of a list with what a docstring says; one that has a list of its own keeps its lines."""
    told = inspect.getdoc(thing) or ""
    if "\n- " in told:
        yield textwrap.indent(f"- **`{head}`** {told}", "  ").removeprefix("  ")
    else:
        yield f"- **`{head}`** {' '.join(told.split())}"


def _signature(thing: Any, *, is_whole: bool = False) -> str:
    """What it is called with; `is_whole`: however long that is, and what it gives."""
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    parameters = [one for one in found.parameters.values() if one.name not in ("self", "cls")]
    gives = found.return_annotation if is_whole else inspect.Signature.empty
    text = str(found.replace(parameters=parameters, return_annotation=gives))
    text = re.sub(r"<([\w.]+): [^>]*>", r"\1", text.replace("jobdeck.", ""))
    return re.sub(r"(:|->) '([^']*)'", r"\1 \2", text) if is_whole or len(text) < 400 else _TOO_LONG


def services() -> Iterator[str]:
    """The methods of every service of a deck, and the values that they take and give."""
    yield "On the deck itself, these act as the system. `deck.acting_as(principal)` has the same for somebody: what that one may not"
    yield "do raises `NotAllowed`, and is audited. An unknown id raises `NotFound`, a value that does not fit `InvalidInput`."
    values: dict[type, None] = {}
    for name, member in vars(Deck).items():
        kind = typing.get_type_hints(member.fget)["return"] if isinstance(member, property) else None
        if kind is None or not issubclass(kind, Service):
            continue
        yield from ("", f"## `deck.{name}`", "", inspect.getdoc(kind) or "", "")
        for function in _methods(kind):
            yield from _entry(f"{function.__name__}{_signature(function, is_whole=True)}", function)
            for hint in typing.get_type_hints(function).values():
                _collect(hint, values)
    yield from ("", "## Values", "")
    known = [getattr(jobdeck, name) for name in jobdeck.__all__]
    for value in sorted((one for one in values if one not in known), key=lambda one: one.__name__):
        yield from _entry(value.__name__, value)
        yield from ("", f"  {_fields(value)}", "")


def _fields(value: Any) -> str:
    return ", ".join(f"`{field.name}: {field.type}`" for field in dataclasses.fields(value))


def _methods(kind: type) -> Iterator[Callable[..., Any]]:
    """The public ones, in the order of the code, those of the class itself first."""
    for part in kind.__mro__:
        for name, value in vars(part).items():
            if inspect.isfunction(value) and not name.startswith("_"):
                yield value


def _collect(hint: Any, found: dict[type, None]) -> None:
    """Add the dataclasses of jobdeck in a type, and those in their fields."""
    origin = typing.get_origin(hint) or hint
    for part in typing.get_args(hint):
        _collect(part, found)
    if inspect.isclass(origin) and dataclasses.is_dataclass(origin) and origin not in found:
        found[origin] = None
        for inner in typing.get_type_hints(origin).values():
            _collect(inner, found)


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
    yield from _own_engine()
    yield "## Proving an engine of your own: `jobdeck.testing.conformance`"
    yield ""
    yield inspect.getdoc(conformance) or ""
    yield ""
    yield from _documented("Stack", conformance.Stack)


def _own_engine() -> Iterator[str]:
    yield "## An engine of your own"
    yield ""
    yield f"A package offers it by its name in the entry point group `{ENGINES}`; then `JOBDECK_ENGINES` may name it."
    yield ""
    yield "```toml"
    yield f'[project.entry-points."{ENGINES}"]'
    yield 'pigeons = "pigeons.engine:PigeonEngine"'
    yield "```"
    yield ""
    yield "`PigeonEngine(deck)` has what `jobdeck.contracts.Engine` says:"
    yield ""
    yield inspect.getdoc(Engine) or ""
    yield ""
    for name, kind, told in _attributes(Engine):
        yield f"- **`{name}: {kind}`** {told}".rstrip()
    for function in _methods(Engine):
        yield from _entry(f"{function.__name__}{_signature(function, is_whole=True)}", function)
    yield ""
    yield f"A message carries `ring.as_data()` of a `jobdeck.core.ring.Ring`: {inspect.getdoc(Ring)}"
    yield f"What gets the message calls `serve(Ring.of_data(data))` of `jobdeck.engines.within.server{_signature(within.server)}`, made once"
    yield "in each worker process:"
    yield ""
    yield from _entry("server", within.server)
    yield from _entry("serve", Beside.serve)
    yield from _entry("end", Beside.end)
    yield ""


def _attributes(kind: type) -> Iterator[tuple[str, str, str]]:
    """Name, type and docstring of what a class declares; docstrings of attributes are in its source alone."""
    (declared,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(declared, ast.ClassDef), "it is the source of a class"
    for one, following in zip(declared.body, [*declared.body[1:], None], strict=True):
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            told = following.value if isinstance(following, ast.Expr) else None
            text = " ".join(str(told.value).split()) if isinstance(told, ast.Constant) else ""
            yield one.target.id, ast.unparse(one.annotation), text


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
