"""A large list survives kill -9 from its acknowledgement on, and an order for it holds whatever dies."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.client import CALLING_NUMBER, COMPATIBLE, Client, csv_of, numbers
from tests.acceptance.test_crashes import receipts_not_settled
from tests.support.processes import ServerProcess, until

ROWS = 120_000


def upload(server: ServerProcess, client: Client, content: bytes) -> str:
    fields = {
        "agent_id": client.agent_id,
        "campaign_name": "Large",
        "country_code": "+1",
        "variables_map": '{"callee_name": "Name"}',
    }
    files = {"file": ("list.csv", content, "text/csv")}
    response = server.http.post(f"{COMPATIBLE}/campaign/upload-csv", data=fields, files=files)
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "verifying"
    list_id: str = response.json()["bulk_list_id"]
    return list_id


def status(client: Client, list_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = client.get(f"/campaign/upload-status/{list_id}")
    return shown


@pytest.mark.slow
def test_the_server_is_killed_while_a_list_is_verified(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server(lease_s="2", poll_s="0.05")
    client = Client(server)
    called = numbers(0, ROWS)
    list_id = upload(server, client, csv_of(called) + b"nobody,Nobody\n")
    server.kill9()  # At once after the answer.
    server.start()
    until(lambda: status(client, list_id)["percent"] > 0, "somebody has begun to verify it")
    server.kill9()
    server.start()
    assert status(client, list_id)["status"] == "verifying", "the crash came too late to meet anything"
    until(lambda: status(client, list_id)["status"] == "draft", "the list is verified", within_s=90)
    shown = status(client, list_id)
    assert (shown["total_callees"], shown["invalidated_rows_count"], shown["percent"]) == (ROWS, 1, 100)
    assert client.status_count(list_id, "registered") == ROWS
    body = {"agent_id": client.agent_id, "bulk_list_id": list_id, "from_numbers": [CALLING_NUMBER]}
    assert client.post("/campaign/make-call-async", body)["message"] == "Campaign calls scheduled"
    server.wait_for_rings(1)
    assert server.command("doctor").returncode == 0


@pytest.mark.slow
def test_a_server_that_is_stopped_leaves_its_list_to_the_next(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server(lease_s="2", poll_s="0.05", drain_s="0")
    client = Client(server)
    list_id = upload(server, client, csv_of(numbers(0, ROWS)))
    until(lambda: status(client, list_id)["percent"] > 0, "somebody has begun to verify it")
    server.stop()
    server.start()
    assert status(client, list_id)["status"] == "verifying", "it was verified before it was stopped"
    until(lambda: status(client, list_id)["status"] == "draft", "the list is verified", within_s=90)
    assert client.status_count(list_id, "registered") == ROWS


@pytest.mark.slow
def test_an_order_for_a_list_holds_when_whoever_verifies_it_dies(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server(lease_s="2", poll_s="0.05")
    client = Client(server)
    list_id = upload(server, client, csv_of(numbers(0, ROWS)))
    client.terminate(campaign_id=list_id)
    assert status(client, list_id)["status"] == "terminated"
    server.kill9()
    server.start()
    until(lambda: status(client, list_id)["percent"] == 100, "the list is verified", within_s=90)
    until(lambda: receipts_not_settled(server) == 0, "the receipt is settled", within_s=90)
    assert client.status_count(list_id, "cancelled") == ROWS
    assert status(client, list_id)["status"] == "terminated"
    assert server.wire_count() == 0
    assert server.command("doctor").returncode == 0
