"""Pages about running again, waiting, sub-runs, queues and pausing, as a browser without scripts gets them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from jobdeck import Deck
from jobdeck.services.accounts import Session
from jobdeck.store import lines

P = "/administration"
HOME = {"Origin": "http://localhost"}


@pytest.fixture
def post(browser: Any, session: Session) -> Callable[..., Any]:
    """Sends a form as our own pages do."""

    def send(path: str, **fields: Any) -> Any:
        return browser.post(f"{P}{path}", data={"csrf_token": session.csrf_token, **fields}, headers=HOME)

    return send


@pytest.fixture
def look(browser: Any) -> Callable[[str], str]:
    """What a person reads on a page."""
    return lambda path: words_of(browser.get(path if path.startswith(P) else f"{P}{path}"))


def words_of(response: Any) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", response.text.partition("<main")[2]).split())


def led(response: Any) -> str:
    assert response.status_code == 303, words_of(response)
    return str(response.headers["Location"])


def test_a_waiting_run_says_why(browser: Any, look: Any, deck: Deck) -> None:
    first = deck.runs.start("count_days", start_in="2h", title="First")
    run = deck.runs.start("greet", {"name": "Ada"}, after=[first], priority=7, unique_key="one", expires_in="3h")
    deck.queues.pause("default", "Disk is full")
    page = look(f"/runs/{run.id}")
    assert "Why is it not running?" in page and f"It waits for run {first.id}" in page
    assert "The queue default is paused by System: Disk is full." in page
    assert "No worker is alive; start one with jobdeck worker ." in page
    assert "Priority 7" in page and "Unique key one" in page and "Expires in 2 h , unless it has begun" in page
    assert f'href="{P}/runs/{first.id}"' in browser.get(f"{P}/runs/{run.id}").text
    assert "It starts in 1 h (2" in look(f"/runs/{first.id}")
    listed = look("/runs")
    assert "It starts in 1 h ." in listed and f"It waits for run …{first.id[-8:]} " in listed
    assert "It starts in 1 h ." in look("/types/count_days")
    deck.runs.stop(run.id)
    ended = look(f"/runs/{run.id}")
    assert "Why is it not running?" not in ended and "Expires" not in ended


def test_a_plain_run_shows_nothing_that_was_not_said(look: Any, deck: Deck) -> None:
    page = look(f"/runs/{deck.runs.start('greet', {'name': 'Ada'}).id}")
    for word in ("Priority", "Limit", "Expires", "Unique key", "Again of", "Sub-run", "Attempt"):
        assert word not in page


def test_what_is_new_tells_only_what_changed(browser: Any, deck: Deck) -> None:
    run = deck.runs.start("greet", {"name": "Ada"})
    page = browser.get(f"{P}/runs/{run.id}").text
    live = re.search(r'hx-get="([^"]+/live[^"]*)" hx-trigger="every 2s"', page)
    assert live is not None
    address = live[1].replace("&amp;", "&")
    assert 'id="run-why"' not in browser.get(address).text
    deck.queues.pause("default")
    answer = browser.get(address).text
    assert 'id="run-why" hx-swap-oob="true"' in answer and 'id="run-state"' not in answer


def test_a_run_is_run_again(post: Any, look: Any, deck: Deck) -> None:
    run = deck.runs.start("greet", {"name": "Ada"}, title="Once")
    assert "it can be run again when it has ended" in words_of(post(f"/runs/{run.id}/again"))
    deck.runs.stop(run.id)
    assert "Run again With other arguments… Delete…" in look(f"/runs/{run.id}")
    page = look(led(post(f"/runs/{run.id}/again")))
    assert "It is queued again; this is the new run." in page and "Again of an earlier run" in page
    again = deck.runs.list().items[0]
    assert (again.retry_of, again.arguments, again.started_by and again.started_by.name) == (
        run.id, run.arguments, "Ada",
    )  # fmt: skip


def test_a_run_is_run_again_with_other_arguments(post: Any, browser: Any, deck: Deck) -> None:
    run = deck.runs.start("greet", {"name": "Ada", "times": 3})
    deck.runs.stop(run.id)
    form = browser.get(f"{P}/runs/{run.id}/again/form").text
    assert 'value="Ada"' in form and 'value="3"' in form
    wrong = post(f"/runs/{run.id}/again/form", **{"args.name": "Bob", "args.times": "many"})
    assert wrong.status_code == 400 and 'href="#args-times"' in wrong.text and 'value="Bob"' in wrong.text
    led(post(f"/runs/{run.id}/again/form", **{"args.name": "Bob", "args.times": "4", "args.tone": '"kind"'}))
    again = deck.runs.list().items[0]
    assert (again.arguments, again.retry_of) == ({"name": "Bob", "times": 4, "tone": "kind"}, run.id)


def test_a_plain_function_is_run_again_with_other_arguments(post: Any, browser: Any, deck: Deck) -> None:
    run = deck.enqueue("json:dumps", [1], {"indent": 2})
    deck.runs.stop(run.id)
    assert "&#34;indent&#34;: 2" in browser.get(f"{P}/runs/{run.id}/again/form").text
    for text in ("[1]", "{nonsense"):
        wrong = post(f"/runs/{run.id}/again/form", arguments=text)
        assert wrong.status_code == 400 and 'href="#arguments"' in wrong.text
    led(post(f"/runs/{run.id}/again/form", arguments='{"indent": 4}'))
    again = deck.runs.list().items[0]
    assert (again.function, again.positional, again.arguments) == ("json:dumps", (1,), {"indent": 4})


def test_all_that_fit_are_run_again_after_a_question(post: Any, browser: Any, look: Any, deck: Deck) -> None:
    stopped = [deck.runs.start("greet", {"name": name}).id for name in "ab"]
    for run_id in stopped:
        deck.runs.stop(run_id)
    deck.runs.stop(deck.runs.start("count_days").id)
    assert "Run again all that fit" not in look("/runs") + look("/runs?type=greet") + look("/runs?status=QUEUED")
    listed = browser.get(f"{P}/runs?status=CANCELLED&type=greet")
    offered = re.search(r'href="([^"]+/runs/again[^"]*)"', listed.text)
    assert offered is not None
    question = look(offered[1].replace("&amp;", "&"))
    assert "Run 2 runs again? Status: Cancelled Type: Greet people" in question
    page = look(led(post("/runs/again", status="CANCELLED", type="greet")))
    assert "They are queued again" in page
    made = [run for run in deck.runs.list().items if run.retry_of]
    assert [run.retry_of for run in reversed(made)] == stopped
    for query in ("", "?type=greet", "?status=QUEUED", "?status=NONSENSE"):
        assert browser.get(f"{P}/runs/again{query}").status_code == 400
    assert post("/runs/again", type="greet").status_code == 400


def test_a_parent_shows_its_sub_runs_and_they_show_it(browser: Any, look: Any, deck: Deck, begin: Any) -> None:
    parent = deck.runs.start("greet", {"name": "Ada"})
    begin(parent.id)
    children = [deck.runs.create_subtask(parent.id, title=f"Part {number}") for number in range(2)]
    deck.runs.start_subtask(children[0].id)
    deck.runs.finalize_subtask(children[0].id, success=False, inserted_entries_count=1200, message="broken")
    page = look(f"/runs/{parent.id}")
    assert "Sub-runs Ended 1 of 2 so far With errors 1 Inserted 1,200" in page
    assert "Part 0" in page and "Somebody else executes it, and has not begun." in page
    assert f'href="{P}/runs/{parent.id}"' in browser.get(f"{P}/runs/{children[0].id}").text
    only = look(f"/runs?parent={parent.id}")
    assert "2 runs" in only and "Only sub-runs of one run" in only


def test_queues_are_paused_limited_and_resumed(post: Any, browser: Any, look: Any, deck: Deck) -> None:
    deck.runs.start("greet", {"name": "Ada"}, queue="slow")
    assert "Slow 1 just now 0 0 no worker" in look("/queues")
    page = look(led(post("/queues/slow/pause", reason="Disk is full")))
    assert "It is paused" in page and "paused just now by Ada: “Disk is full” Resume" in page
    assert "It is resumed" in look(led(post("/queues/slow/resume")))
    assert deck.queues.get("slow").pause is None
    assert "The limit is saved." in look(led(post("/queues/slow/limit", limit=" 3 ")))
    assert deck.queues.get("slow").limit == 3
    for wrong in ("0", "many", "1.5"):
        response = post("/queues/slow/limit", limit=wrong)
        assert (
            response.status_code == 400 and f'value="{wrong}" aria-describedby="queue-2-limit-wrong"' in response.text
        )
    assert "Must be a whole number" in words_of(response)
    led(post("/queues/slow/limit", limit=""))
    assert deck.queues.get("slow").limit is None
    for action in ("pause", "resume", "limit"):
        assert post(f"/queues/nope/{action}").status_code == 404
        assert browser.post(f"{P}/queues/slow/{action}", headers=HOME).status_code == 403


def test_types_are_paused_and_resumed(post: Any, browser: Any, look: Any, deck: Deck) -> None:
    page = look("/types")
    assert "Greet people greet Say hello. Default 1 none none active Run once… New job…" in page
    assert "Pause it…" in look("/types/greet")
    page = look(led(post("/types/greet/pause", reason="It shouts")))
    assert "Paused just now by Ada: “It shouts”. None of its runs begins. Resume" in page
    assert "paused just now by Ada: “It shouts” Resume" in look("/types")
    look(led(post("/types/greet/resume")))
    assert deck.types.paused() == {}
    assert post("/types/nope/pause").status_code == 404


def test_a_paused_type_that_is_gone_can_be_resumed(post: Any, look: Any, deck: Deck) -> None:
    with deck.database.write() as connection:
        lines.pause(connection, "type", "default", "gone", (deck.office.clock.now_us(), "Ada", "Lost too often"))
    assert "Paused, and not registered here gone paused just now by Ada: “Lost too often” Resume" in look("/types")
    look(led(post("/types/gone/resume")))
    assert deck.types.paused() == {}


def test_a_job_form_says_how_its_runs_are_run(post: Any, browser: Any, look: Any, deck: Deck) -> None:
    first = deck.jobs.create(title="First", type="greet", arguments={"name": "Ada"})
    closed = browser.get(f"{P}/jobs/new?type=greet").text
    assert '<details class="more"><summary>' in closed and f'<option value="{first.id}">First</option>' in closed
    more = {"priority": "-5", "max_attempts": "3", "limit": "2", "limit_policy": "skip", "after_job": str(first.id),
            "after_need": "end"}  # fmt: skip
    fields = {"title": "Second", "active": "true", "args.name": "Bob", "args.times": "1", "args.tone": '"kind"'}
    page = look(led(post("/jobs/new?type=greet", **fields, **more)))
    assert "Priority -5 Attempts 3 Limit 2 at once; others are skipped Runs after First , whatever became of it" in page
    second = next(job for job in deck.jobs.list().items if job.title == "Second")
    told = (second.priority, second.max_attempts, second.run_limit, second.limit_policy, second.after_job_id)
    assert told == (-5, 3, 2, "skip", first.id)
    form = browser.get(f"{P}/jobs/{second.id}/edit").text
    assert '<details class="more" open>' in form and f'<option value="{first.id}" selected>' in form
    led(post(f"/jobs/{second.id}/edit", **fields, after_job="", priority=""))
    second = deck.jobs.get(str(second.id))
    assert (second.priority, second.run_limit, second.after_job_id, second.after_need) == (None, None, None, None)
    wrong = post(f"/jobs/{second.id}/edit", **fields, priority="high", limit="0", after_job=str(second.id))
    assert wrong.status_code == 400 and '<details class="more" open>' in wrong.text
    for name in ("priority", "limit", "after_job"):
        assert f'href="#{name}"' in wrong.text
    assert 'value="high"' in wrong.text


def test_a_start_can_be_put_off(post: Any, deck: Deck) -> None:
    fields = {"args.name": "Ada", "args.times": "1", "args.tone": '"kind"'}
    led(post("/types/greet/run", **fields, start_at="2026-03-04T05:06", priority="9", expires_in=""))
    led(post("/types/greet/run", **fields, start_in="2h", expires_in="3h"))
    later, past = deck.runs.list().items
    assert later.available_at > later.created_at and later.expires_at is not None
    assert (past.priority, past.available_at, past.expires_at) == (9, past.created_at, None)
    wrong = post("/types/greet/run", **fields, start_at="2026-03-04T05:06", start_in="2h", priority="x", expires_in="y")
    assert wrong.status_code == 400 and '<details class="more" open>' in wrong.text
    for name in ("start_in", "priority", "expires_in"):
        assert f'href="#{name}"' in wrong.text
    assert 'type="datetime-local" value="2026-03-04T05:06"' in wrong.text


def test_attempts_are_told_one_by_one(look: Any, deck: Deck, begin: Any) -> None:
    run = deck.runs.start("greet", {"name": "Ada"}, retry=3)
    begin(run.id, "ConnectionError: no answer")
    page = look(f"/runs/{run.id}")
    assert "Attempts Attempt Outcome Started Took Where Message 1 Error" in page
    assert "ConnectionError: no answer" in page and "Attempt 1 of 3" in page
    assert "Attempt 1 of 3 failed; it is tried again in" in page
