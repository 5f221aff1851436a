"""`jobdeck queues`, pausing types, and what a job says about how it is run."""

from __future__ import annotations

from typing import Any

import pytest


def test_queues(ready: Any) -> None:
    ready("types", "run", "wake")
    (queue,) = ready("queues", "list", "--json").json["hits"]["hits"]
    assert (queue["name"], queue["queued"], queue["limit"], queue["paused"]) == ("default", 1, None, None)
    assert ready("queues", "pause", "default", "--reason", "Disk is full").out == "The queue default is paused.\n"
    assert ready("queues", "limit", "default", "3").out == "The queue default takes 3 at once.\n"
    head, row, hint = ready("queues", "list").out.splitlines()
    columns = ["Name", "Title", "Engine", "Queued", "Oldest", "Running", "Workers", "Slots", "Limit", "Paused"]
    assert head.split() == columns
    assert row.split()[:9] == ["default", "Default", "database", "1", "–", "0", "0", "0", "3"]
    assert row.endswith(": Disk is full")
    assert hint == "Nobody serves the queue default at the moment; `jobdeck worker default` would."
    assert ready("queues", "resume", "default", "--json").json["paused"] is None
    assert ready("queues", "limit", "default", "none", "--json").json["limit"] is None


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["pause", "nope"], 1, "There is no queue 'nope'; the queues are default."),
        (["resume", "nope"], 1, "There is no queue 'nope'"),
        (["limit", "nope", "1"], 1, "There is no queue 'nope'"),
        (["limit", "default", "0"], 1, "limit: Must be a whole number from 1"),
        (["limit", "default", "many"], 2, "'many' is neither a whole number nor 'none'"),
        (["pause", "default", "--reason", "x" * 1001], 1, "reason: Must be a text of at most 1000"),
    ],
)
def test_what_a_queue_cannot_have_is_said(ready: Any, words: list[str], code: int, said: str) -> None:
    answer = ready("queues", *words)
    assert (answer.code, answer.complaint.startswith(said) or said in answer.complaint) == (code, True)


def test_types_are_paused(ready: Any) -> None:
    assert ready("types", "pause", "wake", "--reason", "Too loud").out == "The job type wake is paused.\n"
    head, _, row = ready("types", "list").out.splitlines()
    assert head.split()[-1] == "Paused" and row.endswith(": Too loud")
    assert "Too loud" in ready("types", "show", "wake").out
    assert ready("types", "show", "wake", "--json").json["paused"]["reason"] == "Too loud"
    assert ready("types", "resume", "wake").out == "The job type wake is not paused.\n"
    assert "Paused" not in ready("types", "list").out
    assert "Did you mean 'wake'" in ready("types", "pause", "wakes").complaint
    assert ready("types", "resume", "wakes").code == 1


def test_a_job_says_how_it_is_run(ready: Any) -> None:
    ready("jobs", "create", "--title", "First", "--type", "wake")
    made = ready("jobs", "create", "--title", "Second", "--type", "wake", "--priority", "-5", "--max-attempts", "3",
                 "--limit", "2", "--limit-policy", "skip", "--after-job", "First", "--after-need", "end",
                 "--json").json  # fmt: skip
    first = ready("jobs", "show", "First", "--json").json["id"]
    told = ("priority", "max_attempts", "limit", "limit_policy", "after_job", "after_need")
    assert [made[name] for name in told] == [-5, 3, 2, "skip", first, "end"]
    sheet = ready("jobs", "show", "Second").out
    assert "2 at once, then skip" in sheet and f"{first} (end)" in sheet
    cleared = ready("jobs", "update", "Second", "--priority", "none", "--max-attempts", "none", "--limit", "none",
                    "--limit-policy", "none", "--after-job", "none", "--json").json  # fmt: skip
    assert [cleared[name] for name in told] == [None] * 6
    assert "limit: Must be" in ready("jobs", "update", "Second", "--limit", "0").complaint
    assert ready("jobs", "update", "Second", "--limit", "x").code == 2
    assert "There is no job titled 'Third'" in ready("jobs", "update", "Second", "--after-job", "Third").complaint
    assert "for ever" in ready("jobs", "update", "First", "--after-job", "First").complaint
