"""Agents: list, read, create, update by fields, edit by an operation, archive."""

from typing import Any

from ringoff.client.answers import Agent, ListedAgent, WrittenAgent
from ringoff.client.exchange import COMPATIBLE, Repeat, Reply, Request, given, no_answer, segment, within
from ringoff.client.methods import C, Group, Method
from ringoff.client.tolerance import read_as

Agents = list[ListedAgent]
Texts = list[str]


class AgentMethods(Group[C]):
    """``client.agents``."""

    @Method
    def list(self, *, limit: int | None = None, offset: int | None = None) -> Request[Agents]:
        """Agents, newest first. ``limit`` and ``offset`` are Ringoff's own; the other server gives all."""
        query = {"limit": limit, "offset": offset}
        return Request("GET", f"{COMPATIBLE}/agent/all", _listed, query, repeat=Repeat.FREELY)

    @Method
    def get(self, agent_id: str, *, with_subscriptions: bool = False) -> Request[Agent]:
        """One agent; ``event_subscriptions`` are there when they are asked for."""
        version = "v1/" if with_subscriptions else ""
        path = f"{COMPATIBLE}/agent/{version}{segment(agent_id)}"
        return Request("GET", path, within("agents", Agent), repeat=Repeat.FREELY)

    @Method
    def create(
        self,
        *,
        agent_name: str,
        introduction_and_objective: str,
        response_guidelines: str,
        task: str,
        primary_language: str,
        voice_id: str,
        intro_message: str,
        faq: str | None = None,
        sample_conversations: str | None = None,
        secondary_language: str | None = None,
        agent_type: str | None = None,
        custom_variables: Texts | None = None,
    ) -> Request[WrittenAgent]:
        """A new agent. Not sent again when its answer is lost: there could be two."""
        body = given(
            agent_name=agent_name,
            introduction_and_objective=introduction_and_objective,
            response_guidelines=response_guidelines,
            task=task,
            primary_language=primary_language,
            voice_id=voice_id,
            intro_message=intro_message,
            faq=faq,
            sample_conversations=sample_conversations,
            secondary_language=secondary_language,
            agent_type=agent_type,
            custom_variables=custom_variables,
        )
        return Request("POST", f"{COMPATIBLE}/public/agent", within("data", WrittenAgent), json=body)

    @Method
    def update(
        self,
        agent_id: str,
        *,
        agent_name: str | None = None,
        introduction_and_objective: str | None = None,
        response_guidelines: str | None = None,
        task: str | None = None,
        primary_language: str | None = None,
        voice_id: str | None = None,
        intro_message: str | None = None,
        faq: str | None = None,
        sample_conversations: str | None = None,
        secondary_language: str | None = None,
        agent_type: str | None = None,
        custom_variables: Texts | None = None,
    ) -> Request[WrittenAgent]:
        """Change what is given."""
        body = given(
            agent_name=agent_name,
            introduction_and_objective=introduction_and_objective,
            response_guidelines=response_guidelines,
            task=task,
            primary_language=primary_language,
            voice_id=voice_id,
            intro_message=intro_message,
            faq=faq,
            sample_conversations=sample_conversations,
            secondary_language=secondary_language,
            agent_type=agent_type,
            custom_variables=custom_variables,
        )
        path = f"{COMPATIBLE}/public/agent/{segment(agent_id)}"
        return Request("PATCH", path, within("data", WrittenAgent), json=body)

    @Method
    def patch(self, /, agent_id: str, operation: str, **fields: Any) -> Request[None]:
        """One edit by its operation: ``patch(id, "edit_prompt", agent_prompt="…")``."""
        body = {"operation": operation, "agent_id": agent_id} | given(**fields)
        return Request("PATCH", f"{COMPATIBLE}/agent/v1", no_answer, json=body)

    @Method
    def archive(self, agent_id: str) -> Request[None]:
        """The agent takes nothing new; calls that wait go on, so terminate them when they must not."""
        return Request("DELETE", f"{COMPATIBLE}/agent/{segment(agent_id)}", no_answer, repeat=Repeat.FREELY)


def _listed(reply: Reply) -> Agents:
    return read_as(reply.body["data"]["agents"], Agents)
