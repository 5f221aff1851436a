"""Waiting, pausing and running again, in a real browser with a real worker."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]


def test_a_paused_queue_says_so_on_a_run_and_lets_it_go_when_resumed(visit: Visit, site: Any) -> None:
    page = visit("/queues")
    row = page.locator("tbody tr", has_text="quiet")
    row.get_by_label(re.compile("Why Quiet")).fill("Disk is full")
    row.get_by_role("button", name="Pause Quiet").click()
    expect(row).to_contain_text("paused")
    expect(page.locator(".notice")).to_contain_text("It is paused")
    run = site.deck.runs.start("export_records", {"limit": 1}, queue="quiet")
    watching = visit(f"/runs/{run.id}")
    expect(watching.locator("#run-why li")).to_contain_text("The queue quiet is paused by Ada: Disk is full.")
    results = Axe().run(watching)
    assert results.violations_count == 0, results.generate_report()
    row.get_by_role("button", name="Resume Quiet").click()
    expect(page.locator(".notice")).to_contain_text("It is resumed")
    expect(watching.locator("#run-state .status")).to_contain_text("Success")
    expect(watching.locator("#run-why")).to_be_empty()


def test_the_reasons_change_while_somebody_looks(visit: Visit, site: Any) -> None:
    run = site.deck.runs.start("export_records", {"limit": 1}, start_in="2h")
    page = visit(f"/runs/{run.id}")
    expect(page.locator("#run-why li")).to_have_count(1)
    site.deck.types.pause("export_records", "Not now")
    try:
        expect(page.locator("#run-why li")).to_have_count(2)
        expect(page.locator("#run-why li").last).to_contain_text("is paused by System: Not now.")
    finally:
        site.deck.types.resume("export_records")
    expect(page.locator("#run-why li")).to_have_count(1)
    page.click("button:text-is('Stop')")
    expect(page.locator("#run-state .status")).to_contain_text("Cancelled")


def test_running_again_with_other_arguments(visit: Visit, finished: Callable[..., Any]) -> None:
    run = finished("export_records", {"limit": 3})
    page = visit(f"/runs/{run.id}")
    page.click("text=With other arguments…")
    expect(page.locator("#args-limit")).to_have_value("3")
    page.fill("#args-limit", "0")
    page.click("main button:text-is('Run again')")
    expect(page.locator("#problems")).to_be_focused()
    page.fill("#args-limit", "4")
    page.click("main button:text-is('Run again')")
    expect(page.locator("#run-state .status")).to_contain_text("Success")
    expect(page.locator("#run-state .amount")).to_contain_text("4 of 4")
    page.click("text=an earlier run")
    expect(page.locator("#run-state .amount")).to_contain_text("3 of 3")
    page.click("button:text-is('Run again')")
    expect(page.locator(".notice")).to_contain_text("It is queued again")
    expect(page.locator("#run-state .amount")).to_contain_text("3 of 3")


def test_what_is_typed_into_a_list_is_not_taken_away(visit: Visit) -> None:
    page = visit("/queues")
    field = page.get_by_label(re.compile("How many runs of Quiet"))
    field.fill("7")
    page.locator("h1").click()
    with page.expect_response(lambda response: response.url.endswith("/queues")):
        pass
    page.wait_for_timeout(200)  # a swap would come right after the answer: that none comes is what is looked at
    expect(field).to_have_value("7")


def test_sub_runs_go_on_below_their_parent(visit: Visit, site: Any) -> None:
    run = site.deck.runs.start("in_parts", {"parts": 3})
    page = visit(f"/runs/{run.id}")
    expect(page.locator("#run-state .status")).to_contain_text("Success")
    page.reload()
    expect(page.locator("#runs tbody tr")).to_have_count(3)
    expect(page.locator("#run-state")).to_contain_text("3 of 3")
    page.locator("#runs .name").first.click()
    page.click("a:text-is('another run')")
    expect(page.locator("h1")).to_have_text("In parts")
