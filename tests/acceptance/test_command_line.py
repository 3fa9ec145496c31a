"""The commands beside a running server: what they print, and the codes that scripts look at."""

import asyncio
from collections.abc import Callable

import asyncpg
import httpx2

from tests.acceptance.client import Client, csv_of, numbers
from tests.support.processes import ServerProcess, until

OK, FAILED, MISUSED, UNREACHABLE = 0, 1, 2, 3
RAISED_BY_HAND = "UPDATE campaign SET epoch = epoch + 1, updated_at = clock_timestamp() RETURNING campaign_id"


def test_terminate_says_what_the_server_says(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    client = Client(server)
    waiting = client.upload(csv_of(numbers(0, 20)))["list_id"]
    here = {"RINGOFF_URL": server.url, "RINGOFF_API_KEY": server.key}

    done = server.command("terminate", "--campaign-id", waiting, "--number", numbers(0, 1)[0], "--yes", **here)
    assert (done.returncode, done.stderr) == (OK, "")
    first, second, third = done.stdout.splitlines()
    assert first == "Calls terminated successfully!"
    assert second.startswith("X-Termination-Id: ")
    assert third == "settled: 1 cancelled, 0 left ongoing, 0 retries barred, 0 hung up"
    assert client.status_count(waiting, "cancelled") == 1
    dry = server.command("terminate", "--campaign-id", waiting, "--dry-run", **here)
    assert dry.stdout.startswith("Would terminate 19 calls: 19 registered, 0 in retry; 0 ongoing")
    read_back = server.command("receipt", second.removeprefix("X-Termination-Id: "), **here)
    assert (read_back.returncode, third in read_back.stdout) == (OK, True)

    call_ids = [call["id"] for call in client.history(waiting, status="registered")[:2]]
    options = [text for call_id in call_ids for text in ("--call-id", call_id)]
    given = server.command("terminate", *options, "--yes", "--url", server.url, "--api-key", server.key)
    assert given.returncode == OK
    assert client.status_count(waiting, "cancelled") == 3
    assert server.command("terminate", "--number", numbers(5, 1)[0], "--yes", **here).returncode == OK
    assert server.command("terminate", "--campaign-id", waiting, "--yes", **here).returncode == OK
    assert client.statuses(waiting) == {"cancelled": 20}

    nothing = server.command("terminate", "--agent-id", client.agent_id, "--yes", **here)
    assert (nothing.returncode, nothing.stdout) == (FAILED, "")
    assert "No terminable calls found for the specified parameters" in nothing.stderr
    wrong_key = server.command("terminate", "--campaign-id", waiting, "--yes", **here | {"RINGOFF_API_KEY": "wrong"})
    assert wrong_key.returncode == FAILED
    assert "Invalid credentials" in wrong_key.stderr
    assert server.command("terminate", **here).returncode == MISUSED
    assert server.command("terminate", "--campaign-id", waiting, "--yes", RINGOFF_URL=server.url).returncode == MISUSED
    assert server.command("terminate", "--no-such-option", "x", **here).returncode == MISUSED
    nobody = server.command(
        "terminate", "--campaign-id", waiting, "--yes", **here | {"RINGOFF_URL": "http://127.0.0.1:9"}
    )
    assert nobody.returncode == UNREACHABLE
    assert "nothing was terminated" in nobody.stderr


def test_key_create_opens_a_workspace_of_its_own(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    client = Client(server)
    client.upload(csv_of(numbers(0, 3)))
    for workspace, expected_calls in ((), 3), (("--workspace", "Another"), 0):
        made = server.command("key", "create", *workspace, "--name", "For a test")
        assert (made.returncode, made.stderr) == (OK, "")
        key = made.stdout.strip()
        answer = httpx2.get(f"{server.url}/ca/api/v0/calling/history", headers={"X-API-KEY": key}, trust_env=False)
        assert (answer.status_code, answer.json()["total"]) == (200, expected_calls)


def lose_a_fence(server: ServerProcess) -> str:
    """Which no build of ours does: it raises a campaign's epoch by hand."""

    async def lose() -> str:
        connection = await asyncpg.connect(server.dsn)
        try:
            return str(await connection.fetchval(RAISED_BY_HAND))
        finally:
            await connection.close()

    Client(server).upload(csv_of(numbers(0, 3)))
    return asyncio.run(lose())


def scraped(server: ServerProcess) -> list[str]:
    """Without a key, as Prometheus does."""
    return httpx2.get(f"{server.url}/metrics", trust_env=False).text.splitlines()


def test_doctor_tells_health_from_sickness(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server(invariants_every_s="0.2")
    healthy = server.command("doctor")
    assert (healthy.returncode, healthy.stderr) == (OK, "")
    checked = [line.split(": ")[0] for line in healthy.stdout.splitlines()]
    names = (
        "carrier",
        "database",
        "durability",
        "migrations",
        "cluster",
        "contents",
        "trunks",
        "webhooks",
        "invariants",
    )
    assert checked == [f"ok   {name}" for name in names]

    broken = lose_a_fence(server)
    sick = server.command("doctor")
    assert sick.returncode == FAILED
    assert f"BAD  invariants: every_past_epoch_has_its_fence: {broken} epoch 0" in sick.stdout.splitlines()
    shown = 'ringoff_invariant_broken{rule="every_past_epoch_has_its_fence"} 1.0'
    until(lambda: shown in scraped(server), "the watch has seen it too")

    elsewhere = server.command("doctor", "--data-dir", str(server.root / "nothing here"))
    assert elsewhere.returncode == FAILED
    assert "BAD  database" in elsewhere.stdout
    assert server.command("doctor", RINGOFF_PORT="eighty").returncode == MISUSED


def test_a_taken_port_is_the_first_thing_said(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    port = server.url.rpartition(":")[2]
    second = server.command("up", "--port", port, "--data-dir", str(server.root / "second"))
    assert second.returncode == FAILED
    assert f"port {port}" in second.stderr
    assert not (server.root / "second").exists()
