"""`jobdeck jobs` and `jobdeck types`."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jobdeck import Deck
from jobdeck.core.filters import Page


def save(ready: Any, title: str = "Nightly", *more: str) -> dict[str, Any]:
    return dict(ready("jobs", "create", "--title", title, "--type", "greet", "--arg", "name=Ada", *more, "--json").json)


def test_types(cli: Any) -> None:
    listed = cli("types", "list", "--json").json
    assert [one["id"] for one in listed["hits"]["hits"]] == ["greet", "wake"]
    assert listed["hits"]["total"] == 2
    table = cli("types", "list").out.splitlines()
    assert table[0].split() == ["ID", "Title", "Description"]
    assert table[1].split("  ") == ["greet", "Greet people", "Say hello."]
    assert "wake" not in cli("types", "list", "--search", "GREET").out
    shown = cli("types", "show", "greet", "--json").json
    assert shown["schema"]["properties"]["times"]["default"] == 1
    sheet = cli("types", "show", "greet").out
    assert "kind | gruff" in sheet and "required" in sheet and "start of the last successful run" in sheet
    assert cli("types", "show", "gret").complaint == "The job type 'gret' is not registered. Did you mean 'greet'?"


def test_a_job_from_its_making_to_its_end(ready: Any) -> None:
    made = save(ready, "Nightly", "--arg", "times=3", "--arg", "loud=yes", "--arg", 'tags=["a"]', "--arg", "since=",
                "--description", "Every night", "--timeout", "15m")  # fmt: skip
    assert made["run_args"] == {"name": "Ada", "times": 3, "loud": True, "tags": ["a"], "since": None}
    assert (made["task"], made["description"], made["timeout"], made["active"]) == ("greet", "Every night", 900, True)
    assert ready("jobs", "show", made["id"], "--json").json == made
    assert ready("jobs", "show", "Nightly", "--json").json == made
    assert ready("jobs", "list", "--json").json["hits"]["hits"] == [made]

    changed = ready("jobs", "update", "Nightly", "--arg", "times=4", "--inactive", "--timeout", "", "--json").json
    assert changed["run_args"] == {**made["run_args"], "times": 4}
    assert (changed["title"], changed["active"], changed["timeout"]) == ("Nightly", False, None)
    replaced = ready("jobs", "update", "Nightly", "--arguments", '{"name": "Bob"}', "--json").json
    assert replaced["run_args"] == {"name": "Bob"}
    assert ready("jobs", "list", "--active", "--json").json["hits"]["total"] == 0
    assert ready("jobs", "list", "--inactive", "--json").json["hits"]["total"] == 1

    refused = ready("jobs", "delete", "Nightly")
    assert refused.code == 2
    assert "--yes" in refused.complaint
    assert ready("jobs", "delete", "Nightly", "--yes").out == f"Deleted job {made['id']} (Nightly).\n"
    assert ready("jobs", "list").out == "No jobs; `jobdeck jobs create` makes one.\n"


def test_sentences_and_sheets(ready: Any) -> None:
    answer = ready("jobs", "create", "--title", "Nightly", "--type", "greet", "--arg", "name=Ada")
    job_id = answer.out.split()[2]
    assert answer.out == f"Saved job {job_id} (Nightly).\n"
    sheet = ready("jobs", "show", "Nightly").out
    assert f"Job        {job_id}\nTitle      Nightly\nType       greet\n" in sheet
    assert '"name": "Ada"' in sheet
    assert ready("jobs", "update", job_id, "--title", "Daily").out == f"Changed job {job_id} (Daily).\n"
    row = ready("jobs", "list").out.splitlines()[1]
    assert row.split() == [job_id, "Daily", "greet", "–"]


def test_wrong_arguments_are_named_in_one_line_and_nothing_is_stored(ready: Any) -> None:
    words = ["--arg", "times=many", "--arg", "nome=Ada", "--arg", "tone=sad"]
    for start in (["jobs", "create", "--title", "Bad", "--type", "greet"], ["types", "run", "greet"]):
        answer = ready(*start, *words)
        assert answer.code == 1
        parts = dict(part.split(": ", 1) for part in answer.complaint.split("; "))
        assert parts["args.nome"].startswith("Unknown field. The arguments are name, times, tone")
        assert "integer" in parts["args.times"]
        assert "kind" in parts["args.tone"]
    assert ready("types", "run", "wake", "--arg", "x=1").complaint == ("args.x: Unknown field. No arguments are taken.")
    assert ready("jobs", "list", "--json").json["hits"]["total"] == 0
    assert ready("runs", "list", "--json").json["hits"]["total"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--type", "nope"], "type: Must be one of: greet, wake."),
        (["--type", "wake", "--queue", "nope"], "queue: Must be one of: default."),
        (["--type", "wake", "--timeout", "soon"], "timeout: 'soon' is no span"),
    ],
)
def test_other_fields_that_do_not_fit(ready: Any, words: list[str], said: str) -> None:
    answer = ready("jobs", "create", "--title", "Bad", *words)
    assert answer.code == 1
    assert answer.complaint.startswith(said)


def test_a_job_by_its_title(ready: Any) -> None:
    first, second = save(ready, "100% _sure_"), save(ready, "Twice")
    third = save(ready, "Twice")
    assert ready("jobs", "show", "100% _sure_", "--json").json["id"] == first["id"]
    assert ready("jobs", "show", first["id"].upper(), "--json").json["id"] == first["id"]
    several = ready("jobs", "run", "Twice")
    assert several.code == 1
    assert second["id"] in several.complaint and third["id"] in several.complaint
    assert ready("jobs", "show", "Twise").complaint == "There is no job titled 'Twise'; did you mean 'Twice'?"
    assert ready("jobs", "show", "twice").code == 1
    assert "`jobdeck jobs list`" in ready("jobs", "show", "Something else").complaint
    assert ready("jobs", "show", first["id"][:-1] + "0").code in (0, 1)
    assert ready("jobs", "update", "Twice", "--title", "x").code == 1
    assert "Nothing to change" in ready("jobs", "update", first["id"]).complaint


def test_a_job_of_a_type_that_is_gone_stays_readable(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    save(ready)
    monkeypatch.delenv("JOBDECK_JOB_TYPES")
    shown = ready("jobs", "show", "Nightly", "--json").json
    assert (shown["type_known"], shown["default_args"]) == (False, None)
    assert "not registered" in ready("jobs", "show", "Nightly").out
    assert "not registered" in ready("jobs", "run", "Nightly").complaint
    assert ready("jobs", "delete", "Nightly", "--yes").code == 0


def test_everything_is_done_in_the_name_of_the_system_user(
    ready: Any, deck: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    made = save(ready)
    run = ready("jobs", "run", "Nightly", "--json").json
    ready("runs", "stop", run["id"])
    ready("jobs", "delete", made["id"], "--yes")
    ready("tokens", "create", "--name", "Ada")
    me = pwd.getpwuid(os.getuid()).pw_name
    assert (run["started_by_id"], run["started_by"]["username"], run["trigger"]) == (f"cli:{me}", me, "manual")
    entries = deck.audit.list(Page(size=100)).items
    assert [(entry.action, entry.principal_id) for entry in reversed(entries)] == [
        (action, f"cli:{me}") for action in ("jobs.create", "runs.start", "runs.stop", "jobs.delete", "tokens.create")
    ]


def test_the_main_road_on_both_databases(
    cli: Any, empty_database_url: str, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("JOBDECK_DATABASE_URL", empty_database_url)
    assert cli("db", "upgrade", "--json").json == {"before": None, "after": "0004", "changed": True}
    job = save(cli, "Grüße")
    run = cli("jobs", "run", "Grüße", "--arg", "times=2", "--json").json
    assert (run["job_id"], run["args"]["times"], run["args"]["name"]) == (job["id"], 2, "Ada")
    assert cli("runs", "list", "--job", "Grüße", "--json").json["hits"]["hits"] == [run]
    assert cli("runs", "stop", run["id"], "--json").json["status"] == "CANCELLED"
    assert cli("runs", "log", run["id"], "--follow").code == 0
    assert cli("check", "--json").json["ok"]
    assert "Grüße" in cli("runs", "list").out
    with closing(Deck()) as deck:
        assert deck.runs.get(run["id"]).title is None


def test_deleting_asks_on_a_terminal(ready: Any, on_terminal: Callable[..., tuple[int, str]]) -> None:
    job = save(ready)
    code, screen = on_terminal("jobs", "delete", "Nightly", answer="n\n")
    assert code == 1
    assert f"Delete job {job['id']} (Nightly)? [y/N]:" in screen
    assert ready("jobs", "show", "Nightly").code == 0
    assert on_terminal("jobs", "delete", "Nightly", answer="\x03")[0] == 130
    assert on_terminal("jobs", "delete", "Nightly", answer="y\n")[0] == 0
    assert ready("jobs", "show", "Nightly").code == 1
