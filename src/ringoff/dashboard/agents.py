"""Agents, and what they call with: one page of all of it, and one of each agent with the forms that change it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from ringoff.api.bodies import convert
from ringoff.api.errors import located
from ringoff.api.native.handlings import HandlingRequest
from ringoff.dashboard.places import asked_agent, asked_text, query, uuid_or_none
from ringoff.dashboard.table import PageTable, status_of
from ringoff.dashboard.visit import Fields, Visit
from ringoff.domain.carrier import AnswerHandling, HandlingKind, answer_handling
from ringoff.domain.errors import NotFound, RingoffError
from ringoff.domain.identifiers import AgentId, NumberId
from ringoff.domain.webhook_url import HIDDEN, without_secrets
from ringoff.domain.workspace import Agent, AgentFilter, NumberFilter
from ringoff.operations import agents
from ringoff.operations.directory import directory, numbers_of

PAGES = PageTable()
AGENTS_MAX: Final = 25
NUMBERS_MAX: Final = 50
NUMBERS_OFFERED_MAX: Final = 200
KIND_WORDS: Final = {
    HandlingKind.NONE: "nobody: the call is up until somebody hangs up",
    HandlingKind.MEDIA_URL: "a WebSocket for the audio",
    HandlingKind.SIP_URI: "a second call to a SIP URI",
    HandlingKind.PLAY: "audio that is played",
}
_URI_PASSWORD: Final = re.compile(r"(sips?:[^:@;?]*):[^@]*@", re.ASCII)


@dataclass(frozen=True, slots=True)
class HandlingForm:
    """As filled in; shown again exactly so when something is wrong."""

    kind: str
    target: str
    """Empty: as it was, because a target that holds a secret is not shown to be changed."""
    retry_failed: bool


@PAGES.get("/agents")
async def list_page(visit: Visit) -> Response:
    """Agents and numbers page by page; trunks and pools are few."""
    name, below, above = asked_text(visit, "name"), uuid_or_none(visit.asked("below")), asked_text(visit, "above")
    # One more than is shown tells whether there is a next page.
    wanted = AgentFilter(name_part=name or None, below=None if below is None else AgentId(below), limit=AGENTS_MAX + 1)
    found = await directory(visit.store, visit.principal, wanted, NumberFilter(above=above, limit=NUMBERS_MAX + 1))
    shown, numbers = found.agents[:AGENTS_MAX], found.numbers[:NUMBERS_MAX]
    around = {"name": name, "below": str(below or ""), "above": above}
    return visit.show(
        "agents.html",
        agents=shown,
        targets={agent.agent_id: shown_target(agent.handling) for agent in shown},
        variables={agent.agent_id: _own_variables(agent) for agent in shown},
        kind_words=KIND_WORDS,
        numbers=numbers,
        trunks=found.trunks,
        pools=found.number_pools,
        agent_names=found.agent_names,
        trunk_names={trunk.trunk_id: trunk.name for trunk in found.trunks},
        pool_names={pool.number_pool_id: pool.name for pool in found.number_pools},
        asked_for=around,
        older=query({**around, "below": str(shown[-1].agent_id)}) if len(found.agents) > AGENTS_MAX else None,
        newest=query({**around, "below": ""}),
        more_numbers=query({**around, "above": numbers[-1].number}) if len(found.numbers) > NUMBERS_MAX else None,
        first_numbers=query({**around, "above": ""}),
    )


@PAGES.get("/agents/{agent_id}")
async def agent_page(visit: Visit) -> Response:
    return await _show(visit, await _agent(visit))


@PAGES.post("/agents/{agent_id}/handling")
async def change_handling(visit: Visit) -> Response:
    """Say who takes the answered calls, from the next request to ring on."""
    fields = await visit.fields()
    agent = await _agent(visit)
    form = HandlingForm(fields.text("kind"), fields.text("target"), fields.is_ticked("retry_failed"))
    try:
        body: HandlingRequest = convert(_request_of(form, agent.handling), HandlingRequest, strict=False)
        handling = answer_handling(body.kind, body.target, is_failure_retried=body.retry_failed)
        await agents.change_handling(visit.store, visit.principal, agent.agent_id, handling)
    except RingoffError as error:
        return await _show(visit, agent, form, complaint=located(error), status=status_of(error))
    return visit.go(f"/agents/{agent.agent_id}")


@PAGES.post("/agents/{agent_id}/attach")
async def attach(visit: Visit) -> Response:
    """Show a number with this agent."""
    fields = await visit.fields()
    agent = await _agent(visit)
    try:
        await agents.attach_number(visit.store, visit.principal, agent.agent_id, _number_id(fields))
    except RingoffError as error:
        return await _show(visit, agent, complaint=located(error), status=status_of(error))
    return visit.go(f"/agents/{agent.agent_id}#numbers")


@PAGES.post("/agents/{agent_id}/detach")
async def detach(visit: Visit) -> Response:
    """Show a number with no agent."""
    fields = await visit.fields()
    agent = await _agent(visit)
    try:
        await agents.detach_number(visit.store, visit.principal, agent.agent_id, _number_id(fields))
    except RingoffError as error:
        return await _show(visit, agent, complaint=located(error), status=status_of(error))
    return visit.go(f"/agents/{agent.agent_id}#numbers")


def shown_target(handling: AnswerHandling) -> str:
    """Where calls go, without what may be a token or a password in it."""
    return _URI_PASSWORD.sub(rf"\1:{HIDDEN}@", without_secrets(handling.target))


async def _agent(visit: Visit) -> Agent:
    return await agents.read_agent(visit.store, visit.principal, asked_agent(visit), or_archived=True)


async def _show(
    visit: Visit, agent: Agent, form: HandlingForm | None = None, *, complaint: str = "", status: int = 200
) -> Response:
    of_agent = NumberFilter(agent_id=agent.agent_id, limit=NUMBERS_OFFERED_MAX)
    attached = await numbers_of(visit.store, visit.principal, of_agent)
    offered = await numbers_of(visit.store, visit.principal, NumberFilter(limit=NUMBERS_OFFERED_MAX))
    target = shown_target(agent.handling)
    as_it_is = HandlingForm(
        agent.handling.kind,
        target if target == agent.handling.target else "",
        agent.handling.is_failure_retried,
    )
    return visit.show(
        "agent.html",
        status,
        agent=agent,
        target=target,
        form=form or as_it_is,
        kinds=KIND_WORDS,
        attached=attached,
        free=[number for number in offered if number.agent_id is None],
        complaint=complaint,
    )


def _own_variables(agent: Agent) -> Sequence[str]:
    """Without those that every agent knows."""
    return [name for name in agent.custom_variables if name not in agents.ALWAYS_CARRIED_VARIABLES]


def _request_of(form: HandlingForm, as_it_was: AnswerHandling) -> dict[str, Any]:
    """As a client of the API would send it; a target that was left empty stays."""
    keeps = not form.target and form.kind == as_it_was.kind
    target = as_it_was.target if keeps else form.target
    return {"kind": form.kind, "target": target, "retry_failed": form.retry_failed}


def _number_id(fields: Fields) -> NumberId:
    found = uuid_or_none(fields.text("number_id"))
    if found is None:
        raise NotFound("Number not found", field="number_id")
    return NumberId(found)
