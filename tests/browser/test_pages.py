"""Every page: nothing serious for axe in either colour scheme, fits a phone, stays live, and weighs little."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Response, expect

from tests.acceptance.client import Client, numbers
from tests.browser.browsing import PHONE, Person, accessibility_faults
from tests.browser.stage import paths_of, set_stage
from tests.support.processes import ServerProcess

WEIGHT_MAX = 200_000


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_page_is_usable_by_everybody(
    start_server: Callable[..., ServerProcess], sign_in: Callable[..., Person]
) -> None:
    server = start_server(simulated_speed="20")
    paths = paths_of(set_stage(server))
    faults: list[str] = []
    for options in ({"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": PHONE}):
        page = sign_in(server, **options).page
        for name, path in paths.items():
            page.goto(path)
            expect(page.locator("h1")).to_have_count(1)
            faults += [f"{name} {options}: {fault}" for fault in accessibility_faults(page)]
            overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if overflow > 0:
                faults.append(f"{name} {options}: {overflow} px wider than the window")
    assert faults == []


@pytest.mark.slow
def test_the_first_page_weighs_little_and_stays_live(
    start_server: Callable[..., ServerProcess], sign_in: Callable[..., Person]
) -> None:
    server = start_server(simulated_speed="20")
    client = Client(server)
    client.set_pace(cps_max=20, channels_max=200)
    person = sign_in(server)
    responses: list[Response] = []
    page = person.context.new_page()
    page.on("response", lambda response: responses.append(response))  # noqa: PLW0108 - it marks what it calls
    page.goto("/")
    expect(page.locator("#running")).to_contain_text("No campaign is started")
    page.wait_for_load_state("load")
    weights = {
        r.url: sum(r.request.sizes()[part] for part in ("responseBodySize", "responseHeadersSize"))
        for r in responses
        if "/events/" not in r.url
    }
    assert any(url.endswith("htmx.min.js") for url in weights), "nothing came from a cache"
    assert sum(weights.values()) < WEIGHT_MAX, weights
    # Nobody loads it again: what happens comes by itself.
    client.campaign(numbers(0, 400))
    expect(page.locator("#running")).to_contain_text("on the wire")
    expect(page.locator(".kpi.dialled strong")).not_to_have_text("0")
    expect(page.locator(".plot canvas")).to_be_visible()
    server.kill9()
    expect(page.locator("#trouble")).to_contain_text("Not live")
    # The browser remarks on a server that went away, in every tab and with every try.
    person.context.close()
    person.complaints.clear()
    server.start()


@pytest.mark.slow
def test_times_are_those_of_the_viewer(
    start_server: Callable[..., ServerProcess], sign_in: Callable[..., Person]
) -> None:
    server = start_server()
    client = Client(server)
    client.terminate(campaign_id=client.campaign(numbers(0, 3)))
    seen = []
    for zone in ("Europe/Berlin", "America/New_York"):
        page = sign_in(server, timezone_id=zone).page
        page.goto("/receipts")
        at = page.locator("time[data-when]").first
        expect(at).to_have_attribute("title", f"{at.get_attribute('datetime')} (shown in {zone})")
        seen.append(at.inner_text())
    assert seen[0] != seen[1]
    plain = sign_in(server, java_script_enabled=False).page
    plain.goto("/receipts")
    expect(plain.locator("time[data-when]").first).to_contain_text("UTC")
