"""Who wants to hear of which events; without a subscription, none is written."""

from collections.abc import Sequence

from ringoff.domain.errors import InvalidInput, NotFound
from ringoff.domain.events import EventType
from ringoff.domain.identifiers import AgentId
from ringoff.domain.records import Subscription
from ringoff.domain.workspace import Principal
from ringoff.ports import Store


async def subscribe(
    store: Store, principal: Principal, agent_id: AgentId | None, event_types: Sequence[EventType]
) -> None:
    """Make these the event types of one agent's calls, or (None) of the workspace; an empty list ends it."""
    if agent_id is not None and EventType.TERMINATION_SETTLED in event_types:
        raise InvalidInput(
            "termination_settled belongs to no agent: subscribe to it without agent_id", field="event_types"
        )
    async with store.transaction() as tx:
        if agent_id is not None and await tx.workspaces.agent(principal.workspace_id, agent_id) is None:
            raise NotFound("Agent not found", field="agent_id")
        await tx.subscriptions.replace(principal.workspace_id, agent_id, sorted(set(event_types)))


async def list_subscriptions(store: Store, principal: Principal) -> Sequence[Subscription]:
    """All subscriptions of the workspace."""
    async with store.transaction() as tx:
        return await tx.subscriptions.all(principal.workspace_id)
