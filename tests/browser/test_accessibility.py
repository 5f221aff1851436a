"""Every page in both themes as axe sees it, on a narrow screen, and by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]


@pytest.fixture(scope="package")
def all_pages(site: Any, until: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every page there is, with something on it."""
    deck = site.deck
    job = deck.jobs.create(title="Every field", type="every_field", arguments={"name": "Ada", "count": 2})
    ended = [deck.runs.start(type_id).id for type_id in ("export_records", "fail", "half")]
    for run_id in ended:
        until(lambda run_id=run_id: deck.runs.get(run_id).is_final)
    waiting = deck.runs.start("wait_for", {"path": str(tmp_path_factory.mktemp("gate") / "never")})
    until(lambda: deck.runs.get(waiting.id).status == "RUNNING")
    deck.types.pause("never_run", "It does nothing")
    later = deck.runs.start("export_records", start_in="2h", priority=5, unique_key="axe", expires_in="3h")
    parent = deck.runs.start("in_parts")
    until(lambda: deck.runs.get(parent.id).is_final)
    of_job = [f"/jobs/{job.id}{rest}" for rest in ("", "/edit", "/run", "/delete")]
    of_runs = [f"/runs/{run_id}" for run_id in (*ended, waiting.id, later.id, parent.id)]
    return [
        "/sign-in",
        "/jobs",
        "/jobs?q=nothing",
        "/jobs/new",
        "/jobs/new?type=every_field",
        *of_job,
        "/types",
        "/types/every_field",
        "/types/every_field/run",
        "/runs",
        *of_runs,
        f"{of_runs[0]}/log",
        f"{of_runs[0]}/delete",
        f"{of_runs[0]}/again/form",
        "/runs?status=FAILED",
        "/runs/again?status=FAILED",
        "/types/never_run",
        "/queues",
        "/workers",
        "/nowhere",
    ]


ALL_RULES = {"resultTypes": ["violations"]}
# All that can differ between two themes.
COLOURS = {"resultTypes": ["violations"], "runOnly": ["color-contrast", "link-in-text-block"]}


@pytest.mark.parametrize(("theme", "rules"), [("light", ALL_RULES), ("dark", COLOURS)])
def test_axe_finds_nothing(
    visit: Visit, site: Any, all_pages: list[str], theme: str, rules: dict[str, list[str]]
) -> None:
    page, axe = visit(None, color_scheme=theme), Axe()
    for path in all_pages:
        page.goto(site.page(path))
        results = axe.run(page, options=rules)
        assert results.violations_count == 0, (path, results.generate_report())


def test_axe_finds_nothing_in_a_wrong_form(visit: Visit) -> None:
    page = visit("/types/every_field/run")
    page.click("text=Run now")
    expect(page.locator("#problems li")).to_have_count(2)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_nothing_scrolls_sideways_on_a_narrow_screen(visit: Visit, site: Any, all_pages: list[str]) -> None:
    page = visit(None, viewport={"width": 360, "height": 700})
    for path in all_pages:
        page.goto(site.page(path))
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path


def test_a_run_is_started_by_keyboard_alone(visit: Visit) -> None:
    page = visit("/types/export_records")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()

    def tab_to(selector: str) -> None:
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"{selector} cannot be reached")

    tab_to("a.primary")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Run: Export records")
    tab_to("#args-limit")
    page.keyboard.type("7")
    tab_to("button.primary")
    page.keyboard.press("Enter")
    expect(page.locator("#run-state .status")).to_contain_text("Success")


def test_nothing_moves_for_whoever_wants_that(visit: Visit, site: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = site.deck.runs.start("wait_for", {"path": str(gate)})
    page = visit(f"/runs/{run.id}", reduced_motion="reduce")
    expect(page.locator(".status.running")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.status .icon')).animationName") == "none"
    gate.touch()
