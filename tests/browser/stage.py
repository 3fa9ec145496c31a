"""A server with something to look at: a campaign that dials, one that was ended, suppressions, keys, hostile names."""

from dataclasses import dataclass

from tests.acceptance.client import Client, csv_of, numbers
from tests.support.processes import ServerProcess, until

HOSTILE_NAME = "Diwali <b>offers</b> \u202eevil\u202c & Co"


@dataclass(frozen=True, slots=True)
class Stage:
    """The ids of what is on it."""

    campaign_id: str
    draft_id: str
    ended_id: str
    call_id: str
    termination_id: str
    key_id: str
    agent_id: str
    trunk_id: str


def set_stage(server: ServerProcess) -> Stage:
    """About as much as a busy morning."""
    client = Client(server)
    client.set_pace(cps_max=30, channels_max=300)
    trunk_id = _set_directory(server, client)
    ended_id = client.campaign(numbers(50_000, 400))
    running = client.upload(csv_of(numbers(0, 2_500)), campaign_name="Renewals, north", retry_count=2)["list_id"]
    client.start(running)
    draft_id = client.upload(csv_of(numbers(80_000, 60)), campaign_name=HOSTILE_NAME)["list_id"]
    server.wait_for_rings(60)
    until(lambda: client.status_count(running, "completed") > 0, "somebody has answered")
    answer = server.http.post("/api/v1/terminations", json={"campaign_id": ended_id, "reason": "wrong prompt"})
    assert answer.status_code == 202, answer.text
    suppress = {"mobile_numbers": numbers(90_000, 3), "reason": "asked not to be called"}
    assert server.http.post("/api/v1/suppressions", json=suppress).status_code < 300
    key = server.http.post("/api/v1/api-keys", json={"name": HOSTILE_NAME}).json()
    call_id = client.get("/calling/history", bulk_list_id=running, status="completed")["calls"][0]["id"]
    return Stage(
        running,
        draft_id,
        ended_id,
        call_id,
        answer.json()["termination_id"],
        key["api_key_id"],
        client.agent_id,
        trunk_id,
    )


def _set_directory(server: ServerProcess, client: Client) -> str:
    """An agent with a handling, a pool of numbers, and a subscriber who is away; returns the trunk's id."""
    trunk_id: str = server.http.get("/api/v1/trunks").json()["trunks"][0]["trunk_id"]
    handling = {"kind": "media_url", "target": "wss://agent.invalid/media?token=secret"}
    webhook = {"event_type": ["call_completed"], "callback_url": "https://hook.invalid/ringoff?token=secret"}
    pooled = numbers(95_000, 2)
    answers = [
        server.http.put(f"/api/v1/agents/{client.another_agent()}/handling", json=handling),
        server.http.put("/api/v1/webhooks", json=webhook),
        *(server.http.post("/api/v1/numbers", json={"number": each, "trunk_id": trunk_id}) for each in pooled),
        server.http.post("/api/v1/number-pools", json={"name": HOSTILE_NAME, "numbers": pooled}),
    ]
    assert all(answer.is_success for answer in answers), [answer.text for answer in answers]
    return trunk_id


def paths_of(stage: Stage) -> dict[str, str]:
    """Every page, by the name of its picture."""
    return {
        "overview": "/",
        "terminate": f"/terminate?level=campaign&campaign_id={stage.campaign_id}",
        "receipts": "/receipts",
        "receipts_refused": "/receipts?given_from=yesterday&text=wrong",
        "receipt": f"/receipts/{stage.termination_id}",
        "campaigns": "/campaigns",
        "campaign": f"/campaigns/{stage.campaign_id}",
        "campaign_draft": f"/campaigns/{stage.draft_id}",
        "campaign_ended": f"/campaigns/{stage.ended_id}",
        "campaign_new": "/campaigns/new",
        "call": f"/calls/{stage.call_id}",
        "calls": "/calls",
        "suppressions": "/suppressions",
        "suppressions_new": "/suppressions/new",
        "keys": "/keys",
        "key_revocation": f"/keys/{stage.key_id}/revoke",
        "agents": "/agents",
        "agent": f"/agents/{stage.agent_id}",
        "trunk": f"/agents/trunks/{stage.trunk_id}",
        "webhooks": "/webhooks",
    }
