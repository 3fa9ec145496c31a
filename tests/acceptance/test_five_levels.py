"""The promise at each of the five levels, given over HTTP in the middle of dialling and judged from the wire alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.acceptance.client import Client, csv_of, numbers
from tests.support.processes import ServerProcess, until

CPS = 400
RINGS_BEFORE_THE_ORDER = 80
UNKNOWN_CALL = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Scene:
    """Two agents; the first has two campaigns that share numbers, and individual calls to some of them."""

    client: Client
    first_agent: str
    first_campaign: str
    second_campaign: str
    campaign_of_other_agent: str
    named_numbers: list[str]

    @classmethod
    def make(cls, client: Client) -> "Scene":
        client.set_pace(cps_max=CPS, channels_max=10_000)
        first_agent, other_agent = client.another_agent(), client.agent_id
        named = numbers(500, 100)

        def draft(first: int, count: int, agent_id: str) -> str:
            # A list is dialled from its top: the named numbers are in the middle of it when the order comes.
            content = csv_of([*numbers(first, 50), *named, *numbers(first + 50, count - 50)])
            campaign_id: str = client.upload(content, agent_id=agent_id, retry_count=1)["list_id"]
            return campaign_id

        first, second = draft(0, 300, first_agent), draft(1_000, 100, first_agent)
        other = draft(2_000, 100, other_agent)
        scene = cls(client, first_agent, first, second, other, named)
        for campaign_id, agent_id in ((first, first_agent), (second, first_agent), (other, other_agent)):
            client.start(campaign_id, agent_id=agent_id)
        for number in named[:5]:
            client.call(number, agent_id=first_agent)
        return scene

    def order(self, level: str) -> tuple[dict[str, Any], Callable[[dict[str, Any]], bool]]:
        """The selector of the level, and whether a call of the history is covered by it."""
        if level == "agent":
            return {"agent_id": self.first_agent}, lambda call: call["agent"]["id"] == self.first_agent
        if level == "campaign":
            ids = self._ids_of(self.first_campaign)
            return {"campaign_id": self.first_campaign}, lambda call: call["id"] in ids
        named = set(self.named_numbers)
        if level == "numbers":
            return {"mobile_numbers": self.named_numbers}, lambda call: call["to_number"] in named
        in_campaign = {c["id"] for c in self.client.history(self.first_campaign) if c["to_number"] in named}
        if level == "campaign-numbers":
            selector = {"campaign_id": self.first_campaign, "mobile_numbers": self.named_numbers}
            return selector, lambda call: call["id"] in in_campaign
        assert level == "calls"
        chosen = sorted(in_campaign)[:99]
        return {"call_ids": [*chosen, UNKNOWN_CALL]}, lambda call: call["id"] in chosen

    def _ids_of(self, campaign_id: str) -> set[str]:
        return {call["id"] for call in self.client.history(campaign_id)}


@pytest.mark.parametrize(
    ("level", "alias"),
    [
        ("agent", ""),
        ("calls", ""),
        ("campaign", ""),
        ("campaign-numbers", ""),
        ("numbers", ""),
        ("campaign", "/campaign"),
    ],
)
@pytest.mark.slow
def test_nothing_covered_is_dialled_after_the_200(
    start_server: Callable[..., ServerProcess], level: str, alias: str
) -> None:
    # A slow sweeper: what keeps a covered call from the wire is the fence, not that its row was settled in time.
    server = start_server(simulated_mix="answered=1,busy=1,no_answer=1", sweep_batch_max="5")
    client = Client(server)
    scene = Scene.make(client)
    selector, covers = scene.order(level)
    until(lambda: server.wire_count() >= RINGS_BEFORE_THE_ORDER, "dialling at pace")
    acknowledged_ns = client.terminate(alias, **selector)
    rings_then = server.wire_count()

    campaigns = (scene.first_campaign, scene.second_campaign, scene.campaign_of_other_agent)
    client.wait_until_over(*campaigns)
    until(
        lambda: not any(call["status"] in ("registered", "ongoing", "retry") for call in client.history()), "all over"
    )
    wire = server.wire()
    calls = {call["id"]: call for call in client.history()}
    covered = {call_id for call_id, call in calls.items() if covers(call)}
    late = [line for line in wire if str(line.call_id) in covered and line.monotonic_ns >= acknowledged_ns]
    assert not late, f"{len(late)} covered calls were dialled after the 200"
    assert len(wire) > rings_then, "the uncovered calls go on"

    rung = {str(line.call_id) for line in wire}
    cancelled = {call_id for call_id, call in calls.items() if call["status"] == "cancelled"}
    assert cancelled <= covered, "no other call is cancelled"
    assert covered - rung <= cancelled, "whom nobody rang was cancelled"
    assert covered - rung, "the order came too late to mean anything"
    assert set(calls) - covered <= rung, "every uncovered call was dialled"
    assert all(calls[call_id]["sub_status"] == "USER_TERMINATED" for call_id in cancelled)
