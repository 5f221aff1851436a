"""The pages as a browser without scripts gets them; what scripts add is tested in `tests/browser`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from jobdeck import Deck, JobType
from jobdeck.core.ids import new_id
from jobdeck.services.accounts import Session
from jobdeck.store import tables
from jobdeck.web.bodies import BODY_LIMIT

P = "/administration"
HOME = {"Origin": "http://localhost"}


@pytest.fixture
def post(browser: Any, session: Session) -> Callable[..., Any]:
    """Sends a form as our own pages do."""

    def send(path: str, **fields: Any) -> Any:
        return browser.post(f"{P}{path}", data={"csrf_token": session.csrf_token, **fields}, headers=HOME)

    return send


def text_of(response: Any) -> str:
    """What a person reads on a page."""
    return " ".join(re.sub(r"<[^>]*>", " ", response.text.partition("<main")[2]).split())


def addresses_on(response: Any) -> set[str]:
    return set(re.findall(r'(?:href|action|src|hx-get)="([^"#]+)"', response.text))


def forms_on(response: Any) -> set[str]:
    """Where the page's forms are sent to."""
    return set(re.findall(r'<form method="post" action="([^"#]+)"', response.text))


def follow(browser: Any, response: Any) -> Any:
    assert response.status_code == 303, text_of(response)
    return browser.get(response.headers["Location"])


def test_the_first_visit_says_what_to_do(browser: Any) -> None:
    assert browser.get(f"{P}/").headers["Location"] == f"{P}/jobs"
    page = text_of(browser.get(f"{P}/jobs"))
    assert "No job is saved yet." in page
    assert "No worker is alive" in page
    assert "Greet people Say hello. Run once… New job…" in page
    assert "Nothing has been run yet." in text_of(browser.get(f"{P}/runs"))
    assert "jobdeck worker" in text_of(browser.get(f"{P}/workers"))


def test_every_link_leads_somewhere(browser: Any, deck: Deck, add_file: Any, add_log: Any) -> None:
    job = deck.jobs.create(title="Greet Ada", type="greet", arguments={"name": "Ada"})
    run = deck.runs.start(str(job.id))
    add_log(run, (20, "hello"))
    add_file(run, "a b.txt", "text/plain", b"x")
    deck.runs.stop(run.id)
    seen, waiting = set(), [f"{P}/jobs"]
    while waiting:
        address = waiting.pop()
        seen.add(address)
        with browser.get(address) as response:
            assert response.status_code == 200, address
            if response.mimetype == "text/html":
                found = {one.replace("&amp;", "&") for one in addresses_on(response) - forms_on(response)}
                waiting += sorted(found - seen - set(waiting))
    assert len(seen) >= 25


def test_what_is_not_there_is_said_on_a_page_with_a_way_back(browser: Any, give_away: Any, deck: Deck) -> None:
    job = deck.jobs.create(title="Greet Ada", type="greet", arguments={"name": "Ada"})
    run = deck.runs.start(str(job.id))
    give_away("other")
    foreign = [f"/jobs/{job.id}{rest}" for rest in ("", "/edit", "/run", "/delete")]
    foreign += [f"/runs/{run.id}{rest}" for rest in ("", "/live", "/log", "/log.txt", "/log.jsonl", "/delete")]
    for path in (*foreign, "/jobs/7", "/runs/7", "/types/nothing", "/types/nothing/run", "/jobs/new?type=nothing"):
        response = browser.get(f"{P}{path}")
        assert response.status_code == 404, path
        assert "There is nothing here" in text_of(response)
        assert f"{P}/jobs" in addresses_on(response)
    assert browser.get(f"{P}/nothing/at/all").status_code == 404


def test_below_our_pages_every_address_is_answered_by_us(deck: Deck) -> None:
    host = Flask("host")
    deck.init_app(host)
    client = host.test_client()
    response = client.get(f"{P}/runs/a/b/c")
    assert (response.status_code, "There is nothing here" in response.text) == (404, True)
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    theirs = client.get(f"{P}/records")
    assert theirs.status_code == 404
    assert "Content-Security-Policy" not in theirs.headers


def test_a_refused_change_is_said_on_a_page(browser: Any, deck: Deck) -> None:
    run = deck.runs.start("greet", {"name": "Ada"})
    response = browser.post(f"{P}/runs/{run.id}/stop", headers=HOME)
    assert response.status_code == 403
    assert "Not allowed The CSRF token is missing" in text_of(response)
    assert deck.runs.get(run.id).status == "QUEUED"
    response = browser.put(f"{P}/jobs", headers=HOME)
    assert response.status_code == 405


def test_a_form_that_is_too_large_is_refused(post: Any) -> None:
    response = post("/types/greet/run", **{"args.name": "x" * BODY_LIMIT})
    assert response.status_code == 413
    assert "Too large" in text_of(response)


def test_too_many_guesses_are_told_on_a_page(anonymous: Any) -> None:
    for _ in range(6):
        response = anonymous.post(f"{P}/sign-in", data={"token": "jdk_wrong"}, headers=HOME)
    assert response.status_code == 429
    assert "wait a minute" in text_of(response)
    assert response.headers["Retry-After"] == "60"


def test_our_own_failures_tell_a_reference_and_nothing_else(
    browser: Any, deck: Deck, app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(JobType):
        id, title, arguments_schema = "broken", "Broken", None

        @staticmethod
        def task() -> None: ...

        @classmethod
        def options(cls) -> Any:
            raise RuntimeError("secret detail")

    deck.register(Broken)
    response = browser.get(f"{P}/types/broken")
    assert response.status_code == 500
    assert "secret" not in response.text
    reference = re.search(r"Reference: (\w+)", response.text)
    assert reference is not None and reference[1] in caplog.text and "secret detail" in caplog.text


def test_sign_in_leads_on_to_where_one_wanted_to_go(anonymous: Any, token: str) -> None:
    page = anonymous.get(f"{P}/runs?status=FAILED", follow_redirects=True)
    wanted = re.search(r'name="next" value="([^"]+)"', page.text)
    assert wanted is not None
    data = {"token": token, "next": wanted[1]}
    response = anonymous.post(f"{P}/sign-in", data=data, headers=HOME)
    assert (response.status_code, response.headers["Location"]) == (303, f"{P}/runs?status=FAILED")
    assert anonymous.get(f"{P}/runs").status_code == 200
    assert "You are signed out" not in text_of(anonymous.get(f"{P}/runs"))


@pytest.mark.parametrize("secret", ["", "jdk_wrong"])
def test_a_wrong_token_is_said_beside_the_field(anonymous: Any, secret: str) -> None:
    response = anonymous.post(f"{P}/sign-in", data={"token": secret, "next": "/x"}, headers=HOME)
    assert response.status_code in (400, 403)
    assert 'aria-invalid="true"' in response.text
    assert 'value="/x"' in response.text
    assert not secret or secret not in response.text


def test_a_job_is_saved_changed_and_deleted(post: Any, browser: Any, deck: Deck) -> None:
    plain = {"title": "Greet Ada", "description": "", "queue": "slow", "timeout": "15m", "active": "true"}
    fields = {**plain, "args.name": "Ada", "args.times": "2", "args.tone": '"gruff"', "custom_args": ""}
    page = text_of(follow(browser, post("/jobs/new?type=greet", **fields)))
    assert "The job is saved." in page
    (job,) = deck.jobs.list().items
    assert job.arguments == {"name": "Ada", "times": 2, "tone": "gruff"}
    assert (job.queue, job.timeout_s, job.active, job.description) == ("slow", 900.0, True, None)

    form = browser.get(f"{P}/jobs/{job.id}/edit").text
    assert 'value="Greet Ada"' in form and 'value="900"' in form and "&#34;gruff&#34;" in form
    del fields["active"]
    follow(browser, post(f"/jobs/{job.id}/edit", **{**fields, "custom_args": '{"name": "Bob"}', "timeout": ""}))
    job = deck.jobs.get(str(job.id))
    assert (job.active, job.timeout_s, job.custom_arguments) == (False, None, {"name": "Bob"})

    assert "will be gone" in text_of(browser.get(f"{P}/jobs/{job.id}/delete"))
    assert "The job is deleted." in text_of(follow(browser, post(f"/jobs/{job.id}/delete")))
    assert deck.jobs.list().total == 0


def test_a_wrong_form_keeps_what_was_typed_and_stores_nothing(post: Any, deck: Deck) -> None:
    fields = {"title": "", "timeout": "soon", "args.name": "Ada", "args.times": "two", "custom_args": ""}
    response = post("/jobs/new?type=greet", **fields)
    assert response.status_code == 400
    page = text_of(response)
    assert "3 things do not fit" in page
    for wrong in ("title", "timeout", "args-times"):
        assert f'href="#{wrong}"' in response.text
        assert re.search(
            rf'id="{wrong}"[^>]*aria-describedby="[^"]*{wrong}-wrong[^>]*aria-invalid="true"', response.text
        )
    assert 'value="two"' in response.text and 'value="soon"' in response.text
    response = post("/types/greet/run", custom_args="[1]", **{"args.name": "Ada"})
    assert (response.status_code, "Must be an object" in response.text) == (400, True)
    response = post("/types/greet/run", custom_args='{"name"', **{"args.name": "Ada"})
    assert (response.status_code, "not valid JSON" in response.text) == (400, True)
    assert (deck.jobs.list().total, deck.runs.list().total) == (0, 0)


def test_a_complaint_about_no_field_of_the_form_is_told_too(post: Any, deck: Deck) -> None:
    response = post("/types/greet/run", queue="nowhere", **{"args.name": "Ada"})
    assert response.status_code == 400
    assert "One thing does not fit Queue: Must be one of: default, slow." in text_of(response)


def test_a_run_is_started_by_hand_and_stopped_with_a_reason(post: Any, browser: Any, deck: Deck) -> None:
    page = text_of(follow(browser, post("/types/greet/run", title="For Ada", queue="", **{"args.name": "Ada"})))
    assert page.startswith('id="main" tabindex="-1"> Runs › Greet people For Ada') and "No worker is alive" in page
    (run,) = deck.runs.list().items
    assert (str(run.trigger), run.started_by and run.started_by.name) == ("manual", "Ada")
    page = text_of(follow(browser, post(f"/runs/{run.id}/stop", reason="Wrong name")))
    assert "Cancelled" in page and "Ada asked it to stop just now : “Wrong name”" in page
    page = text_of(follow(browser, post(f"/runs/{run.id}/stop")))
    assert "The run had ended before it could be stopped." in page
    assert "The run is deleted" in text_of(follow(browser, post(f"/runs/{run.id}/delete")))
    assert deck.runs.list().total == 0


def test_a_run_that_goes_on_is_not_deleted(post: Any, deck: Deck) -> None:
    run = deck.runs.start("greet", {"name": "Ada"})
    assert post(f"/runs/{run.id}/delete").status_code == 400
    assert deck.runs.get(run.id).status == "QUEUED"


def test_a_job_runs_with_its_saved_arguments(post: Any, browser: Any, deck: Deck) -> None:
    job = deck.jobs.create(title="Greet Ada", type="greet", arguments={"name": "Ada", "times": 3}, queue="slow")
    form = browser.get(f"{P}/jobs/{job.id}/run").text
    assert 'value="Ada"' in form and 'value="3"' in form
    follow(browser, post(f"/jobs/{job.id}/run", **{"args.name": "Ada", "args.times": "3", "args.tone": '"kind"'}))
    (run,) = deck.runs.list().items
    assert (run.job_id, run.queue, run.arguments) == (job.id, "slow", {"name": "Ada", "times": 3, "tone": "kind"})


def test_a_type_that_is_gone_leaves_its_jobs_readable(browser: Any, deck: Deck) -> None:
    job = deck.jobs.create(title="Greet Ada", type="greet", arguments={"name": "Ada"})
    run = deck.runs.start(str(job.id))
    with deck.database.write() as connection:
        connection.execute(update(tables.jobs).values(type="gone"))
        connection.execute(update(tables.runs).values(type="gone"))
    assert "gone not registered" in text_of(browser.get(f"{P}/jobs"))
    assert "is not registered any more" in text_of(browser.get(f"{P}/jobs/{job.id}"))
    assert "name Ada" in text_of(browser.get(f"{P}/runs/{run.id}"))
    assert browser.get(f"{P}/jobs/{job.id}/edit").status_code == 200
    assert browser.get(f"{P}/jobs/{job.id}/run").status_code == 404


def test_a_job_whose_saved_arguments_do_not_fit_any_more_says_so(browser: Any, deck: Deck) -> None:
    job = deck.jobs.create(title="Greet Ada", type="greet", arguments={"name": "Ada"})
    with deck.database.write() as connection:
        connection.execute(update(tables.jobs).values(arguments=json.dumps({"name": "Ada", "times": "many"})))
    page = text_of(browser.get(f"{P}/jobs/{job.id}"))
    assert "Its saved arguments do not fit any more" in page
    assert 'value="many"' in browser.get(f"{P}/jobs/{job.id}/run").text


def test_secrets_are_not_shown(browser: Any, post: Any, deck: Deck) -> None:
    schema = {"type": "object", "properties": {"key": {"type": "string", "format": "password"}}}
    deck.register(JobType.create("Secretive", schema, "secretive", print, "", "Secretive"))
    job = deck.jobs.create(title="Secret", type="secretive", arguments={"key": "s3cret"})
    run = deck.runs.start(str(job.id))
    for path in (f"/jobs/{job.id}", f"/jobs/{job.id}/edit", f"/jobs/{job.id}/run", f"/runs/{run.id}"):
        assert "s3cret" not in browser.get(f"{P}{path}").text
    follow(browser, post(f"/jobs/{job.id}/edit", title="Still secret", **{"args.key": ""}))
    assert deck.jobs.get(str(job.id)).arguments == {"key": "s3cret"}


def test_runs_are_found_by_their_filters(browser: Any, deck: Deck) -> None:
    job = deck.jobs.create(title="Job of Ada", type="greet", arguments={"name": "Ada"})
    of_job, other = deck.runs.start(str(job.id)), deck.runs.start("count_days", title="Days until spring", queue="slow")
    deck.runs.stop(other.id)

    def found(query: str) -> list[str]:
        response = browser.get(f"{P}/runs?{query}")
        assert response.status_code == 200
        return [run.id for run in (of_job, other) if f"/runs/{run.id}" in response.text]

    assert found("") == [of_job.id, other.id]
    assert found("status=CANCELLED") == [other.id]
    assert found(f"job={job.id}") == [of_job.id]
    assert found("type=count_days&queue=slow&q=SPRING") == [other.id]
    assert found("q=nothing") == []
    assert found("status=NONSENSE&job=7&page=x&before=y") == [of_job.id, other.id]
    assert "No run fits" in text_of(browser.get(f"{P}/runs?q=nothing"))
    deck.jobs.delete(str(job.id))
    assert "a deleted job" in text_of(browser.get(f"{P}/runs?job={job.id}"))


def test_a_long_history_is_read_to_its_end_by_pages_and_then_by_cursor(browser: Any, deck: Deck) -> None:
    deck.runs.start_many("count_days", [{}] * 60)
    address, seen = f"{P}/runs?q=&type=count_days", []
    while address:
        response = browser.get(address)
        seen += re.findall(r'class="name" href="[^"]*/runs/([0-9a-f-]+)"', response.text)
        following = re.search(r'rel="next" href="([^"]+)"', response.text)
        address = following[1].replace("&amp;", "&") if following else ""
    assert len(seen) == len(set(seen)) == 60
    deep = browser.get(f"{P}/runs?type=count_days&before={seen[30]}")
    assert f"/runs/{seen[31]}" in deep.text and f"/runs/{seen[30]}" not in deep.text
    assert f'rel="prev" href="{P}/runs?type=count_days"' in deep.text
    with deck.database.write() as connection:
        row = {"id": new_id(1), "tenant": "default", "type": "count_days", "arguments": "{}", "queue": "default",
               "trigger": "api", "status": "QUEUED", "available_at": 1, "created_at": 1}  # fmt: skip
        many = [{**row, "id": new_id(at)} for at in range(1, 10_100)]
        connection.execute(tables.runs.insert(), many)
    last_by_number = browser.get(f"{P}/runs?page=400")
    assert "10,000+ runs, page 400" in text_of(last_by_number)
    assert "before=" in last_by_number.text


def test_below_a_mount_point_every_address_is_below_it(
    browser: Any, session: Session, deck: Deck, add_file: Any
) -> None:
    job = deck.jobs.create(title="Greet Ada", type="greet", arguments={"name": "Ada"})
    run = deck.runs.start(str(job.id))
    add_file(run, "ä/b.txt".replace("/", " "), "text/plain", b"content")
    browser.set_cookie("jobdeck", session.id)
    for path in (
        "/jobs",
        f"/jobs/{job.id}",
        f"/jobs/{job.id}/run",
        "/runs?status=QUEUED",
        f"/runs/{run.id}",
        "/workers",
    ):
        response = browser.get(f"{P}{path}", environ_overrides={"SCRIPT_NAME": "/repo"})
        assert response.status_code == 200
        assert all(one.startswith("/repo/") for one in addresses_on(response)), addresses_on(response)
    (file,) = [one for one in addresses_on(browser.get(f"{P}/runs/{run.id}")) if "/files/" in one]
    with browser.get(file) as response:
        assert response.data == b"content"


def test_a_notice_is_one_of_ours(browser: Any) -> None:
    assert "The job is saved." in text_of(browser.get(f"{P}/jobs?notice=saved"))
    assert (
        "Send money" not in browser.get(f"{P}/jobs?notice=Send+money").text.partition("<main")[2].partition("hx-get")[0]
    )
    assert "notice=" not in browser.get(f"{P}/jobs?notice=saved&q=x").text


def test_a_principal_without_rights_is_told_on_a_page(browser: Any, deck: Deck) -> None:
    with deck.database.write() as connection:
        connection.execute(update(tables.tokens).values(roles="[]"))
    response = browser.get(f"{P}/jobs")
    assert response.status_code == 403
    assert "Not allowed" in text_of(response)


def test_a_database_that_is_away_is_told_on_a_page(browser: Any, deck: Deck) -> None:
    with deck.database.write() as connection:
        tables.jobs.drop(connection)
    response = browser.get(f"{P}/jobs")
    assert response.status_code == 503
    assert "The database cannot serve" in text_of(response)
