"""What the addresses of pages have in them: ids, and cursors and filters of lists."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from ringoff.api.bodies import require_storable
from ringoff.dashboard.visit import Visit
from ringoff.domain.errors import NotFound
from ringoff.domain.identifiers import AgentId, CallId, CampaignId, TrunkId

FILTER_LENGTH_MAX: Final = 200


def asked_campaign(visit: Visit) -> CampaignId:
    """The campaign that the path names; ``NotFound`` for what cannot be an id."""
    found = uuid_or_none(visit.request.path_params["campaign_id"])
    if found is None:
        raise NotFound("Campaign not found", field="campaign_id")
    return CampaignId(found)


def asked_call(visit: Visit) -> CallId:
    """The call that the path names; ``NotFound`` for what cannot be an id."""
    found = uuid_or_none(visit.request.path_params["call_id"])
    if found is None:
        raise NotFound("Call not found", field="call_id")
    return CallId(found)


def asked_agent(visit: Visit) -> AgentId:
    """The agent that the path names; ``NotFound`` for what cannot be an id."""
    found = uuid_or_none(visit.request.path_params["agent_id"])
    if found is None:
        raise NotFound("Agent not found", field="agent_id")
    return AgentId(found)


def asked_trunk(visit: Visit) -> TrunkId:
    """The trunk that the path names; ``NotFound`` for what cannot be an id."""
    found = uuid_or_none(visit.request.path_params["trunk_id"])
    if found is None:
        raise NotFound("Trunk not found", field="trunk_id")
    return TrunkId(found)


def uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def asked_text(visit: Visit, name: str) -> str:
    """A filter as typed; ``InvalidInput`` for what no text in the database can be like."""
    text = visit.asked(name)[:FILTER_LENGTH_MAX]
    require_storable(text, name)
    return text


def query(asked: Mapping[str, str]) -> str:
    """The part of an address after ``?``, without what is empty."""
    return urlencode({name: value for name, value in asked.items() if value})
