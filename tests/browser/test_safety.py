"""Text from jobs is only ever text: no dialog opens and the policy has nothing to forbid, wherever it is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from jobdeck.core.principal import SYSTEM, Principal

Visit = Callable[..., Page]


@pytest.fixture(scope="package")
def hostile_pages(site: Any, until: Callable[..., Any]) -> list[str]:
    """Every page that shows what jobs and people said, when all of it is hostile."""
    text = site.jobs.HOSTILE
    deck = site.deck.acting_as(Principal(id="token:x", name=text, roles=SYSTEM.roles))
    job = deck.jobs.create(title=text, type="hostile", description=text, arguments={"text": text}, queue="hostile")
    runs = [
        deck.runs.start(str(job.id)),
        deck.runs.start("hostile", {"number": 1}, title=text),
        deck.runs.start("slow_nothing", title=text),
    ]
    until(lambda: deck.runs.get(runs[2].id).status == "RUNNING")
    deck.runs.stop(runs[2].id, text)
    for run in runs:
        until(lambda run=run: deck.runs.get(run.id).is_final)
    assert [str(deck.runs.get(run.id).status) for run in runs] == ["SUCCESS", "FAILED", "CANCELLED"]
    deck.queues.pause("hostile", text)
    waiting = deck.runs.start("hostile", queue="hostile", title=text, unique_key=text)
    of_runs = [f"/runs/{run.id}{rest}" for run in runs for rest in ("", "/log", "/delete", "/again/form")]
    of_runs.append(f"/runs/{waiting.id}")
    of_job = [f"/jobs/{job.id}{rest}" for rest in ("", "/edit", "/run", "/delete")]
    return [
        "/jobs",
        "/jobs?q=script",
        f"/jobs?q={text}",
        "/jobs/new",
        "/jobs/new?type=hostile",
        "/types",
        "/types/hostile",
        "/types/hostile/run",
        f"/types/{text.replace('/', '|')}",
        "/runs",
        f"/runs?q={text}",
        f"/sign-in?next={text}",
        "/queues",
        f"/runs/again?status=FAILED&q={text}",
        "/workers",
        *of_job,
        *of_runs,
    ]


def test_hostile_text_does_nothing(visit: Visit, site: Any, hostile_pages: list[str]) -> None:
    page = visit(None)
    for path in hostile_pages:
        page.goto(site.page(path))
        assert page.evaluate("window.reports") == [], path
        for forbidden in ("main img", "main script", "main svg:not(.icon)", "main [onerror]", "main [onload]"):
            assert page.locator(forbidden).count() == 0, (path, forbidden)
    assert len(hostile_pages) > 25


def test_hostile_text_is_shown_as_it_is(visit: Visit, site: Any, hostile_pages: list[str]) -> None:
    text = site.jobs.HOSTILE
    page = visit(next(path for path in hostile_pages if path.startswith("/runs/") and path.count("/") == 2))
    for shown in ("h1", "#log .line .logger", "#result-heading + dl dd", ".pairs dd"):
        expect(page.locator(shown).first).to_have_text(text)
    expect(page.locator("#log .line .text").first).to_have_text(f"{text} extra={text}")
    expect(page.locator(".progress .amount")).to_contain_text(text)
    expect(page.locator("#file-1")).to_have_text(text.replace("/", "|"))


def test_a_wrong_form_gives_back_hostile_text(visit: Visit, site: Any) -> None:
    page = visit("/types/hostile/run")
    page.fill("#args-number", site.jobs.HOSTILE)
    page.click("text=Run now")
    expect(page.locator("#problems")).to_be_visible()
    expect(page.locator("#args-number")).to_have_value(site.jobs.HOSTILE)
    expect(page.locator("#args-text")).to_have_value(site.jobs.HOSTILE)


def test_another_site_can_do_nothing(visit: Visit, site: Any, finished: Callable[..., Any]) -> None:
    run = finished("export_records", {"limit": 1})
    page = visit(None)
    page.route("http://evil.example/", lambda route: route.fulfill(content_type="text/html", body=(
        f'<form method=post action="{site.page(f"/runs/{run.id}/delete")}"><button>Win</button></form>')))  # fmt: skip
    page.goto("http://evil.example/")
    page.click("text=Win")
    page.wait_for_url(f"{site.address}/**")
    assert site.deck.runs.get(run.id).id == run.id
