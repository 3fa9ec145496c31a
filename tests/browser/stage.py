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


def set_stage(server: ServerProcess) -> Stage:
    """About as much as a busy morning."""
    client = Client(server)
    client.set_pace(cps_max=30, channels_max=300)
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
    return Stage(running, draft_id, ended_id, call_id, answer.json()["termination_id"], key["api_key_id"])


def paths_of(stage: Stage) -> dict[str, str]:
    """Every page, by the name of its picture."""
    return {
        "overview": "/",
        "terminate": f"/terminate?level=campaign&campaign_id={stage.campaign_id}",
        "receipts": "/receipts",
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
    }
