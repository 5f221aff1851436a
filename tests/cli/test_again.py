"""`runs why`, `runs again`, and what else can be said about a start."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jobdeck import Deck
from jobdeck.core.outcome import OutcomeKind

AN_ID = "01890000-0000-7000-8000-000000000000"


def start(ready: Any, *more: str) -> str:
    return str(ready("types", "run", "greet", "--arg", "name=Ada", *more, "--json").json["id"])


def test_what_can_be_said_about_a_start(ready: Any) -> None:
    first = start(ready)
    run = ready("types", "run", "wake", "--priority", "-3", "--retry", "4", "--start-in", "1h", "--expires-in", "2h",
                "--unique-key", "one", "--after", first, "--after-need", "end", "--json").json  # fmt: skip
    told = (run["status"], run["priority"], run["max_attempts"], run["unique_key"], run["open_dependencies"])
    assert told == ("WAITING", -3, 4, "one", 1)
    assert [one["code"] for one in run["waiting_reasons"]] == ["dependency", "start_time", "no_worker"]
    sheet = ready("runs", "show", run["id"]).out
    for line in ("Priority    -3\n", "Unique key  one\n", "Starts at   ", "Expires at  "):
        assert f"\n{line}" in sheet
    assert re.search(r"Starts at .* \(in 59 min\)\n", sheet) and re.search(r"Expires at .* \(in 1 h\)\n", sheet)
    assert f"Waits       It waits for run {first} (QUEUED) to end." in sheet
    assert run["id"] in ready("types", "run", "wake", "--unique-key", "one").complaint
    same = ready("types", "run", "wake", "--unique-key", "one", "--unique-policy", "existing", "--json").json
    assert same["id"] == run["id"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--start-at", "tomorrow"], 1, "start_at: Must be a time with its offset"),
        (["--start-in", "soon"], 1, "start_in: Write seconds"),
        (["--expires-in", "0s"], 1, "expires_at: Must be later than now"),
        (["--priority", "101"], 1, "priority: Must be a whole number"),
        (["--retry", "0"], 1, "retry: Max_attempts is 0"),
        (["--after", AN_ID], 1, "after: "),
        (["--unique-key", ""], 1, "unique_key: Must be a text"),
        (["--priority", "high"], 2, "'high' is not a valid integer"),
        (["--after", "Nightly"], 2, "'Nightly' is no id of a run"),
        (["--unique-policy", "maybe"], 2, "'maybe' is not one of"),
    ],
)
def test_a_wrong_option_is_named(ready: Any, words: list[str], code: int, said: str) -> None:
    answer = ready("types", "run", "wake", *words)
    assert (answer.code, said in answer.complaint) == (code, True), answer.complaint
    assert ready("runs", "list").out == "No runs.\n"


def test_why(ready: Any, worker: Any) -> None:
    run_id = start(ready)
    ready("queues", "pause", "default", "--reason", "Disk is full")
    lines = ready("runs", "why", run_id).out.splitlines()
    assert lines[0] == f"Run {run_id} is QUEUED."
    assert lines[1].startswith("- The queue default is paused by ") and lines[1].endswith(": Disk is full.")
    assert lines[2].startswith("- No worker is alive")
    told = ready("runs", "why", run_id, "--json").json
    assert [one["code"] for one in told["reasons"]] == ["queue_paused", "no_worker"]
    ready("queues", "resume", "default")
    worker.end(worker.begin(run_id))
    assert ready("runs", "why", run_id).out.splitlines()[1] == "It is SUCCESS, so nothing keeps it."
    assert ready("runs", "why", AN_ID).complaint == f"Run with ID {AN_ID} does not exist."
    assert ready("runs", "why", "x").code == 2


def test_one_run_again(ready: Any, worker: Any) -> None:
    run_id = start(ready, "--title", "Once")
    assert "when it has ended" in ready("runs", "again", run_id).complaint
    worker.end(worker.begin(run_id), OutcomeKind.ERROR, message="no")
    second = ready("runs", "again", run_id, "--arg", "times=2", "--json").json
    assert (second["retry_of"], second["title"], second["trigger"]) == (run_id, "Once", "rerun")
    assert second["args"] == {**ready("runs", "show", run_id, "--json").json["args"], "times": 2}
    third = ready("runs", "again", run_id)
    assert third.out.startswith("Queued run ") and third.out.endswith(" (Once).\n")
    assert f"Again of    {run_id}\n" in ready("runs", "show", third.out.split()[2]).out
    assert "args.times: " in ready("runs", "again", run_id, "--arg", "times=many").complaint
    unknown = ready("runs", "again", run_id, "--arg", "no=1").complaint
    assert unknown.startswith("args.no: Unknown field. The arguments are name, times")


def test_all_that_fit_again(ready: Any, deck: Deck) -> None:
    stopped = [start(ready), start(ready)]
    for run_id in stopped:
        ready("runs", "stop", run_id)
    start(ready)
    words = ["runs", "again", "--status", "cancelled", "--type", "greet"]
    refused = ready(*words)
    assert (refused.code, "2 runs fit, and nobody can be asked here; --yes" in refused.complaint) == (2, True)
    assert deck.runs.list().total == 3
    assert ready(*words, "--yes").out == "Queued 2 runs.\n"
    made = ready(*words, "--yes", "--json").json
    assert (made["total"], [deck.runs.get(run_id).retry_of for run_id in made["ids"]]) == (2, stopped)
    assert ready("runs", "again", "--status", "FAILED", "--yes").out == "Queued 0 runs.\n"
    assert ready("runs", "again", "--status", "QUEUED", "--yes").out == "Queued 0 runs.\n"
    for wrong in (
        [],
        [stopped[0], "--type", "greet"],
        ["--type", "greet", "--arg", "name=x"],
        ["--type", "x", "--wait"],
    ):
        assert ready("runs", "again", *wrong).code == 2, wrong
    assert ready("runs", "again", "--job", "Gone", "--yes").code == 1


def test_again_asks_on_a_terminal(ready: Any, deck: Deck, on_terminal: Any) -> None:
    ready("runs", "stop", start(ready))
    code, screen = on_terminal("runs", "again", "--status", "CANCELLED", answer="n\n")
    assert (code, "Run 1 run again? [y/N]:" in screen, deck.runs.list().total) == (1, True, 1)
    assert on_terminal("runs", "again", "--status", "CANCELLED", answer="y\n")[0] == 0
    assert deck.runs.list().total == 2


def test_sub_runs_are_listed_by_their_parent(ready: Any, deck: Deck, worker: Any) -> None:
    parent = start(ready)
    worker.begin(parent)
    child = deck.runs.create_subtask(parent)
    found = ready("runs", "list", "--parent", parent, "--json").json
    assert [one["id"] for one in found["hits"]["hits"]] == [child.id]
    assert f"Sub-run of  {parent}\n" in ready("runs", "show", child.id).out
    assert "\nSub-runs    0 of 1 ended\n" in ready("runs", "show", parent).out
