"""What is gathered before it is written: when, how much, and what of it is left out."""

from __future__ import annotations

from typing import Any

import pytest

from jobdeck.core.outcome import Outcome, OutcomeKind
from jobdeck.processes import ledger as ledgers
from jobdeck.processes.ladder import Cause, Ending, Step
from jobdeck.processes.ledger import Ledger
from jobdeck.services.holder import Claim, Holder


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(Holder(id="w", host="h", boot_id="b"))


def claim(number: int = 1) -> Claim:
    return Claim(
        id=f"run-{number}", tenant="t", fence=3, attempt=1, type="x", function=None, arguments="{}", positional=None,
        timeout_s=None, job_id=None, principal_id=None, principal_name=None, log_seq=4, queue="default",
    )  # fmt: skip


def line(text: str) -> list[Any]:
    return [1, 20, "logger", text, None]


def test_when_it_is_written(ledger: Ledger) -> None:
    one = claim()
    assert not ledger.is_due(1.0, idle=True)
    ledger.log(one, line("a"))
    assert not ledger.is_due(1.0, idle=True)
    assert not ledger.is_due(1.09, idle=True)
    assert ledger.is_due(1.11, idle=False)
    ledger.written()
    ledger.ended(one, Outcome(kind=OutcomeKind.SUCCESS), 2.0)
    assert not ledger.is_due(2.001, idle=False)
    assert ledger.is_due(2.001, idle=True)
    assert ledger.is_due(2.0051, idle=False)
    ledger.written()
    ledger.begun(one, 1, 1)
    assert ledger.is_due(3.0, idle=False)


def test_lines_are_numbered_after_the_last(ledger: Ledger) -> None:
    one = claim()
    for text in "ab":
        ledger.log(one, line(text))
    assert [entry[1] for entry in ledger.report.log_entries] == [5, 6]
    assert ledger.report.log_heads == {"run-1": (6, "run-1", "w", 3, 4)}
    first = ledger.take()
    ledger.log(one, line("c"))
    ledger.restore(first)
    assert ledger.report.log_heads == {"run-1": (7, "run-1", "w", 3, 4)}


def test_a_long_log_loses_its_middle_and_says_so(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "LOG_HEAD_LIMIT", 10_000)
    one = claim()
    for number in range(6000):
        ledger.log(one, line(f"{number} {'x' * 800}"))
        ledger.written() if number % 100 == 0 else None
    ledger.written()
    ledger.ended(one, Outcome(kind=OutcomeKind.SUCCESS), 1.0)
    texts = [entry[7] for entry in ledger.report.log_entries]
    assert texts[-1].startswith("5999 ")
    left_out = int(texts[0].split()[1].replace(",", ""))
    assert left_out == 6000 - len(texts[1:]) - 9
    assert sum(map(len, texts)) < 2.1 * 2**20
    assert one.log_seq == 4 + 9 + 1 + len(texts)


def test_what_cannot_be_written_is_bounded(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "HELD_LIMIT", 100_000)
    claims = [claim(number) for number in range(4)]
    for number in range(20_000):
        ledger.log(claims[number % 4], line(f"{number} {'x' * 800}"))
    assert sum(len(entry[7]) for entry in ledger.report.log_entries) < 120_000
    for one in claims:
        ledger.ended(one, Outcome(kind=OutcomeKind.SUCCESS), 1.0)
    assert sum(1 for entry in ledger.report.log_entries if entry[7].startswith("…")) == 4


@pytest.mark.parametrize(
    ("cause", "times"),
    [
        (Cause.STOP, [(0, Step.WAIT), (4.9, Step.WAIT), (5, Step.TERMINATE), (9.9, Step.WAIT), (10, Step.KILL)]),
        (Cause.SHUTDOWN, [(0, Step.WAIT), (8.9, Step.WAIT), (9, Step.TERMINATE), (10, Step.KILL), (11, Step.WAIT)]),
    ],
)
def test_the_ladder(cause: Cause, times: list[tuple[float, Step]]) -> None:
    ending = Ending(1, cause, 100.0, 10.0)
    for waited, step in times:
        assert ending.due(100.0 + waited) is step
        if step is not Step.WAIT:
            ending.climbed = step


@pytest.mark.parametrize(
    ("cause", "climbed", "kind", "judged"),
    [
        (Cause.STOP, Step.WAIT, OutcomeKind.SUCCESS, OutcomeKind.SUCCESS),
        (Cause.STOP, Step.KILL, OutcomeKind.PARTIAL, OutcomeKind.PARTIAL),
        (Cause.STOP, Step.WAIT, OutcomeKind.ERROR, OutcomeKind.STOPPED),
        (Cause.TIMEOUT, Step.WAIT, OutcomeKind.STOPPED, OutcomeKind.TIMEOUT),
        (Cause.TIMEOUT, Step.KILL, OutcomeKind.ERROR, OutcomeKind.TIMEOUT),
        (Cause.SHUTDOWN, Step.WAIT, OutcomeKind.ERROR, OutcomeKind.ERROR),
        (Cause.SHUTDOWN, Step.TERMINATE, OutcomeKind.STOPPED, OutcomeKind.LOST),
        (Cause.SHUTDOWN, Step.KILL, OutcomeKind.ERROR, OutcomeKind.LOST),
    ],
)
def test_the_judgement(cause: Cause, climbed: Step, kind: OutcomeKind, judged: OutcomeKind) -> None:
    outcome = Outcome(kind=kind, message="own", traceback="own")
    Ending(1, cause, 0.0, 10.0, climbed).judge(outcome, 5.0)
    assert outcome.kind is judged
    assert (outcome.message == "own") is (judged is kind)
