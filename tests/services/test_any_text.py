"""Any characters may be given anywhere: both databases answer alike, and never with an error of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobdeck import Deck
from jobdeck.core.filters import JobFilter, Page, RunFilter
from jobdeck.core.json_values import ARGUMENTS_LIMIT
from jobdeck.core.principal import SYSTEM, Principal
from jobdeck.errors import InvalidInput, JobdeckError

AN_ID = "01890000-0000-7000-8000-000000000000"
NOBODY = Principal(id="eve", name="Eve")
ODD = ["\x00", "\ud800", "%_\\'\"", "x" * 5000, "\x00" * 250, "\x1b[31m", "𝔘\u202e", "{{7*7}}", "../", "=cmd()"]

CALLS: dict[str, Callable[[Deck, str], Any]] = {
    "runs.get": lambda deck, text: deck.runs.get(text),
    "runs.get of a job": lambda deck, text: deck.runs.get(AN_ID, text),
    "runs.start": lambda deck, text: deck.runs.start(text),
    "runs.start titled": lambda deck, text: deck.runs.start("greet", {"name": text}, title=text),
    "runs.start queued": lambda deck, text: deck.runs.start("greet", queue=text),
    "runs.stop": lambda deck, text: deck.runs.stop(text, text),
    "runs.stop with a reason": lambda deck, text: deck.runs.stop(deck.runs.start("greet").id, text),
    "runs.delete": lambda deck, text: deck.runs.delete(text),
    "runs.logs": lambda deck, text: deck.runs.logs(text),
    "runs.file": lambda deck, text: deck.runs.file(deck.runs.start("greet").id, text),
    "runs.list": lambda deck, text: deck.runs.list(RunFilter(text=text)),
    "runs.list by ids": lambda deck, text: deck.runs.list(RunFilter(job_id=text, type=text, queue=text)),
    "runs.list before": lambda deck, text: deck.runs.list(page=Page(before=text)),
    "jobs.get": lambda deck, text: deck.jobs.get(text),
    "jobs.list": lambda deck, text: deck.jobs.list(JobFilter(text=text, type=text)),
    "jobs.create": lambda deck, text: deck.jobs.create(title=text, type="greet", description=text),
    "jobs.create of a type": lambda deck, text: deck.jobs.create(title="A", type=text),
    "jobs.delete": lambda deck, text: deck.jobs.delete(text),
    "logs.search": lambda deck, text: deck.logs.search(f"{AN_ID} {text}"),
    "logs.search after": lambda deck, text: deck.logs.search(AN_ID, after=(text, 1)),
    "enqueue": lambda deck, text: deck.enqueue("json:dumps", [text], title=text[:20]),
    "a refused start": lambda deck, text: deck.acting_as(NOBODY).runs.start(text),
    "a refused stop": lambda deck, text: deck.acting_as(NOBODY).runs.stop(text),
    "a token's name": lambda deck, text: deck.accounts.create_token(name=text, by=SYSTEM),
    "a token": lambda deck, text: deck.accounts.principal_of_token(f"jdk_{text}"),
    "a session": lambda deck, text: deck.accounts.session(text),
}


@pytest.mark.parametrize("call", CALLS)
def test_odd_text_is_served_or_refused_in_our_own_words(deck: Deck, call: str) -> None:
    for text in ODD:
        told = ""
        try:
            CALLS[call](deck, text)
        except JobdeckError as error:
            told = str(error)
        told.encode()
        assert "cannot serve" not in told


def test_what_is_looked_for_has_the_form_of_what_is_stored(deck: Deck) -> None:
    run = deck.runs.start("greet", title="a\x00b")
    assert [found.id for found in deck.runs.list(RunFilter(text="A\x00B")).items] == [run.id]
    assert deck.runs.list(RunFilter(text="%")).total == 0


def test_arguments_are_kept_up_to_their_limit(deck: Deck) -> None:
    around = len('{"name":""}')
    fits = deck.runs.start("greet", custom_arguments={"name": "x" * (ARGUMENTS_LIMIT - around)})
    assert deck.runs.get(fits.id) == fits
    with pytest.raises(InvalidInput, match="at most"):
        deck.runs.start("greet", custom_arguments={"name": "x" * (ARGUMENTS_LIMIT - around + 1)})
    with pytest.raises(InvalidInput, match="at most"):
        deck.enqueue("json:dumps", ["ü" * (ARGUMENTS_LIMIT // 2)])
    assert deck.runs.list().total == 1


def test_keys_that_would_fall_together_are_refused(deck: Deck) -> None:
    with pytest.raises(InvalidInput, match="control characters"):
        deck.runs.start("greet", custom_arguments={"\x00": 1, "\\x00": 2})
