"""The way in and the way out: what is loaded, exit codes, one line on stderr, pipes and signals."""

from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from jobdeck import Deck
from jobdeck.cli.commands import COMMANDS, program

Spawn = Callable[..., Any]
HEAVY = {"sqlalchemy", "alembic", "flask", "werkzeug", "pydantic", "marshmallow", "waitress"}
WITHOUT_LOADING = f"""
import sys
from jobdeck.cli import main
code = main(sys.argv[1:])
print("LOADED", sorted({HEAVY!r} & sys.modules.keys()), code, file=sys.stderr)
"""


def commands() -> list[list[str]]:
    """Every command and every command below it."""
    found: list[list[str]] = [[]]
    for name, (module, attribute, _) in COMMANDS.items():
        command = getattr(importlib.import_module(f"jobdeck.cli.{module}"), attribute)
        found += [[name], *([name, below] for below in getattr(command, "commands", ()))]
    return found


def test_no_help_loads_the_database_or_the_web() -> None:
    for words in commands():
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_LOADING, *words, "--help"], capture_output=True, text=True, check=True
        )
        assert done.stderr == "LOADED [] 0\n", words
        assert done.stdout.startswith("Usage: ")


def test_the_table_of_commands_says_what_the_commands_say() -> None:
    context = click.Context(program)
    for name, (_, _, sentence) in COMMANDS.items():
        command = program.get_command(context, name)
        assert command is not None and command.name == name
        assert (command.help or "").startswith(sentence)


def test_help_names_every_command(cli: Any) -> None:
    answer = cli("--help")
    assert answer.code == 0
    listed = answer.out.partition("Commands:\n")[2]
    assert re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("words", [[], ["jobs"], ["runs"]])
def test_a_group_alone_shows_its_help(cli: Any, words: list[str]) -> None:
    answer = cli(*words)
    assert answer.code == 2
    assert answer.err.startswith("Usage: ") and "Traceback" not in answer.err


def test_the_version(cli: Any) -> None:
    assert re.fullmatch(r"jobdeck \d+\.\d+\S*\n", cli("--version").out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope"], "No such command 'nope'"),
        (["jobs", "list", "--nope"], "No such option '--nope'"),
        (["runs", "show"], "Missing argument 'RUN'"),
        (["runs", "show", "12"], "'12' is no id of a run"),
        (["jobs", "create", "--type", "greet"], "Missing option '--title'"),
        (["runs", "list", "--status", "odd"], "'odd' is not one of"),
        (["types", "run", "greet", "--arg", "name"], "'name' is not of the form NAME=VALUE"),
        (["types", "run", "greet", "--arg", "name=a", "--arg", "name=b"], "'name' is given twice"),
        (["types", "run", "greet", "--arguments", "[1]"], "Give an object of arguments by name"),
        (["types", "run", "greet", "--arguments", "@/etc/passwd"], "This is not valid JSON"),
        (["tokens", "create", "--name", "x", "--days", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(ready: Any, words: list[str], said: str) -> None:
    answer = ready(*words)
    assert answer.code == 2
    assert said.replace("option '--nope'", "option") in answer.complaint
    assert answer.complaint.endswith("--help` tells more)")


@pytest.mark.parametrize("words", [["jobs", "list"], ["runs", "list"], ["workers", "list"], ["web"],
                                   ["tokens", "create", "--name", "x"]])  # fmt: skip
def test_missing_tables_are_said_in_one_line(cli: Any, words: list[str], home: Path) -> None:
    answer = cli(*words)
    assert (answer.code, answer.complaint) == (1, "The database has no jobdeck tables; run `jobdeck db upgrade`.")
    assert not (home / "jobdeck.db").exists()


def test_a_wrong_setting_is_said_in_one_line(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBDECK_PROCESSES", "none")
    answer = cli("jobs", "list")
    assert answer.code == 1
    assert answer.complaint.startswith("JOBDECK_PROCESSES (from environment): ")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("nowhere_at_all:app", "nowhere_at_all cannot be imported"),
        ("cli_sample_jobs:app", "cli_sample_jobs has no app"),
        ("cli_sample_jobs:JOB", "cli_sample_jobs has no JOB"),
    ],
)
def test_an_application_that_is_not_there(cli: Any, reference: str, said: str) -> None:
    answer = cli("--app", reference, "types", "list")
    assert answer.code == 1
    assert said in answer.complaint


def test_the_application_brings_its_deck(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cli_host_site.py").write_text(
        "from jobdeck import Deck, job_type\n\n@job_type\ndef only_here() -> None:\n    pass\n\n"
        f"deck = Deck(job_types=[only_here], home={str(tmp_path / 'other')!r})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("JOBDECK_JOB_TYPES")
    monkeypatch.setenv("JOBDECK_APP", "cli_host_site:deck")
    found = cli("types", "list", "--json").json["hits"]["hits"]
    assert [one["id"] for one in found] == ["only_here"]
    assert cli("check", "--json").out.count(str(tmp_path / "other")) >= 1


def test_an_unexpected_error_is_one_line_and_debug_shows_more(ready: Any, home: Path) -> None:
    (home / "jobdeck.db").write_bytes(b"This is no database. " * 100)
    for name in ("jobdeck.db-wal", "jobdeck.db-shm"):
        (home / name).unlink(missing_ok=True)
    answer = ready("jobs", "list")
    assert answer.code == 1
    assert "not a database" in answer.complaint
    told = ready("--debug", "jobs", "list")
    assert told.code == 1
    assert "Traceback" in told.err


def test_the_program_as_it_is_installed(spawn: Spawn) -> None:
    program = Path(sys.executable).with_name("jobdeck")
    assert subprocess.run([program, "--version"], capture_output=True, check=True).stdout.startswith(b"jobdeck ")
    assert spawn("jobs", "nope").wait(30) == 2
    assert spawn("jobs", "list").wait(30) == 1
    assert spawn("db", "upgrade").wait(30) == 0


def test_a_reader_that_goes_away_is_no_error(deck: Deck, spawn: Spawn) -> None:
    for number in range(60):
        deck.jobs.create(title=f"Job {number:03} {'x' * 200}", type="wake")
    reading, writing = os.pipe()
    os.close(reading)
    process = spawn("jobs", "list", "--size", "60", "--json", stdout=writing)
    os.close(writing)
    assert process.wait(30) == 128 + signal.SIGPIPE
    assert process.stderr.read() == ""


def test_what_the_terminal_cannot_show_is_escaped(deck: Deck, spawn: Spawn, monkeypatch: pytest.MonkeyPatch) -> None:
    deck.jobs.create(title="Grüße 東京", type="wake")
    deck.runs.start("wake")
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    for words, shown in ((["jobs", "list"], "Grüße \\u6771\\u4eac"), (["runs", "list"], "  QUEUED  ")):
        process = spawn(*words, encoding="latin-1")
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
        assert shown in out
