"""What a page does by itself while somebody looks at it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

Visit = Callable[..., Page]


def test_a_long_log_keeps_its_newest_lines_and_the_page_stays_small(
    visit: Visit, site: Any, tmp_path: Path, until: Callable[..., Any]
) -> None:
    gate = tmp_path / "gate"
    run = site.deck.runs.start("wait_for", {"path": str(gate), "lines": 20_000})
    page = visit(f"/runs/{run.id}")
    expect(page.locator("#log-total")).to_have_text("20,000 lines")
    expect(page.locator("#log .line").last).to_contain_text("line 19999 of many")
    assert page.locator("#log .line").count() <= 2000
    assert page.evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight", page.query_selector("#log")) < 40
    page.click("text=Show earlier lines")
    expect(page.locator("h1")).to_have_text("Log")
    expect(page.locator(".line")).to_have_count(500)
    page.click("text=From the beginning >> nth=0")
    expect(page.locator(".line").first).to_contain_text("line 0 of many")
    gate.touch()
    until(lambda: site.deck.runs.get(run.id).is_final)


def test_reading_further_up_is_not_disturbed_and_asking_ends_with_the_run(
    visit: Visit, site: Any, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    run = site.deck.runs.start("wait_for", {"path": str(gate), "lines": 300})
    page = visit(f"/runs/{run.id}")
    expect(page.locator("#log .line")).to_have_count(300)
    expect(page.locator("#follow")).to_be_checked()
    page.evaluate("document.getElementById('log').scrollTop = 100")
    expect(page.locator("#follow")).not_to_be_checked()
    gate.touch()
    expect(page.locator("#log .line")).to_have_count(301)
    expect(page.locator("#run-state .status")).to_contain_text("Success")
    expect(page.locator("#announce")).to_have_text("The run is now: Success")
    assert page.evaluate("document.getElementById('log').scrollTop") == 100
    expect(page.locator("#live[hx-get]")).to_have_count(0)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.wait_for_timeout(1200)  # two times the span between two questions: silence is what is looked at
    assert requests == []


def test_only_severe_lines_are_shown_when_asked_for(visit: Visit, finished: Callable[..., Any]) -> None:
    page = visit(f"/runs/{finished('export_records').id}")
    page.select_option("select[name=level]", label="Warning and above")
    expect(page.locator("#log .line")).to_have_count(1)
    expect(page.locator("#log .line")).to_contain_text("one record has no title")


def test_colours_for_terminals_are_left_out_and_fields_are_shown(visit: Visit, finished: Callable[..., Any]) -> None:
    page = visit(f"/runs/{finished('half').id}")
    expect(page.locator("#log .line .text").first).to_have_text("red in a terminal country=NO")
    expect(page.locator("#run-state")).to_contain_text("3 entries had errors")


def test_a_failure_says_why(visit: Visit, finished: Callable[..., Any]) -> None:
    page = visit(f"/runs/{finished('fail').id}")
    expect(page.locator(".outcome p").first).to_have_text("ValueError: this can never work")
    page.click("#traceback summary")
    expect(page.locator("#traceback pre")).to_contain_text("raise ValueError")


def test_lists_go_on_by_themselves_but_not_under_the_fingers(
    visit: Visit, site: Any, finished: Callable[..., Any]
) -> None:
    finished("export_records", {"limit": 1})
    page = visit("/runs")
    first = page.locator("#runs tbody tr a").first
    newest = first.get_attribute("href")
    second = finished("export_records", {"limit": 1})
    expect(first).to_have_attribute("href", f"/administration/runs/{second.id}")
    assert newest != first.get_attribute("href")
    first.focus()
    with page.expect_response(lambda response: response.url.endswith("/runs")):
        finished("export_records", {"limit": 1})
    expect(first).to_be_focused()
    expect(first).to_have_attribute("href", f"/administration/runs/{second.id}")


def test_a_page_says_when_the_server_is_away(visit: Visit, site: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = site.deck.runs.start("wait_for", {"path": str(gate)})
    page = visit(f"/runs/{run.id}")
    expect(page.locator("#connection")).to_be_hidden()
    page.context.set_offline(True)
    expect(page.locator("#connection")).to_be_visible()
    gate.touch()
    page.context.set_offline(False)
    expect(page.locator("#connection")).to_be_hidden()
    expect(page.locator("#run-state .status")).to_contain_text("Success")
