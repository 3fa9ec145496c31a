"""A receipt on paper and as files: one sheet however much it names, and the same bytes that the API answers."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from ringoff.domain.termination import CALL_IDS_MAX, REASON_LENGTH_MAX
from tests.acceptance.client import Client, csv_of, numbers
from tests.browser.browsing import Person
from tests.support.processes import ServerProcess

CALL_COUNT = CALL_IDS_MAX + 20
_SHEET = re.compile(rb"/Type\s*/Page[^s]")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_receipt_is_one_sheet_and_two_files(
    start_server: Callable[..., ServerProcess], sign_in: Callable[..., Person], theme: str
) -> None:
    server = start_server()
    client = Client(server)
    campaign_id = client.upload(csv_of(numbers(0, CALL_COUNT)))["list_id"]
    calls = client.get("/calling/history", bulk_list_id=campaign_id, limit="1000")["calls"]
    # The most that a receipt can name, and the longest reason.
    order = {"call_ids": [call["id"] for call in calls[:CALL_IDS_MAX]], "reason": "W" * REASON_LENGTH_MAX}
    given = server.http.post("/api/v1/terminations", json=order)
    assert given.status_code == 202, given.text
    termination_id = given.json()["termination_id"]
    page = sign_in(server, color_scheme=theme, accept_downloads=True).page
    page.goto(f"/receipts/{termination_id}")
    expect(page.locator("#outcome")).to_contain_text("the counts are final", timeout=30_000)
    assert len(_SHEET.findall(page.pdf(format="A4"))) == 1
    assert len(_SHEET.findall(page.pdf(format="Letter"))) == 1
    answer = server.http.get(f"/api/v1/terminations/{termination_id}", params={"limit": "1000"})
    exported = server.http.get(f"/api/v1/terminations/{termination_id}/export")
    assert len(answer.json()["calls"]) == CALL_IDS_MAX
    for name, expected in (("JSON", answer.content), ("Calls as CSV", exported.content)):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        assert download.value.path().read_bytes() == expected
    expect(page.locator("h2#calls")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator("h2#calls")).to_be_hidden()
    # Without this nobody could say in which zone a printed time is.
    after = "getComputedStyle(document.querySelector('dl.facts time'), '::after').content"
    assert "+00:00" in page.evaluate(after)
