"""What the clients of a run know of each other's campaigns and calls, so that orders can name them."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from threading import Lock
from typing import Any

from tests.chaos.plan import OrderDraw

_CAMPAIGNS_KEPT = 12
_CALLS_KEPT = 100


@dataclass(slots=True)
class KnownCampaign:
    list_id: str
    agent_id: str
    numbers: Sequence[str]
    call_ids: list[str] = field(default_factory=list)


class Targets:
    """Shared by all threads. Only the newest are kept: the old ones are over."""

    def __init__(self, agent_ids: Sequence[str], campaigns_spared: int) -> None:
        self._campaigns_spared = campaigns_spared
        *self.agent_ids, self.heavy_agent_id = agent_ids
        self._campaigns: deque[KnownCampaign] = deque(maxlen=_CAMPAIGNS_KEPT)
        self._call_ids: deque[str] = deque(maxlen=_CALLS_KEPT)
        self._lock = Lock()

    def agent(self, choice: float) -> str:
        return self.agent_ids[int(choice * len(self.agent_ids))]

    def add_campaign(self, campaign: KnownCampaign) -> None:
        with self._lock:
            self._campaigns.append(campaign)

    def add_call(self, call_id: str) -> None:
        with self._lock:
            self._call_ids.append(call_id)

    def forget(self, selector: Mapping[str, Any]) -> None:
        """After an order that leaves nothing of a campaign or an agent to be ended: the next ones shall meet others."""
        gone = set(selector.values()) if selector.keys() <= {"agent_id", "campaign_id"} else set()
        with self._lock:
            for campaign in list(self._campaigns):
                if campaign.list_id in gone or ("campaign_id" not in selector and campaign.agent_id in gone):
                    self._campaigns.remove(campaign)

    def selector(self, draw: OrderDraw) -> dict[str, Any] | None:
        """The order's body; None when there is nothing yet that it could name."""
        dice = Random(draw.choice_seed)
        with self._lock:
            campaigns, call_ids = list(self._campaigns), list(self._call_ids)
        if not campaigns:
            return None
        campaign = campaigns[-1 - int(draw.recency * len(campaigns))]
        parts: Mapping[str, Any] = {
            "agent_id": campaign.agent_id,
            "campaign_id": campaign.list_id,
            "call_ids": _some(dice, campaign.call_ids or call_ids, draw.count),
            "mobile_numbers": _some(dice, campaign.numbers, draw.count),
        }
        is_wide = draw.level in {"agent", "campaign", "agent and campaign"}
        level = "campaign numbers" if is_wide and len(campaigns) < self._campaigns_spared else draw.level
        names = {
            "agent": ["agent_id"],
            "calls": ["call_ids"],
            "campaign": ["campaign_id"],
            "campaign numbers": ["campaign_id", "mobile_numbers"],
            "numbers": ["mobile_numbers"],
            "agent and campaign": ["agent_id", "campaign_id"],
            "campaign and calls": ["campaign_id", "call_ids"],
            "agent and numbers": ["agent_id", "mobile_numbers"],
            "all four": ["agent_id", "campaign_id", "call_ids", "mobile_numbers"],
        }[level]
        body = {name: parts[name] for name in names}
        if draw.level == "calls" and dice.random() < 0.3:
            body["call_ids"] = _some(dice, call_ids, draw.count)
        if draw.level == "all four":
            # Enough of both that they meet.
            body |= {"call_ids": campaign.call_ids[-100:], "mobile_numbers": list(campaign.numbers[-100:])}
        return body if all(body.values()) else None


def _some(dice: Random, values: Sequence[str], count: int) -> list[str]:
    return dice.sample(values, min(count, len(values)))
