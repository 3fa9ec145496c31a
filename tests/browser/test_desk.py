"""What is kept beside the calls, as a person keeps it: suppressions, keys, a trunk, webhooks, and numbers in full."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from tests.acceptance.client import Client, numbers
from tests.browser.browsing import Person
from tests.support.processes import ServerProcess, until


@contextmanager
def _subscriber() -> Iterator[tuple[str, list[bytes]]]:
    """Takes everything that is posted to it; its URL, and what has come."""
    came: list[bytes] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.slow
def test_somebody_is_never_called_again_and_then_may_be(
    start_server: Callable[..., ServerProcess], sign_in: Callable[..., Person]
) -> None:
    server = start_server()
    client = Client(server)
    asked, other = numbers(0, 2)
    page = sign_in(server).page
    page.get_by_role("link", name="Suppressions").click()
    page.get_by_role("button", name="Add numbers").click()
    page.get_by_label("Numbers, one a line, as E.164").fill(f"{asked}\nhello")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Line 2")
    assert server.http.get("/api/v1/suppressions").json()["suppressions"] == []
    page.get_by_label("Numbers, one a line, as E.164").fill(asked)
    page.get_by_label("Reason").first.fill("asked not to be called")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("cell", name="asked not to be called")).to_be_visible()
    assert asked not in page.content(), "masked until it is revealed"
    page.get_by_role("button", name="Reveal numbers").click()
    expect(page.get_by_role("rowheader", name=asked)).to_be_visible()
    campaign_id = client.campaign([asked, other])
    client.wait_until_over(campaign_id)
    assert {line.called_number for line in server.wire()} == {other}
    page.get_by_role("link", name=f"Remove {asked}").click()
    page.get_by_role("button", name="Remove", exact=False).click()
    expect(page.get_by_text("No number is suppressed.", exact=False)).to_be_visible()
    page.get_by_role("button", name="Mask numbers").click()
    client.campaign([asked])
    until(lambda: asked in {line.called_number for line in server.wire()}, "the number is rung again")


@pytest.mark.slow
def test_a_key_is_shown_once_opens_the_door_and_closes_it(
    start_server: Callable[..., ServerProcess], sign_in: Callable[..., Person]
) -> None:
    server = start_server()
    page = sign_in(server).page
    page.get_by_role("link", name="API keys").click()
    page.get_by_label("Name of a new key").fill("CRM import")
    page.get_by_role("button", name="Make a key").click()
    key = page.get_by_label("API key", exact=True).input_value()
    headers = {"X-API-KEY": key}
    assert server.http.get("/ca/api/v0/agent/all", headers=headers).status_code == 200
    page.get_by_role("button", name="I have it").click()
    expect(page.get_by_role("rowheader", name="CRM import")).to_be_visible()
    assert key not in page.content()
    page.get_by_role("link", name="Revoke CRM import").click()
    page.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_role("link", name="Revoke CRM import")).to_have_count(0)
    assert server.http.get("/ca/api/v0/agent/all", headers=headers).status_code == 401
    page.get_by_role("button", name="Sign out").click()
    page.goto("/keys")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


@pytest.mark.slow
def test_an_event_is_sent_again_and_a_trunk_is_turned_off(
    start_server: Callable[..., ServerProcess], sign_in: Callable[..., Person]
) -> None:
    server = start_server(webhook_allow_private="true")
    client = Client(server)
    with _subscriber() as (url, came):
        webhook = {"event_type": ["call_completed"], "callback_url": url}
        assert server.http.put("/api/v1/webhooks", json=webhook).is_success
        client.wait_until_over(client.campaign(["+919000000001"]))
        until(lambda: len(came) == 1, "the event is delivered")
        page = sign_in(server).page
        page.get_by_role("link", name="Webhooks").click()
        expect(page.get_by_role("button", name="Send event", exact=False)).to_have_count(1)
        page.get_by_role("button", name="Send event", exact=False).click()
        until(lambda: len(came) == 2, "the event is delivered again")
        assert came[0] == came[1]
    page.get_by_role("link", name="Agents and numbers").click()
    page.get_by_role("link", name="Simulated carrier").click()
    page.get_by_role("button", name="Turn off", exact=False).click()
    assert server.http.get("/api/v1/trunks").json()["trunks"][0]["is_enabled"] is False
    page.goto("/")
    expect(page.locator("#trunks")).to_contain_text("off")
