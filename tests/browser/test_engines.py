"""Engines and unserved queues in a real browser: what is said, found by the page itself, and can be reached by keyboard."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from sqlalchemy import update

from jobdeck.core.filters import RunFilter
from jobdeck.store import tables

Visit = Callable[..., Page]
PATIENCE_MS, USUAL_MS = 30_000, 5_000


@pytest.fixture
def opened(visit: Visit, site: Any) -> Iterator[Visit]:
    """Opens a page with more patience: the first one of all may come when a worker has just been started beside it."""

    def open_page(path: str, **options: Any) -> Page:
        page = visit(None, **options)
        page.set_default_timeout(PATIENCE_MS)
        page.goto(site.page(path))
        return page

    expect.set_options(timeout=PATIENCE_MS)
    yield open_page
    expect.set_options(timeout=USUAL_MS)


def fits(page: Page) -> None:
    """Axe finds nothing, and nothing scrolls sideways on a narrow screen."""
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    wide = page.viewport_size
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert wide is not None
    page.set_viewport_size(wide)


def test_a_run_that_cannot_be_interrupted_is_asked_to_stop(
    opened: Visit, site: Any, tmp_path: Path, until: Callable[..., Any]
) -> None:
    gate = tmp_path / "gate"
    # Whoever enqueues there executes: this process, in a thread.
    at_work = threading.Thread(
        target=site.deck.runs.start, args=("wait_for", {"path": str(gate)}), kwargs={"queue": "here"}
    )
    at_work.start()
    (run,) = until(lambda: site.deck.runs.list(RunFilter(queue="here", statuses=("RUNNING",))).items, 30)
    try:
        page = opened(f"/runs/{run.id}")
        button = page.get_by_role("button", name="Ask it to stop")
        expect(button).to_be_visible()
        expect(button).to_have_accessible_description(
            "It runs inside the process that queues it and cannot be interrupted: it ends where it looks for the stop."
        )
        fits(page)
        button.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#run-state .status")).to_contain_text("Cancelling")
        expect(page.locator("#run-state .caution")).to_contain_text("Asked to stop; this job cannot be interrupted.")
        fits(page)
        workers = opened("/workers", color_scheme="dark")
        expect(workers.locator("tr", has_text="inline").locator(".held a")).to_have_text("Wait for a file")
        fits(workers)
    finally:
        gate.touch()
        at_work.join(60)
    expect(page.locator("#run-state .caution")).to_have_count(0)
    queues = opened("/queues", color_scheme="dark")
    expect(queues.locator("section", has_text="Engines")).to_contain_text("Force-stop")
    fits(queues)


def test_a_queue_that_nobody_serves_is_an_alert_until_it_is_over(opened: Visit, site: Any) -> None:
    pages = [
        opened(path, color_scheme=theme)
        for path, theme in (("/jobs", "light"), ("/runs", "dark"), ("/queues", "light"))
    ]
    run = site.deck.runs.start("export_records", {"limit": 1}, start_in="2h")
    gone = update(tables.runs).where(tables.runs.c.id == run.id, tables.runs.c.status == "QUEUED")
    long_ago = site.deck.office.clock.now_us() - 600_000_000
    with site.deck.database.write() as connection:
        connection.execute(gone.values(queue="gone", available_at=long_ago, order_at=long_ago))
    try:
        for page in pages:
            box = page.locator(".attention", has_text="gone")
            expect(box).to_contain_text("Runs of the queue gone wait in vain; the oldest could have begun 10 min ago")
            fits(page)
        link = pages[0].locator(".attention a")
        link.focus()
        pages[0].keyboard.press("Enter")
        expect(pages[0].locator("#runs tbody tr")).to_have_count(1)
    finally:
        site.deck.runs.stop(run.id)
    expect(pages[1].locator(".attention", has_text="gone")).to_have_count(0)
    expect(pages[2].locator(".attention", has_text="gone")).to_have_count(0)
