"""Schedules in a real browser: the form while somebody types, without scripts, by keyboard, and pages that go on by themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from jobdeck.core.principal import SYSTEM, Principal

Visit = Callable[..., Page]
NIGHTLY = {"type": "cron", "expression": "30 2 * * *"}
WIDTHS = (360, 390, 1280)


@pytest.fixture
def job_id(site: Any) -> Iterator[str]:
    """A job that is gone afterwards, with its schedules."""
    job = site.deck.jobs.create(title="Every field, nightly", type="export_records", arguments={"limit": 3})
    yield str(job.id)
    site.deck.jobs.delete(str(job.id))


def choose(page: Page, kind: str) -> None:
    page.get_by_label(kind, exact=True).check()


def shown(page: Page) -> list[str]:
    """The fields of the chosen way to recur that can be seen."""
    return [str(one.get_attribute("id")) for one in page.locator(".part :is(input, select)").all() if one.is_visible()]


def test_only_the_fields_of_the_chosen_kind_are_shown(visit: Visit, job_id: str) -> None:
    page = visit(f"/jobs/{job_id}/schedules/new")
    assert shown(page) == ["at_time"]
    choose(page, "Every so often")
    assert shown(page) == ["every_number", "every_unit"]
    expect(page.locator("#preview-says")).to_have_text("Every 15 minutes")
    choose(page, "Weekly")
    assert shown(page) == [*(f"day-{day}" for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")), "at_time"]
    page.get_by_label("Friday").check()
    expect(page.locator("#preview-says")).to_have_text("At 02:00, on Monday and Friday (UTC)")
    choose(page, "Monthly")
    assert shown(page) == ["month_day", "at_time"]
    choose(page, "Cron")
    assert shown(page) == ["expression"]
    choose(page, "Once")
    assert shown(page) == ["once_at"]
    page.get_by_label("Date and time").fill("2098-03-01T10:15")
    expect(page.locator("#preview tbody tr")).to_have_count(1)
    expect(page.locator("#preview")).to_contain_text("After that it never runs again.")


def test_the_preview_tells_what_is_wrong_while_somebody_types(visit: Visit, job_id: str) -> None:
    page = visit(f"/jobs/{job_id}/schedules/new")
    choose(page, "Cron")
    expression = page.get_by_label("Expression")
    expression.press_sequentially("61 2 * * *", delay=30)
    expect(page.locator("#preview-says")).to_have_text("One thing does not fit yet.")
    expect(page.locator("#preview")).to_contain_text("61")
    expect(expression).to_be_focused()
    page.locator("#preview a").click()
    expect(expression).to_be_focused()
    expression.fill("30 2 * * mon-fri")
    expect(page.locator("#preview-says")).to_have_text("At 02:30, on Monday through Friday (UTC)")
    page.get_by_label("Time zone").fill("Berlin")
    expect(page.locator("#preview")).to_contain_text("did you mean Europe/Berlin?")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    expect(page.locator("#preview tbody tr")).to_have_count(10)
    assert page.locator("#preview-says").get_attribute("aria-live") == "polite"


def test_a_wrong_form_leads_to_its_fields(visit: Visit, site: Any, job_id: str) -> None:
    page = visit(f"/jobs/{job_id}/schedules/new")
    choose(page, "Cron")
    page.get_by_label("Expression").fill("banana")
    page.locator(".more > summary").click()
    page.get_by_label("Jitter").fill("soon")
    page.get_by_label("Let one wait").check()
    page.get_by_label("Arguments of its own").check()
    page.get_by_label("Limit").fill("0")
    page.get_by_role("button", name="Save").click()
    problems = page.locator("#problems")
    expect(problems).to_be_focused()
    expect(problems.locator("li")).to_have_count(3)
    for name, value in (("expression", "banana"), ("jitter", "soon"), ("args-limit", "0")):
        problems.locator(f"a[href='#{name}']").click()
        expect(page.locator(f"#{name}")).to_be_focused()
        expect(page.locator(f"#{name}")).to_have_value(value)
        expect(page.locator(f"#{name}")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Let one wait")).to_be_checked()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    page.get_by_label("Expression").fill("@daily")
    page.get_by_label("Jitter").fill("5m")
    page.get_by_label("Limit").fill("7")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".notice")).to_have_text("The schedule is saved.")
    (saved,) = site.deck.schedules.of_job(job_id)
    assert (saved.overlap, saved.jitter_s, saved.arguments["limit"]) == ("wait_one", 300, 7)


def test_it_works_without_scripts(visit: Visit, site: Any, job_id: str) -> None:
    page = visit(f"/jobs/{job_id}/schedules/new", java_script_enabled=False)
    choose(page, "Monthly")
    page.get_by_label("On day").fill("31")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    page.get_by_label("Look ahead from").fill("2027-01-01")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#preview-says")).to_contain_text("Europe/Berlin")
    expect(page.locator("#preview tbody tr").nth(1)).to_contain_text("Wed 31 Mar 2027, 02:00 CEST")
    expect(page.get_by_label("On day")).to_have_value("31")
    assert site.deck.schedules.of_job(job_id) == []
    # Enter saves; it does not only look ahead.
    page.get_by_label("On day").press("Enter")
    expect(page.locator(".notice")).to_have_text("The schedule is saved.")
    page.get_by_label("Why this schedule is paused").fill("Not now")
    page.get_by_role("button", name="Pause this schedule").click()
    expect(page.locator(".stand")).to_contain_text("“Not now”")


def test_a_schedule_is_made_by_keyboard_alone(visit: Visit, site: Any, job_id: str) -> None:
    page = visit(f"/jobs/{job_id}")

    def tab_to(target: Locator) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if target.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(f"{target} cannot be reached")

    tab_to(page.get_by_role("link", name="Add schedule…"))
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("New schedule")
    tab_to(page.get_by_label("Daily"))
    outline = page.locator("#kind-daily + label").evaluate("label => getComputedStyle(label).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_label("Every so often")).to_be_checked()
    tab_to(page.locator("#every_number"))
    page.keyboard.type("6")
    tab_to(page.locator("#every_unit"))
    page.keyboard.type("h")
    tab_to(page.locator(".more > summary"))
    page.keyboard.press("Enter")
    tab_to(page.get_by_label("Run once"))
    page.keyboard.press("ArrowDown")
    tab_to(page.get_by_role("button", name="Save"))
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Every 6 hours")
    (saved,) = site.deck.schedules.of_job(job_id)
    assert saved.misfire == "skip"
    tab_to(page.get_by_role("button", name="Pause this schedule"))
    page.keyboard.press("Enter")
    expect(page.locator(".stand .tag")).to_have_text("paused")


def test_the_page_goes_on_by_itself_but_not_under_the_fingers(
    visit: Visit, site: Any, job_id: str, until: Callable[..., Any]
) -> None:
    made = site.deck.schedules.create(job_id, {"type": "interval", "seconds": 1}, overlap="allow")
    page = visit(f"/schedules/{made.id}")
    expect(page.locator(".tick").first).to_be_visible()
    first = page.locator("#ahead time.wall").first
    before = first.get_attribute("datetime")
    expect(first).not_to_have_attribute("datetime", str(before))
    expect(page.locator("#schedule-facts")).to_contain_text(re.compile(r"Runs so far\s*[1-9]"))
    page.locator("#schedule a").first.focus()
    there = page.locator("#schedule time.wall").first.get_attribute("datetime")
    with page.expect_response(lambda response: f"/schedules/{made.id}" in response.url):
        until(lambda: site.deck.schedules.ticks(made.id).items[0].fire_at.isoformat() > str(there))
    assert page.locator("#schedule time.wall").first.get_attribute("datetime") == there
    site.deck.schedules.pause(made.id, "Enough")
    page.locator("h1").click()
    expect(page.locator(".stand")).to_contain_text("“Enough”")
    page.get_by_role("button", name="Resume this schedule").click()
    expect(page.locator(".stand .tag")).to_have_text("active")


@pytest.fixture(scope="module")
def schedule_pages(site: Any, until: Callable[..., Any]) -> Iterator[list[str]]:
    """Every page of schedules in every state, with text that would do something if it were markup."""
    text = site.jobs.HOSTILE
    deck = site.deck.acting_as(Principal(id="token:y", name=text, roles=SYSTEM.roles))
    hostile = deck.jobs.create(title=text, type="hostile", arguments={"text": text})
    plain = deck.jobs.create(title="Sleep", type="export_records", arguments={"limit": 1})
    ended = site.deck.schedules.create(str(plain.id), {"type": "interval", "milliseconds": 100}, max_count=1)
    nightly = deck.schedules.create(str(plain.id), NIGHTLY, time_zone="America/Argentina/ComodRivadavia", jitter="5m",
                                    max_count=9, starts_at="2027-01-01T00:00:00+00:00", misfire_window="6h")  # fmt: skip
    paused = deck.schedules.create(str(hostile.id), NIGHTLY, time_zone="Europe/Berlin", arguments={"text": text})
    deck.schedules.pause(paused.id, text)
    often = site.deck.schedules.create(
        str(plain.id), {"type": "crontab", "day_of_week": "mon-fri"}, time_zone="Asia/Tokyo"
    )
    run = until(lambda: next((tick.run_id for tick in deck.schedules.ticks(ended.id).items), None))
    until(lambda: deck.schedules.get(ended.id).next_fire_at is None)
    of_schedules = [f"/schedules/{one.id}{rest}" for one in (ended, nightly, paused, often)
                    for rest in ("", "/edit", "/delete", "?from=2027-03-27")]  # fmt: skip
    yield ["/schedules", "/schedules?q=nothing", f"/schedules?q={text}", f"/jobs/{plain.id}", f"/jobs/{hostile.id}",
           f"/jobs/{plain.id}/schedules/new", f"/jobs/{hostile.id}/schedules/new", "/jobs", f"/runs/{run}",
           *of_schedules]  # fmt: skip
    for job in (hostile, plain):
        deck.jobs.delete(str(job.id))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    visit: Visit, site: Any, schedule_pages: list[str], theme: str
) -> None:
    page, axe = visit(None, color_scheme=theme), Axe()
    for path in schedule_pages:
        page.goto(site.page(path))
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
        results = axe.run(page, options={"resultTypes": ["violations"]})
        assert results.violations_count == 0, (path, results.generate_report())


def test_axe_finds_nothing_in_an_open_form_on_a_narrow_screen(visit: Visit, job_id: str) -> None:
    page = visit(f"/jobs/{job_id}/schedules/new", viewport={"width": 390, "height": 800})
    page.locator(".more > summary").click()
    page.get_by_label("Arguments of its own").check()
    for kind in ("Every so often", "Weekly", "Monthly", "Cron", "Once"):
        choose(page, kind)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, kind
        results = Axe().run(page, options={"resultTypes": ["violations"]})
        assert results.violations_count == 0, (kind, results.generate_report())


def test_hostile_text_does_nothing(visit: Visit, site: Any, schedule_pages: list[str]) -> None:
    page = visit(None)
    for path in schedule_pages:
        page.goto(site.page(path))
        assert page.evaluate("window.reports") == [], path
        for forbidden in ("main img", "main script", "main svg:not(.icon)", "main [onerror]", "main [onload]"):
            assert page.locator(forbidden).count() == 0, (path, forbidden)
    page.goto(site.page("/schedules"))
    expect(page.locator("tr", has_text=site.jobs.HOSTILE).first).to_contain_text("paused")
