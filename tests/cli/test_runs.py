"""`jobdeck runs`: lists, sheets, logs that are followed, stops."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from jobdeck import Deck
from jobdeck.core.outcome import OutcomeKind

Spawn = Callable[..., Any]


def start(ready: Any, *more: str) -> str:
    return str(ready("types", "run", "greet", "--arg", "name=Ada", *more, "--json").json["id"])


def test_a_run_from_its_start_to_its_end(ready: Any, worker: Any) -> None:
    answer = ready("types", "run", "greet", "--arg", "name=Ada", "--title", "Once")
    run_id = answer.out.split()[2]
    assert answer.out == f"Queued run {run_id} (Once).\n"
    assert "○ QUEUED" in ready("runs", "show", run_id).out
    claim = worker.begin(run_id)
    assert "▶ RUNNING" in ready("runs", "list").out
    worker.end(claim, result='{"records": 3}')
    shown = ready("runs", "show", run_id, "--json").json
    assert (shown["status"], shown["result"], shown["title"]) == ("SUCCESS", {"records": 3}, "Once")
    sheet = ready("runs", "show", run_id).out
    assert f"Run         {run_id}\n" in sheet
    assert "✔ SUCCESS" in sheet and "\nTook        0." in sheet and '"records": 3' in sheet
    assert re.search(r"Ended       \d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d \(\d+ s ago\)\n", sheet)


def test_a_failure_shows_its_message_and_traceback(ready: Any, worker: Any) -> None:
    run_id = start(ready)
    worker.end(worker.begin(run_id), OutcomeKind.ERROR, message="ValueError: no", traceback="Traceback …\n  line")
    sheet = ready("runs", "show", run_id).out
    assert "✘ FAILED" in sheet and "ValueError: no" in sheet and "    Traceback …\n      line" in sheet


def test_lists(ready: Any, worker: Any) -> None:
    job = ready("jobs", "create", "--title", "Nightly", "--type", "wake", "--json").json
    of_job = ready("jobs", "run", "Nightly", "--json").json["id"]
    first, second = start(ready, "--title", "First"), start(ready)
    listed = ready("runs", "list", "--json").json
    assert [one["id"] for one in listed["hits"]["hits"]] == [second, first, of_job]
    assert listed["links"]["self"].startswith("/api/runs?")
    rows = ready("runs", "list").out.splitlines()
    assert [row.split()[0] for row in rows] == ["ID", second, first, of_job]
    assert ["greet" in rows[1], "First" in rows[2], "Nightly" in rows[3]] == [True, True, True]
    ready("jobs", "delete", job["id"], "--yes")
    assert "wake" in ready("runs", "list").out.splitlines()[3]
    ready("runs", "stop", first)
    for words, ids in (
        (["--status", "cancelled"], [first]),
        (["--status", "QUEUED", "--status", "CANCELLED"], [second, first, of_job]),
        (["--type", "greet"], [second, first]),
        (["--search", "firs"], [first]),
        (["--queue", "default", "--type", "wake"], [of_job]),
    ):
        found = ready("runs", "list", *words, "--json").json["hits"]["hits"]
        assert [one["id"] for one in found] == ids, words
    page = ready("runs", "list", "--size", "2")
    assert page.out.endswith("\n2 of 3; --page 2 shows the next.\n")
    assert ready("runs", "list", "--size", "2", "--page", "2").out.splitlines()[1].split()[0] == of_job
    assert ready("runs", "list", "--size", "0").complaint == "size: Must be from 1 to 100."
    assert ready("runs", "list", "--job", "Gone").code == 1


def test_stopping(ready: Any, worker: Any) -> None:
    run_id = start(ready)
    worker.begin(run_id)
    answer = ready("runs", "stop", run_id, "--reason", "Enough")
    assert answer.out == f"Run {run_id} was asked to stop.\n"
    sheet = ready("runs", "show", run_id).out
    assert "CANCELLING" in sheet and ": Enough" in sheet
    other = start(ready)
    assert ready("runs", "stop", other).out == f"Run {other} is CANCELLED.\n"
    again = ready("runs", "stop", other)
    assert again.code == 1
    assert "already ended as CANCELLED" in again.complaint
    unknown = other[:-4] + ("0000" if not other.endswith("0000") else "1111")
    assert ready("runs", "stop", unknown).complaint == f"Run with ID {unknown} does not exist."


def test_a_log(ready: Any, worker: Any) -> None:
    run_id = start(ready)
    claim = worker.begin(run_id)
    worker.log(claim, (10, "one"), (20, "two\nlines"), (40, "three"))
    lines = ready("runs", "log", run_id).out.splitlines()
    assert [line[24:] for line in lines] == ["DEBUG    tests: one", "INFO     tests: two", "", "ERROR    tests: three"]
    assert lines[2] == "    lines"
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} DEBUG", lines[0])
    told = [json.loads(line) for line in ready("runs", "log", run_id, "--json").out.splitlines()]
    assert [(one["seq"], one["level"], one["message"]) for one in told] == [
        (1, "DEBUG", "one"), (2, "INFO", "two\nlines"), (3, "ERROR", "three"),
    ]  # fmt: skip
    assert told[0]["context"]["run_id"] == run_id
    assert ready("runs", "log", run_id, "--level", "error").out.splitlines() == lines[3:]
    assert ready("runs", "log", run_id, "--tail", "1").out.splitlines() == lines[3:]
    worker.end(claim)
    assert ready("runs", "log", run_id, "--tail", "2", "-f").out.splitlines() == lines[1:]


def test_a_long_log_is_whole(ready: Any, worker: Any) -> None:
    run_id = start(ready)
    claim = worker.begin(run_id)
    for begin in range(0, 2500, 100):
        worker.log(claim, *((20, f"line {number}") for number in range(begin, begin + 100)))
    worker.end(claim)
    for words in ([], ["-f"]):
        lines = ready("runs", "log", run_id, *words).out.splitlines()
        assert [line.rpartition(": ")[2] for line in lines] == [f"line {number}" for number in range(2500)]


def test_following_prints_as_it_comes_and_ends_with_the_run(ready: Any, worker: Any, spawn: Spawn) -> None:
    run_id = start(ready)
    process = spawn("runs", "log", run_id, "--follow", "--json")
    claim = worker.begin(run_id)
    for number in range(3):
        worker.log(claim, (20, f"line {number}"))
        assert json.loads(process.stdout.readline())["message"] == f"line {number}"
        assert process.poll() is None
    worker.log(claim, (20, "last"))
    worker.end(claim)
    assert json.loads(process.stdout.read())["message"] == "last"
    assert process.wait(30) == 0


def test_control_c_ends_following_quietly(ready: Any, worker: Any, spawn: Spawn) -> None:
    run_id = start(ready)
    worker.log(worker.begin(run_id), (20, "here"))
    process = spawn("runs", "log", run_id, "-f")
    assert process.stdout.readline().endswith("here\n")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("kind", "code", "sentence"),
    [
        (OutcomeKind.SUCCESS, 0, "is SUCCESS."),
        (OutcomeKind.PARTIAL, 1, "is PARTIAL_SUCCESS: Two of them failed."),
        (OutcomeKind.ERROR, 1, "is FAILED (error): Two of them failed."),
    ],
)
def test_waiting_for_a_run(ready: Any, worker: Any, deck: Deck, kind: OutcomeKind, code: int, sentence: str) -> None:
    def work() -> None:
        deadline = time.monotonic() + 20
        while not (queued := deck.runs.list().items) and time.monotonic() < deadline:
            time.sleep(0.02)
        claim = worker.begin(queued[0].id)
        worker.log(claim, (20, "working"))
        worker.end(claim, kind, message=None if kind is OutcomeKind.SUCCESS else "Two of them failed.")

    working = threading.Thread(target=work)
    working.start()
    answer = ready("types", "run", "greet", "--arg", "name=Ada", "--wait")
    working.join(20)
    assert (answer.code, answer.err) == (code, "")
    first, line, last = answer.out.splitlines()
    assert (first[:10], line[-14:], last.endswith(sentence)) == ("Queued run", "tests: working", True)


def test_waiting_in_json_prints_the_run_as_it_ended(ready: Any, worker: Any, spawn: Spawn, deck: Deck) -> None:
    process = spawn("types", "run", "wake", "--wait", "--json")
    deadline = time.monotonic() + 30
    while not (queued := deck.runs.list().items) and time.monotonic() < deadline:
        time.sleep(0.02)
    claim = worker.begin(queued[0].id)
    worker.log(claim, (20, "working"))
    worker.end(claim)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err, json.loads(out)["status"]) == (0, "", "SUCCESS")


def test_a_run_that_cannot_be_interrupted_says_so(ready: Any, worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = ready("types", "run", "wake", "--json").json["id"]
    worker.begin(run_id)
    assert "Engine" not in ready("runs", "show", run_id).out
    monkeypatch.setenv("JOBDECK_ENGINES", "rq")
    assert "\nEngine      rq\n" in ready("runs", "show", run_id).out
    monkeypatch.setenv("JOBDECK_ISOLATION", "none")
    assert "\nEngine      rq, cannot be interrupted\n" in ready("runs", "show", run_id).out
    said = ready("runs", "stop", run_id).out
    assert said.startswith(f"Run {run_id} was asked to stop. It runs in rq's own process and cannot be interrupted")
    told = ready("runs", "show", run_id, "--json").json
    assert (told["status"], told["engine"], told["isolation"]) == ("CANCELLING", "rq", "none")
