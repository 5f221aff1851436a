"""The way of an administrator through the pages, in a real browser with a real worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

Visit = Callable[..., Page]


def test_sign_in_run_watch_download(visit: Visit, site: Any) -> None:
    page = visit("/types/export_records", signed_in=False)
    expect(page).to_have_url(site.page("/sign-in") + "?next=%2Fadministration%2Ftypes%2Fexport_records")
    page.fill("#token", "jdk_wrong")
    page.click("main button")
    expect(page.locator("#token-wrong")).to_contain_text("not known")
    page.fill("#token", site.token)
    page.click("main button")
    expect(page.locator("h1")).to_have_text("Export records")

    before = site.deck.runs.list().total
    page.click("text=Run once…")
    page.fill("#args-limit", "5000")
    page.select_option("#args-serializer", label="json")
    page.click("text=Run now")
    problems = page.locator("#problems")
    expect(problems).to_be_focused()
    problems.get_by_role("link").click()
    limit = page.locator("#args-limit")
    expect(limit).to_be_focused()
    expect(limit).to_have_value("5000")
    expect(limit).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#args-limit-wrong")).to_contain_text("1000")
    expect(page.locator("#args-serializer")).to_have_value('"json"')
    assert "args-limit-wrong" in (limit.get_attribute("aria-describedby") or "")
    assert site.deck.runs.list().total == before

    limit.fill("30")
    page.click("text=Run now")
    expect(page.locator("#run-state .status")).to_contain_text("Success")
    expect(page.locator("#run-state .amount")).to_contain_text("30 of 30 (100 %)")
    expect(page.locator("#log .line.warning .text")).to_have_text("one record has no title")
    expect(page.locator("#log-total")).to_have_text("31 lines")
    expect(page.get_by_text("Ada, by hand")).to_be_visible()
    with page.expect_download() as download:
        page.click("text=records.txt")
    assert Path(download.value.path()).read_bytes() == b"all records"
    with page.expect_download() as download:
        page.click("text=JSON lines")
    assert len(Path(download.value.path()).read_text().splitlines()) == 31

    page.click("nav >> text=Runs")
    expect(page.locator("tbody tr").first).to_contain_text("Export records")
    page.click("text=Sign out")
    expect(page.locator(".notice")).to_have_text("You are signed out.")
    page.goto(site.page("/runs"))
    expect(page.locator("h1")).to_have_text("Sign in")


def test_stopping_a_run_with_a_reason(visit: Visit, site: Any) -> None:
    page = visit("/types/slow_nothing/run")
    page.click("text=Run now")
    expect(page.locator("#run-state .status")).to_contain_text("Running")
    expect(page.locator("#log .line").nth(5)).to_be_attached()
    # What is being typed survives everything that comes in meanwhile.
    page.locator("#reason").press_sequentially("it is enough", delay=80)
    expect(page.locator("#reason")).to_be_focused()
    page.click("button:text-is('Stop')")
    expect(page.locator("#run-state .status")).to_contain_text("Cancelled")
    expect(page.locator("#run-state")).to_contain_text("Ada asked it to stop")
    expect(page.locator("#run-state")).to_contain_text("“it is enough”")
    expect(page.locator("#run-actions")).to_contain_text("Delete…")
    page.click("text=Delete…")
    page.click("main button")
    expect(page.locator(".notice")).to_contain_text("The run is deleted")


def test_a_job_from_its_making_to_its_end(visit: Visit, site: Any) -> None:
    page = visit("/jobs")
    page.click("[aria-label='New job of Export records']")
    page.fill("#title", "")
    page.click("text=Save")
    expect(page.locator("#title-wrong")).to_contain_text("cannot be blank")
    page.fill("#title", "Nightly export")
    page.fill("#description", "For the aggregator")
    page.fill("#args-limit", "3")
    page.fill("#timeout", "15m")
    page.click("text=Save")
    expect(page.locator(".notice")).to_have_text("The job is saved.")
    expect(page.locator("h1")).to_have_text("Nightly export")
    expect(page.locator(".pairs")).to_contain_text("limit3")
    page.click("text=Run…")
    expect(page.locator("#args-limit")).to_have_value("3")
    page.fill("#args-limit", "4")
    page.click("text=Run now")
    expect(page.locator("h1")).to_have_text("Nightly export")
    expect(page.locator("#run-state .status")).to_contain_text("Success")
    page.click(".crumbs >> text=Nightly export")
    expect(page.locator("#runs tbody tr")).to_have_count(1)
    page.click("text=Edit")
    page.uncheck("#active")
    page.click("text=Save")
    expect(page.locator("h1 .tag")).to_have_text("inactive")
    page.click("text=Delete…")
    page.click("main button")
    expect(page.locator(".notice")).to_contain_text("The job is deleted")
    page.goto(site.page("/runs"))
    expect(page.locator("tbody tr").first).to_contain_text("Success")


def test_every_kind_of_field_arrives(visit: Visit, site: Any, until: Callable[..., Any]) -> None:
    page = visit("/types/every_field/run")
    page.fill("#args-name", "Ada")
    page.fill("#args-count", "3")
    page.uncheck("#args-dry_run")
    page.select_option("#args-maybe", label="No")
    page.fill("#args-at", "2026-03-04T05:06")
    page.fill("#args-pause", "15m")
    page.fill("#args-tags", "one\ntwo\n")
    page.fill("#args-contact-name", "Bob")
    page.fill("#args-anything", '"text"')
    page.click("text=Run now")
    expect(page.locator("#run-state .status")).to_contain_text("Success")
    run = site.deck.runs.get(page.url.rpartition("/")[2])
    assert run.arguments == {
        "name": "Ada",
        "count": 3,
        "ratio": 0.5,
        "dry_run": False,
        "maybe": False,
        "at": "2026-03-04T05:06:00+00:00",
        "pause": 900.0,
        "tags": ["one", "two"],
        "contact": {"name": "Bob", "email": ""},
        "anything": "text",
    }


def test_it_works_without_scripts(visit: Visit, site: Any) -> None:
    page = visit("/types/export_records/run", java_script_enabled=False)
    page.click("text=Run now")
    expect(page.locator("h1")).to_have_text("Export records")
    assert page.locator("noscript meta[http-equiv=refresh]").count() == 1 or page.locator(".status.success").count()
    expect(page.locator("#run-state .status.success")).to_be_visible(timeout=12_000)
    expect(page.locator(".line").first).to_be_visible()
