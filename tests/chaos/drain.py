"""The quiet after a run: whatever was started ends by itself, and every order is carried out to its end."""

import asyncio
import subprocess
from typing import Protocol

import asyncpg
import httpx2

from tests.acceptance.client import CALLING_NUMBER, Client
from tests.chaos.journal import Journal
from tests.support.processes import until

_DRAIN_S = 150.0
_DRAIN_CPS = 5_000.0
_CHANNELS = 100_000


class Installed(Protocol):
    """What was disturbed: one process or many."""

    @property
    def http(self) -> httpx2.Client: ...
    @property
    def dsn(self) -> str: ...
    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]": ...


def drain(server: Installed, journal: Journal) -> None:
    """Nobody disturbs any more: start what was never started, and wait for every end and every receipt."""
    until(lambda: server.http.get("/readyz").status_code == 200, "ready after the run", poll_s=0.2)
    Client(server).set_pace(cps_max=_DRAIN_CPS, channels_max=_CHANNELS)
    unverified = "SELECT count(*) FROM list_upload WHERE state = 'verifying'"
    try:
        until(lambda: _count(server, unverified) == 0, "every list is verified", poll_s=0.3)
    except AssertionError as late:
        journal.trouble(str(late))
    for draft in _look(server, "SELECT campaign_id, agent_id FROM campaign WHERE status = 'draft'"):
        body = {
            "agent_id": str(draft["agent_id"]),
            "list_id": str(draft["campaign_id"]),
            "from_numbers": [CALLING_NUMBER],
        }
        answer = server.http.post("/ca/api/v0/campaign/start", json=body)
        if answer.status_code != 200:
            journal.trouble(f"a draft could not be started: {answer.text}")
    open_calls = "SELECT count(*) FROM call WHERE status IN ('registered', 'ongoing', 'retry')"
    unsettled = "SELECT count(*) FROM termination WHERE state <> 'settled'"
    try:
        until(lambda: _count(server, open_calls) == 0, "every call is over", _DRAIN_S, poll_s=0.3)
        until(lambda: _count(server, unsettled) == 0, "every receipt is settled", poll_s=0.3)
    except AssertionError as late:
        journal.trouble(str(late))
    doctor = server.command("doctor")
    if doctor.returncode != 0:
        journal.trouble(f"doctor: {doctor.stdout[-1_000:]}{doctor.stderr[-1_000:]}")


def _count(server: Installed, statement: str) -> int:
    return int(_look(server, statement)[0][0])


def _look(server: Installed, statement: str) -> list[asyncpg.Record]:
    async def fetch() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(server.dsn)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    return asyncio.run(fetch())
