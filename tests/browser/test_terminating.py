"""A campaign is ended from the page while it dials: with scripts and without, and the wire log says that it holds."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from ringoff.clock import SystemClock
from tests.acceptance.client import Client, csv_of, numbers
from tests.browser.browsing import Person
from tests.support.processes import ServerProcess, until

CALL_COUNT = 3_000
_clock = SystemClock()


def _dialling(start_server: Callable[..., ServerProcess], **settings: str) -> tuple[ServerProcess, Client, str]:
    server = start_server(simulated_speed="20", **settings)
    client = Client(server)
    client.set_pace(cps_max=40, channels_max=400)
    campaign_id = client.campaign(numbers(0, CALL_COUNT), retry_count=2)
    server.wait_for_rings(20)
    return server, client, campaign_id


def _nothing_rings(server: ServerProcess, client: Client, campaign_id: str, acknowledged_ns: int) -> None:
    """As the chaos run judges it: no request to ring left after the page with the receipt had come."""
    until(lambda: client.status_count(campaign_id, "ongoing") == 0, "what was on the wire has ended")
    late = [line for line in server.wire() if line.monotonic_ns > acknowledged_ns]
    assert late == []
    assert client.status_count(campaign_id, "registered") == client.status_count(campaign_id, "retry") == 0


def _settled(page: Page) -> None:
    expect(page.locator("#outcome")).to_contain_text("the counts are final", timeout=30_000)


@pytest.mark.slow
def test_a_campaign_is_ended_from_the_page_while_it_dials(
    start_server: Callable[..., ServerProcess], sign_in: Callable[..., Person]
) -> None:
    server, client, campaign_id = _dialling(start_server)
    page = sign_in(server).page
    expect(page.locator("#running")).to_contain_text("on the wire")
    dialled = page.locator(".kpi.dialled strong")
    expect(dialled).not_to_have_text("0")
    # The key goes to what is under the pointer.
    page.locator("#running .running").first.hover()
    page.keyboard.press("t")
    page.wait_for_url("**/terminate?level=campaign**")
    typed = page.get_by_label("to say that so many calls are to end")
    button = page.get_by_role("button", name="Terminate", exact=False).and_(page.locator("button.stop"))
    expect(button).to_be_disabled()
    page.get_by_label("Reason, for the receipt").fill("wrong prompt")
    first_count = page.locator("#preview .big strong").inner_text()
    expect(page.locator("#preview .big strong")).not_to_have_text(first_count)
    typed.fill("12")
    expect(button).to_be_disabled()
    wanted = typed.get_attribute("data-typed-count")
    assert wanted is not None
    typed.fill(wanted)
    expect(button).to_be_enabled()
    button.click()
    page.wait_for_url("**/receipts/**")
    acknowledged_ns = _clock.monotonic_ns()
    expect(page.get_by_role("heading", name="A whole campaign")).to_be_visible()
    _settled(page)
    expect(page.locator(".receipt")).to_contain_text("wrong prompt")
    cancelled = int(page.locator("#outcome dd").first.inner_text().replace(",", ""))
    assert 0 < cancelled <= int(wanted)
    _nothing_rings(server, client, campaign_id, acknowledged_ns)
    assert client.status_count(campaign_id, "cancelled") >= cancelled


@pytest.mark.slow
def test_the_same_without_scripts(start_server: Callable[..., ServerProcess], sign_in: Callable[..., Person]) -> None:
    server, client, campaign_id = _dialling(start_server)
    page = sign_in(server, java_script_enabled=False).page
    page.locator("header a.stop").click()
    page.get_by_label("or its id").fill(campaign_id)
    page.get_by_label("Reason, for the receipt").fill("wrong list")
    page.get_by_label("Hang up").check()
    page.get_by_role("button", name="Show what it would end").click()
    typed = page.get_by_label("to say that so many calls are to end")
    wanted = page.locator("#preview label code").inner_text()
    typed.fill(str(int(wanted) - 1))
    page.locator("button.stop").click()
    expect(page.get_by_role("alert")).to_contain_text("to say that this many calls are to end")
    typed.fill(page.locator("#preview label code").inner_text())
    page.locator("button.stop").click()
    page.wait_for_url("**/receipts/**")
    acknowledged_ns = _clock.monotonic_ns()
    # The page loads itself again while it settles.
    _settled(page)
    expect(page.locator(".receipt")).to_contain_text("were hung up")
    _nothing_rings(server, client, campaign_id, acknowledged_ns)


@pytest.mark.slow
def test_one_bad_number_of_a_pasted_list_is_shown_while_it_is_typed(
    start_server: Callable[..., ServerProcess], sign_in: Callable[..., Person]
) -> None:
    server = start_server()
    client = Client(server)
    called = numbers(0, 3)
    client.upload(b"Mobile Number,Name\n" + b"".join(f"{n},Ada\n".encode() for n in called))
    page = sign_in(server).page
    page.keyboard.press("t")
    page.wait_for_url("**/terminate")
    page.get_by_text("Numbers everywhere").click()
    expect(page.get_by_label("Campaign", exact=True)).to_be_hidden()
    box = page.get_by_label("Numbers, one a line, as E.164")
    # The key is a letter where somebody types.
    box.press_sequentially("t")
    assert page.url.endswith("/terminate")
    box.fill(f"{called[0]}\n+12\n{called[1]}")
    expect(page.locator("#preview")).to_contain_text("Entry 2: mobile_numbers[1] is not an E.164 phone number")
    box.fill(f"{called[0]}\n{called[1]}")
    button = page.get_by_role("button", name="Terminate 2 calls")
    expect(button).to_be_visible()
    page.get_by_label("Never call these numbers again", exact=False).check()
    button.click()
    page.wait_for_url("**/receipts/**")
    _settled(page)
    expect(page.locator("#outcome")).to_contain_text("numbers suppressed")
    statuses = {call["to_number"]: call["status"] for call in client.history()}
    assert statuses == {called[0]: "cancelled", called[1]: "cancelled", called[2]: "registered"}


@pytest.mark.slow
def test_a_number_that_was_typed_for_one_order_is_not_taken_for_another(
    start_server: Callable[..., ServerProcess], sign_in: Callable[..., Person]
) -> None:
    server = start_server()
    client = Client(server)
    first = client.upload(csv_of(numbers(0, 1_200)), campaign_name="First")["list_id"]
    second = client.upload(csv_of(numbers(5_000, 1_200)), campaign_name="Second")["list_id"]
    page = sign_in(server).page
    page.goto(f"/terminate?level=campaign&campaign_id={first}")
    typed = page.get_by_label("to say that so many calls are to end")
    typed.fill("1200")
    expect(page.locator("button.stop[type=submit]")).to_be_enabled()
    page.get_by_label("or its id").fill(second)
    expect(page.locator("#preview")).to_contain_text("Second")
    expect(typed).to_have_value("")
    expect(page.locator("button.stop[type=submit]")).to_be_disabled()
    assert client.statuses(first) == client.statuses(second) == {"registered": 1_200}


@pytest.mark.slow
def test_a_button_whose_count_has_jumped_waits_until_it_can_have_been_read(
    start_server: Callable[..., ServerProcess], sign_in: Callable[..., Person]
) -> None:
    server = start_server()
    client = Client(server)
    client.upload(csv_of(numbers(0, 5)))
    page = sign_in(server).page
    page.goto(f"/terminate?level=agent&agent_id={client.agent_id}")
    expect(page.get_by_role("button", name="Terminate 5 calls")).to_be_enabled()
    # Whether it was ever pressable in the moment of the change is asked inside the page: a look from here comes late.
    page.evaluate(
        """() => {
          window.sawDisabled = false;
          document.addEventListener("htmx:after:swap", () => queueMicrotask(() => {
            const button = document.querySelector("#order button.stop");
            if (button.textContent.includes("505")) window.sawDisabled ||= button.disabled;
          }));
        }"""
    )
    client.upload(csv_of(numbers(5_000, 500)))
    button = page.get_by_role("button", name="Terminate 505 calls")
    expect(button).to_be_visible()
    expect(button).to_be_enabled()
    assert page.evaluate("window.sawDisabled")
