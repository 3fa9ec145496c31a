"""The whole job in a browser: a messy list is looked at, stored, started, watched, and ended while it dials."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from ringoff.clock import SystemClock
from tests.acceptance.client import Client, numbers
from tests.browser.browsing import Person
from tests.support.processes import ServerProcess, until

_GOOD = numbers(0, 900)
_SUPPRESSED = numbers(1_000, 2)
# BOM, CRLF, a name that would be markup, one that would be a formula, two rows that nobody can call.
MESSY_CSV = "\r\n".join(
    [
        "\ufeffMobile Number,Name,Company",
        *[f"{number},Somebody,Acme" for number in (*_GOOD, *_SUPPRESSED)],
        "not a number,Hal,Acme",
        '+919000099990,"<img src=x onerror=alert(1)>","=1+1"',
        "+91 12,Jo,too short",
        "",
    ]
)
_clock = SystemClock()


def _upload(page: Page, content: str) -> None:
    page.get_by_role("link", name="Campaigns").click()
    page.get_by_role("button", name="New campaign").click()
    page.get_by_label("Name", exact=True).fill("January renewals")
    page.get_by_label("Agent").select_option(label="Demo agent")
    page.get_by_label("Country of numbers", exact=False).fill("+91")
    page.get_by_label("Time zone").select_option("UTC")
    page.get_by_label("From", exact=True).fill("00:00")
    page.get_by_label("To", exact=True).fill("23:59")
    page.get_by_label("Longest call, seconds").fill("60")
    page.get_by_label("CSV file", exact=False).set_input_files(
        {"name": "list.csv", "mimeType": "text/csv", "buffer": content.encode()}
    )
    page.get_by_role("button", name="Look at the list").click()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_from_a_messy_list_to_a_settled_receipt(
    start_server: Callable[..., ServerProcess], sign_in: Callable[..., Person]
) -> None:
    server = start_server(simulated_speed="20")
    client = Client(server)
    client.set_pace(cps_max=30, channels_max=300)
    suppress = {"mobile_numbers": _SUPPRESSED, "reason": "asked not to be called"}
    assert server.http.post("/api/v1/suppressions", json=suppress).status_code == 201
    page = sign_in(server).page

    _upload(page, MESSY_CSV)
    preview = page.locator("#preview")
    expect(preview).to_contain_text("2 invalid rows")
    for line in ("904", "906"):
        expect(preview.get_by_role("cell", name=line, exact=True)).to_be_visible()
    expect(preview).to_contain_text("suppressed")
    assert client.get("/campaign/all")["campaigns"] == [], "nothing is stored before it is confirmed"
    preview.get_by_label("Skip the invalid rows").check()
    preview.get_by_role("button", name="as a draft", exact=False).click()

    expect(page.get_by_role("heading", name="January renewals")).to_be_visible()
    campaign_id = page.url.rpartition("/")[2].partition("#")[0].partition("?")[0]
    page.get_by_label("+12025550100", exact=False).check()
    page.get_by_label("Now", exact=True).check()
    page.get_by_role("button", name="Start 903 calls").click()
    # It dials, and the page shows that without being loaded again.
    expect(page.locator("main")).to_contain_text("ongoing")
    server.wait_for_rings(40)
    expect(page.locator("main")).to_contain_text("attempts")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    server.wait_for_rings(10)

    page.locator("h1").click()
    page.keyboard.press("t")
    page.wait_for_url(f"**/terminate?level=campaign&campaign_id={campaign_id}")
    page.get_by_label("Reason, for the receipt").fill("the prompt names the wrong company")
    page.locator("button.stop").click()
    page.wait_for_url("**/receipts/**")
    acknowledged_ns = _clock.monotonic_ns()
    expect(page.locator("#outcome")).to_contain_text("the counts are final", timeout=30_000)
    expect(page.locator(".receipt")).to_contain_text("the prompt names the wrong company")

    until(lambda: client.status_count(campaign_id, "ongoing") == 0, "what was on the wire has ended")
    wire = server.wire()
    assert [line for line in wire if line.monotonic_ns > acknowledged_ns] == [], "something rang after the receipt"
    assert not {line.called_number for line in wire} & set(_SUPPRESSED)
    assert client.status_count(campaign_id, "registered") == client.status_count(campaign_id, "retry") == 0
    assert client.status_count(campaign_id, "cancelled") > 0
