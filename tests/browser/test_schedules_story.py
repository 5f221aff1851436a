"""A nightly schedule for the example repository, from the first look to what became of each planned time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "repository"
STEP = timedelta(seconds=2)
JOB = "Update affiliations from ROR"


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The running example, with everything it needs: where it is reached, and its access token."""
    home = tmp_path / "home"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("JOBDECK_")}
    environ |= {"JOBDECK_HOME": str(home), "JOBDECK_STOP_GRACE": "2", "PYTHONPATH": str(EXAMPLE)}
    tree = subprocess.Popen(
        [sys.executable, "-m", "jobdeck", "--app", "repository:create_app", "up", "--port", "0"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert tree.stdout is not None
    try:
        address = next(word for word in tree.stdout.readline().split() if word.startswith("http://"))
        yield address.rstrip("/"), (home / "token").read_text().strip()
    finally:
        tree.terminate()
        tree.wait(30)
        tree.stdout.close()


@pytest.fixture
def page(chromium: Browser, repository: tuple[str, str]) -> Iterator[Page]:
    """A browser that is signed in to it."""
    address, token = repository
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto(f"{address}/administration/jobs")
    page.fill("#token", token)
    page.click("main button")
    yield page
    context.close()


def planned_times(page: Page) -> list[datetime]:
    """Every planned time that is accounted for, latest first, over all pages of the table."""
    found: list[datetime] = []
    while True:
        times = page.locator(".ticks time.wall")
        found += [datetime.fromisoformat(one.get_attribute("datetime") or "") for one in times.all()]
        older = page.locator("#schedule a[rel=next]")
        if older.count() == 0:
            return found
        older.click()


def test_a_nightly_schedule_from_the_first_look_to_the_account_of_its_times(
    page: Page, until: Callable[..., Any]
) -> None:
    page.click(f"text={JOB} >> nth=0")
    expect(page.locator("#schedules")).to_contain_text("It runs only when somebody starts it.")
    page.click("text=Add schedule…")
    expect(page.get_by_label("Daily")).to_be_checked()
    page.get_by_label("At", exact=True).fill("02:30")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    expect(page.locator("#preview-says")).to_have_text("At 02:30, every day (Europe/Berlin)")
    expect(page.locator("#preview tbody tr")).to_have_count(10)
    expect(page.locator("#preview th").first).to_have_text("Europe/Berlin")

    page.get_by_label("Look ahead from").fill("2027-03-27")
    rows = page.locator("#preview tbody tr")
    expect(rows.nth(0)).to_contain_text("Sat 27 Mar 2027, 02:30 CET")
    expect(rows.nth(0)).to_contain_text("Sat 27 Mar 2027, 01:30")
    expect(rows.nth(1)).to_contain_text("Sun 28 Mar 2027, 03:00 CEST")
    expect(rows.nth(1)).to_contain_text("02:30 does not exist on 28 March 2027")
    expect(rows.nth(1)).to_contain_text("Sun 28 Mar 2027, 01:00")
    expect(rows.nth(2)).to_contain_text("Mon 29 Mar 2027, 02:30 CEST")
    expect(rows.nth(2)).to_contain_text("Mon 29 Mar 2027, 00:30")
    expect(page.locator("#preview .changes").first).to_contain_text("02:30 comes twice on 31 October 2027")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".notice")).to_have_text("The schedule is saved.")
    expect(page.locator("h1")).to_have_text("At 02:30, every day (Europe/Berlin)")
    expect(page.locator("#ahead tbody tr")).to_have_count(10)
    expect(page.locator("#schedule")).to_contain_text("None has passed yet.")
    page.get_by_label("From", exact=True).fill("2027-10-30")
    page.locator("#ahead button").click()
    expect(page.locator("#ahead tbody tr").nth(1)).to_contain_text("Sun 31 Oct 2027, 02:30 CEST")
    expect(page.locator("#ahead tbody tr").nth(2)).to_contain_text("Mon 1 Nov 2027, 02:30 CET")

    page.get_by_label("Why this schedule is paused").fill("The server moves")
    page.get_by_role("button", name="Pause this schedule").click()
    expect(page.locator(".stand")).to_contain_text("by Administrator: “The server moves”")
    page.click("nav >> text=Jobs")
    expect(page.locator("tr", has_text=JOB)).to_contain_text("paused")
    page.click("nav >> text=Schedules")
    expect(page.locator("tr", has_text=JOB)).to_contain_text("“The server moves”")
    page.click("text=At 02:30, every day")
    page.get_by_role("button", name="Resume this schedule").click()
    expect(page.locator(".stand .tag")).to_have_text("active")

    page.click("text=Edit")
    expect(page.get_by_label("At", exact=True)).to_have_value("02:30")
    page.get_by_label("Every so often").check()
    page.get_by_label("Every", exact=True).fill("2")
    page.get_by_label("Unit").select_option("seconds")
    expect(page.locator("#preview-says")).to_have_text("Every 2 seconds")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".tick.fired").first).to_be_visible(timeout=20_000)
    own_address = page.url.partition("?")[0]
    page.locator(".ticks .status").last.click()
    expect(page.locator("#run-times")).to_contain_text("Every 2 seconds")
    expect(page.locator("#run-times")).to_contain_text("by its schedule")
    expect(page.locator("#run-state .status")).to_contain_text("Success", timeout=30_000)
    page.locator("#run-times").get_by_text("Every 2 seconds").click()
    page.get_by_role("button", name="Pause this schedule").click()
    expect(page.locator(".ticks tr", has_text="The schedule was paused.").first).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Resume this schedule").click()
    expect(page.locator(".ticks tbody tr").first).not_to_contain_text("was paused", timeout=20_000)
    expect(page.locator(".counts")).to_contain_text("missed 0")
    page.get_by_role("button", name="Pause this schedule").click()
    page.goto(own_address)
    times = planned_times(page)
    assert len(times) > 3
    assert [earlier + STEP for earlier in times[1:]] == times[:-1]
