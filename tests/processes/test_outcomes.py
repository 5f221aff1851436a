"""How runs end, and what is kept of them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Place = Any


@pytest.fixture
def place(served: Place) -> Place:
    return served


def test_a_returned_value_is_a_success(place: Place) -> None:
    run = place.run("add", a=2, b=3)
    assert (run.status, run.reason, run.result, run.attempt) == ("SUCCESS", None, 5, 1)
    assert run.created_at <= run.started_at <= run.ended_at
    (attempt,) = place.deck.runs.attempts(run.id)
    assert (attempt.outcome, attempt.signal, attempt.exit_code) == ("success", None, None)
    assert attempt.pid and attempt.rss_max > 2**20
    assert attempt.started_at and attempt.ended_at and attempt.worker_id


def test_coroutines_run(place: Place) -> None:
    assert place.run("add_later", a=1).result == 2


def test_plain_functions_run(place: Place) -> None:
    run = place.ended(place.deck.enqueue("math:gcd", [12, 18], title="Divisor"))
    assert (run.status, run.result, run.title) == ("SUCCESS", 6, "Divisor")


def test_an_exception_is_a_failure_with_its_traceback(place: Place) -> None:
    run = place.run("fail")
    assert (run.status, run.reason) == ("FAILED", "error")
    assert run.message == r"ValueError: no \x00 luck \ud800 here"
    assert run.traceback.startswith("Traceback (most recent call last):")
    assert "in fail" in run.traceback and "jobdeck/executor" not in run.traceback
    last = place.deck.runs.logs(run.id).entries[-1]
    assert (last.level, last.message, last.fields["traceback"]) == ("ERROR", run.message, run.traceback)


def test_a_partial_error_is_a_partial_success(place: Place) -> None:
    run = place.run("partial")
    assert (run.status, run.message, run.result) == ("PARTIAL_SUCCESS", "two were wrong", {"right": 5})
    assert run.counters.errored_entries == 2


def test_logged_errors_are_a_warning_where_the_type_says_so(place: Place) -> None:
    run = place.run("warned")
    assert (run.status, run.message) == ("WARNING", "1 error was logged.")
    assert place.messages(run) == ["this is wrong"]


@pytest.mark.parametrize(("type_id", "message"), [("leave", "SystemExit: 3"), ("eat", "MemoryError")])
def test_what_is_no_exception_is_a_failure_too(place: Place, type_id: str, message: str) -> None:
    run = place.run(type_id)
    assert (run.status, run.reason, run.message) == ("FAILED", "error", message)
    assert run.traceback


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
def test_the_death_of_the_process_is_a_failure_at_once(place: Place, number: int) -> None:
    began = time.monotonic()
    run = place.run("die", number=int(number))
    assert time.monotonic() - began < 1.5
    hint = " (possibly out of memory)" if number == signal.SIGKILL else ""
    assert run.message == f"The process that ran this was killed by {signal.Signals(number).name}{hint}."
    assert (run.status, run.reason) == ("FAILED", "error")
    assert place.messages(run) == ["about to die", run.message]
    (attempt,) = place.deck.runs.attempts(run.id)
    assert (attempt.signal, attempt.exit_code, attempt.outcome) == (number, None, "error")
    assert attempt.rss_max > 2**20


def test_a_crash_in_c_is_a_failure(place: Place) -> None:
    assert place.run("crash").message == "The process that ran this was killed by SIGSEGV."


@pytest.mark.parametrize("code", [0, 7])
def test_a_process_that_ends_itself_is_a_failure(place: Place, code: int) -> None:
    run = place.run("leave_at_once", code=code)
    assert (run.status, run.message) == ("FAILED", f"The process that ran this ended by itself with exit code {code}.")
    assert place.deck.runs.attempts(run.id)[0].exit_code == code


def test_a_result_without_a_json_form_costs_only_the_result(place: Place) -> None:
    run = place.run("unkept")
    assert (run.status, run.result) == ("SUCCESS", None)
    assert place.messages(run) == ["The result was not kept: A value of type object has no JSON form."]


def test_a_function_that_is_not_there_is_a_failure(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("def work(): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    run = place.ended(place.deck.enqueue("only_here:work"))
    assert run.status == "FAILED"
    assert "only_here" in run.message


def test_everything_said_is_in_the_log_in_order(place: Place) -> None:
    run = place.run("talk")
    assert run.status == "SUCCESS"
    entries = place.deck.runs.logs(run.id).entries
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    said = [(entry.level, entry.logger) for entry in entries]
    messages = [entry.message for entry in entries]
    assert messages[:3] == ["first", "second 2", "third"]
    assert "UserWarning: fourth" in messages[3]
    assert messages[4:8] == ["fifth", "sixth", "seventh", "eighth"]
    assert "its arguments do not fit" in messages[8]
    assert messages[9:] == ["tenth, unended"]
    assert said[:3] == [("DEBUG", "work_site"), ("INFO", "work_site"), ("WARNING", "work_site.quiet")]
    assert said[3:6] == [("WARNING", "py.warnings"), ("INFO", "stdout"), ("WARNING", "stderr")]
    assert entries[1].fields["record"] == "r-1" and entries[1].fields["seven"] == "odd"
    assert "KeyError: 'lost'" in entries[7].fields["traceback"]


def test_warnings_are_shown_to_each_run(place: Place) -> None:
    for _ in range(4):
        assert any("fourth" in message for message in place.messages(place.run("talk")))


def test_the_log_is_live(place: Place) -> None:
    run = place.start("steps", count=100, seconds=0.05)
    began = time.monotonic()
    found = place.until(lambda: (one := place.deck.runs.get(run.id)).progress and one.progress.done >= 1 and one)
    assert time.monotonic() - began < 2.0
    assert (found.status, found.progress.total, found.progress.message) == ("RUNNING", 100, "stepping")
    place.deck.runs.stop(run.id)
    assert place.ended(run).status == "CANCELLED"


def test_files_are_kept(place: Place) -> None:
    run = place.run("make_file", name="hello.txt", text="hello")
    (file,) = run.files
    assert (file.name, file.media_type, file.size) == ("hello.txt", "text/plain", 5)
    assert place.deck.runs.file(run.id, "hello.txt")[1].read_bytes() == b"hello"


def test_half_a_file_is_no_file(place: Place) -> None:
    run = place.run("half_a_file")
    assert (run.status, run.files) == ("FAILED", ())
    assert not [path for path in (place.home / "files" / run.id).rglob("*") if path.is_file()]


def test_a_run_knows_itself(place: Place) -> None:
    run = place.run("say_who_started_me")
    assert run.result == {
        "id": run.id,
        "attempt": 1,
        "type": "say_who_started_me",
        "arguments": {},
        "principal": "system",
    }


def test_nonsense_in_the_pipe_harms_nobody(place: Place) -> None:
    assert place.run("garble").result == "done"
    assert place.run("add", a=1).result == 1


def test_only_one_of_two_processes_speaks_for_a_run(place: Place) -> None:
    run = place.run("come_back_twice")
    assert (run.status, len(place.deck.runs.attempts(run.id))) == ("SUCCESS", 1)
    assert place.run("add", a=1).status == "SUCCESS"


def test_a_flood_of_lines_keeps_head_and_tail(place: Place) -> None:
    run = place.run("flood", megabytes=16)
    assert run.status == "SUCCESS"
    logs = place.deck.runs.logs(run.id, limit=2000, newest=True)
    messages = [entry.message for entry in logs.entries]
    assert messages[-1].startswith("15999 ")
    (marker,) = [message for message in messages if message.startswith("…")]
    left_out = int(marker.split()[1].replace(",", ""))
    assert logs.total == 16_000 - left_out + 2
    peak = max(int(line.split()[1]) for line in Path(f"/proc/{place.workers[0].pid}/status").read_text().splitlines()
               if line.startswith("VmHWM"))  # fmt: skip
    assert peak < 250_000


def test_the_main_road_on_both_databases(database_url: str, places: Callable[..., Place], tmp_path: Path) -> None:
    place = places(database_url=database_url)
    place.worker()
    assert place.run("add", a=1, b=1).result == 2
    assert place.run("fail").message == r"ValueError: no \x00 luck \ud800 here"
    assert place.run("partial").status == "PARTIAL_SUCCESS"
    assert place.run("die", number=9).reason == "error"
    assert [entry.seq for entry in place.deck.runs.logs(place.run("talk").id).entries] == list(range(1, 11))
    assert len(place.run("make_file", name="a.txt", text="a").files) == 1
    stopped = place.start("sleep", seconds=60)
    place.begun(stopped)
    place.deck.runs.stop(stopped.id)
    assert place.ended(stopped).status == "CANCELLED"
    path = tmp_path / "numbers"
    place.deck.runs.start_many("note", [{"number": number, "path": str(path)} for number in range(300)])
    place.until(lambda: not place.deck.runs.waiting())
    place.until(lambda: len(path.read_text().split()) >= 300)
    assert sorted(map(int, path.read_text().split())) == list(range(300))
