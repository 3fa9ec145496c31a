"""A person at a browser: Debian's chromium, driven by Playwright, that talks to nobody but the server under test."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.processes import ServerProcess

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
NO_CHROMIUM: Final = "there is no chromium here (make browser-tools installs Debian's)"
# Root needs no-sandbox; the others keep the browser from calling home.
_OPTIONS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP: Final = {"width": 1280, "height": 900}
PHONE: Final = {"width": 390, "height": 844}
WAIT_MS: Final = 30_000


@contextmanager
def running_browser() -> Iterator[Browser]:
    """One browser process."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*_OPTIONS])
        try:
            yield browser
        finally:
            browser.close()


class Person:
    """One browser profile that is signed in to one server, and what went wrong in its pages."""

    def __init__(self, browser: Browser, server: ServerProcess, **options: Any) -> None:
        options = {"viewport": DESKTOP, "timezone_id": "Asia/Kolkata", "locale": "en-GB"} | options
        self.context: BrowserContext = browser.new_context(base_url=server.url, **options)
        self.context.set_default_timeout(WAIT_MS)
        # A server that is started again has another port.
        self._own = {urlsplit(server.url).netloc, ""}
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.page = self.tab()
        self.page.goto("/login")
        self.page.get_by_label("API key").fill(server.key)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", name="Overview").wait_for()
        # Scripts come after the words: a key that is pressed before them goes nowhere.
        self.page.wait_for_load_state("load")

    def tab(self) -> Page:
        """One more tab, listened to."""
        page = self.context.new_page()
        page.on("console", lambda said: self._heard(said.type, said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        return page

    def _heard(self, kind: str, words: str) -> None:
        # A refused form is an answer with a status, and the browser remarks on it; that is no mistake of the page.
        if kind in {"error", "warning"} and "Failed to load resource" not in words:
            self.complaints.append(words)

    def close(self) -> None:
        """What must hold of every visit."""
        self.context.close()
        assert self.complaints == [], f"the browser's console has complaints: {self.complaints}"
        assert self.hosts <= self._own, f"a page has asked somebody else for something: {self.hosts - self._own}"


def accessibility_faults(page: Page) -> list[str]:
    """What axe finds that is serious or critical."""
    results = Axe().run(page)
    return [
        f"{found['id']} ({found['impact']}): {found['help']}: {[node['html'][:120] for node in found['nodes'][:3]]}"
        for found in results.response["violations"]
        if found["impact"] in {"serious", "critical"}
    ]
