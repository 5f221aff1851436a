"""A running site with a real worker, and browsers that are signed in to it."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, sync_playwright

from jobdeck import Deck
from jobdeck.core.principal import SYSTEM

HERE = Path(__file__).parent
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
          "--disable-component-update", "--disable-sync", "--no-first-run")  # fmt: skip
# Counts what the page's policy forbade; a page that keeps to it reports nothing.
_WATCH = "window.reports = []; document.addEventListener('securitypolicyviolation', e => reports.push(e.blockedURI))"


class Site:
    """A running site: its deck, and where it is reached."""

    def __init__(self, deck: Deck, address: str, site: Any) -> None:
        self.deck = deck
        self.address = address
        self.jobs = site
        self.token = deck.accounts.create_token(name="Ada", by=SYSTEM)

    def page(self, path: str) -> str:
        """The address of a page below the prefix."""
        return f"{self.address}/administration{path}"


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory, until: Callable[..., Any]) -> Iterator[Site]:
    """One site for all tests: web server and worker in a process tree of their own."""
    environ = {
        **os.environ,
        "JOBDECK_HOME": str(tmp_path_factory.mktemp("site")),
        "JOBDECK_PROCESSES": "4",
        "JOBDECK_STOP_GRACE": "2",
        "PYTHONPATH": str(HERE),
    }
    tree = subprocess.Popen(
        [sys.executable, "-m", "jobdeck", "--app", "browser_site:deck", "up", "--port", "0"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert tree.stdout is not None
    try:
        address = next(word for word in tree.stdout.readline().split() if word.startswith("http://"))
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("JOBDECK_HOME", environ["JOBDECK_HOME"])
            patched.syspath_prepend(HERE)
            module = importlib.import_module("browser_site")
            deck: Deck = module.deck
            assert deck.settings.home == Path(environ["JOBDECK_HOME"])
        until(deck.workers.list, seconds=30)
        yield Site(deck, address.rstrip("/"), module)
        deck.close()
    finally:
        tree.terminate()
        tree.wait(30)
        tree.stdout.close()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    found = shutil.which("chromium")
    assert found, "Chromium is not installed; `make test` installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def cookies(site: Site) -> list[dict[str, Any]]:
    """What a browser has after signing in."""
    session = site.deck.accounts.sign_in(site.token)
    assert session is not None
    return [{"name": "jobdeck", "value": session.id, "url": site.address}]


@pytest.fixture
def visit(chromium: Browser, site: Site, cookies: Any) -> Iterator[Callable[..., Page]]:
    """Opens a page, signed in; options are those of a browser context. Fails when a page misbehaves."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def listen(said: ConsoleMessage) -> None:
        if "Content Security Policy" in said.text:
            troubles.append(said.text)

    def open_page(path: str | None = "/jobs", *, signed_in: bool = True, **options: Any) -> Page:
        context = chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(10_000)
        context.add_init_script(_WATCH)
        if signed_in:
            context.add_cookies(cookies)
        page = context.new_page()
        page.on("dialog", dismiss)
        page.on("pageerror", lambda error: troubles.append(f"script: {error}"))
        page.on("console", listen)
        if path is not None:
            page.goto(site.page(path))
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            # Without scripts there is nothing to ask, and nothing that could have gone wrong.
            reports = page.evaluate("window.reports || []")
            troubles += [f"forbidden: {one}" for one in reports]
        context.close()
    assert troubles == []


@pytest.fixture
def finished(site: Site, until: Callable[..., Any]) -> Callable[..., Any]:
    """Runs a type to its end."""

    def run_to_end(type_id: str, arguments: dict[str, Any] | None = None, **options: Any) -> Any:
        run = site.deck.runs.start(type_id, arguments or {}, **options)
        return until(lambda: (found := site.deck.runs.get(run.id)).is_final and found)

    return run_to_end
