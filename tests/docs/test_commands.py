"""Every command line of jobdeck in the documents is one that its command line takes."""

from __future__ import annotations

import re
import shlex
from itertools import takewhile
from pathlib import Path

import click
import pytest

from jobdeck.cli.commands import PROGRAM, program

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "docs" / "reference"
DOCUMENTS = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md"))
    if path.parent != GENERATED
)
_BLOCK = re.compile(r"^```console[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_IN_TEXT = re.compile(rf"`({PROGRAM} [^`]+)`")
_OPERATORS = re.compile(r"[;&|<>()]+")


def lines(text: str) -> list[str]:
    """The command lines of jobdeck, in blocks of the console and in the text around them."""
    typed = re.findall(r"^\$ (.*)$", "".join(_BLOCK.findall(text)).replace("\\\n", " "), re.MULTILINE)
    return [line for line in typed if line.startswith(f"{PROGRAM} ")] + _IN_TEXT.findall(text)


def understand(line: str) -> None:
    """UsageError when there is no such command, no such option, or one too many words. Values are not looked at: they are those
    of some site.
    """
    found = shlex.shlex(line, posix=True, punctuation_chars=True)
    found.whitespace_split = True
    _, *words = takewhile(lambda word: not _OPERATORS.fullmatch(word), found)
    command: click.Command = program
    context = click.Context(program, info_name=PROGRAM)
    while True:
        _, words, _ = command.make_parser(context).parse_args(words)
        if not isinstance(command, click.Group) or not words:
            break
        name, next_command, words = command.resolve_command(context, words)
        assert next_command is not None, "an unknown one has raised"
        command, context = next_command, click.Context(next_command, info_name=name, parent=context)
    if words:
        raise click.UsageError(f"one too many: {words[0]}", context)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_the_documents_are_there(document: Path) -> None:
    mistakes = []
    for line in lines(document.read_text()):
        try:
            understand(line)
        except click.UsageError as error:
            mistakes.append(f"{line}: {error.format_message()}")
    assert mistakes == []


def test_the_documents_have_commands() -> None:
    assert sum(len(lines(document.read_text())) for document in DOCUMENTS) > 50


@pytest.mark.parametrize(
    "line",
    [
        "jobdeck runs start lift_embargoes",
        "jobdeck wrok",
        "jobdeck worker --procesess 4",
        "jobdeck web --port",
        "jobdeck runs stop RUN RUN",
        "jobdeck --ap my_site:app up",
    ],
)
def test_a_mistake_is_found(line: str) -> None:
    with pytest.raises(click.UsageError):
        understand(line)
