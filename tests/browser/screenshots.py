"""Takes the pictures of the documentation: every page, light and dark, at a desk and on a phone.

``python -m tests.browser.screenshots DIRECTORY`` starts a server of its own with the simulated carrier.
"""

import sys
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

from tests.browser.browsing import CHROMIUM, DESKTOP, NO_CHROMIUM, PHONE, Person, running_browser
from tests.browser.stage import paths_of, set_stage
from tests.support.processes import ServerProcess

VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "desktop-light": {"viewport": DESKTOP, "color_scheme": "light"},
    "desktop-dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone-light": {"viewport": PHONE, "color_scheme": "light", "device_scale_factor": 1},
    "phone-dark": {"viewport": PHONE, "color_scheme": "dark", "device_scale_factor": 1},
}
_LIVE_MS: Final = 1_500
"""For a tick or two of live figures, so that charts are drawn."""


def main(directory: Path) -> None:
    if CHROMIUM is None:
        sys.exit(NO_CHROMIUM)
    directory.mkdir(parents=True, exist_ok=True)
    with running_browser() as browser, ServerProcess(shows_logs=False, simulated_speed="6") as server:
        paths = paths_of(set_stage(server))
        for variant, options in VARIANTS.items():
            person = Person(browser, server, timezone_id="Europe/Berlin", **{"locale": "en-GB"} | options)
            for name, path in paths.items():
                _take(person.page, path, directory / f"{name}-{variant}.png")
            person.close()


def _take(page: Page, path: str, target: Path) -> None:
    page.goto(path)
    page.wait_for_timeout(_LIVE_MS)
    # The window, not the page to its end: a picture in a document is to be seen at a glance.
    page.screenshot(path=target)
    sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
