"""What is printed: nothing in the data reaches the terminal raw, and tables fit where they are read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobdeck.cli import screen
from jobdeck.core.outcome import OutcomeKind

EVIL = "[red]x[/red] :smile: \x1b[31mred\x1b[0m \x9b2J \u202egnp.exe \r\x07 \u2028 end"
Terminal = Callable[..., tuple[int, str]]


@given(st.text(st.characters()))
def test_every_text_is_made_printable(text: str) -> None:
    for shown in (screen.line(text), *screen.block(text).split("\n")):
        assert shown.replace("\u200c", "").replace("\u200d", "").replace("\t", "").isprintable()


@given(
    st.recursive(
        st.text(st.characters(codec="utf-8")), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_keeps_its_meaning_and_is_printable(value: Any) -> None:
    for indent in (None, 2):
        text = screen.json_text(value, indent)
        assert json.loads(text) == value
        assert text.replace("\n", "").isprintable()


def test_data_cannot_speak_to_the_terminal(ready: Any, worker: Any, on_terminal: Terminal) -> None:
    ready("jobs", "create", "--title", EVIL, "--type", "greet", "--arg", f"name={EVIL}", "--description", EVIL)
    run_id = ready("jobs", "run", EVIL, "--title", EVIL, "--json").json["id"]
    claim = worker.begin(run_id)
    worker.log(claim, (20, f"{EVIL}\n2026-01-01 00:00:00.000 INFO     forged: line"))
    worker.end(claim, OutcomeKind.ERROR, message=EVIL, traceback=EVIL)
    colours = re.compile(r"\x1b\[[\d;]*m")
    for words in (["jobs", "list"], ["jobs", "show", EVIL], ["runs", "list"], ["runs", "show", run_id],
                  ["runs", "log", run_id], ["runs", "show", run_id, "--json"], ["types", "run", EVIL]):  # fmt: skip
        answer = ready(*words)
        for text in (answer.out, answer.err):
            assert text.replace("\n", "").isprintable(), words
    for words in (["jobs", "list"], ["runs", "show", run_id], ["runs", "log", run_id]):
        _, shown = on_terminal(*words)
        assert colours.sub("", shown).replace("\n", "").isprintable(), words
        assert "\x1b[31mred" not in shown
    assert "[red]x[/red] :smile: \\x1b[31mred" in ready("runs", "list").out
    assert "\n    2026-01-01 00:00:00.000 INFO     forged: line\n" in ready("runs", "log", run_id).out


def test_tables_fit_a_terminal_and_are_whole_in_a_file(ready: Any, on_terminal: Terminal) -> None:
    title = "A title that goes on and on, " * 6
    made = ready("jobs", "create", "--title", title, "--type", "wake", "--json").json
    run_id = ready("jobs", "run", made["id"], "--json").json["id"]
    for words, found in ((["jobs", "list"], made["id"]), (["runs", "list"], run_id)):
        code, shown = on_terminal(*words)
        lines = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
        assert code == 0
        assert max(map(len, lines)) <= 80
        assert any(found in line for line in lines)
        assert "A title that" in shown.replace("\n", " ")
        piped = ready(*words).out
        assert "\x1b" not in piped
        assert any(found in line and title.strip() in line for line in piped.splitlines())
        assert not any(line.endswith(" ") for line in piped.splitlines())


@pytest.mark.parametrize("words", [["types", "list"], ["jobs", "list"], ["runs", "list"], ["workers", "list"]])
def test_every_list_has_the_envelope_of_rest(ready: Any, words: list[str]) -> None:
    listed = ready(*words, "--json").json
    assert listed["hits"].keys() >= {"hits", "total"}
    assert listed.keys() == {"hits", "sortBy", "page", "links"}
