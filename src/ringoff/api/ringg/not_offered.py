"""Routes of the compatible API that have no meaning here: 501, and what to do instead; never a success that is none."""

from typing import Final

import msgspec

from ringoff.api.errors import DetailErrorBody, ErrorShape, StatusErrorBody
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.workspace import Principal

TAG: Final = "not offered"
DETAIL_ROUTES = RouteTable("/ca/api/v0", ErrorShape.DETAIL, TAG)
VOICE_ROUTES = RouteTable("/ca/api/v0", ErrorShape.STATUS, TAG)

NO_KNOWLEDGE_BASES: Final = (
    "Ringoff has no knowledge bases: write what the agent must know into its prompt (PATCH /agent/v1, edit_prompt), "
    "or give it to the software behind the agent's handling (PUT /api/v1/agents/{agent_id}/handling)."
)
NO_SHOP: Final = (
    "Ringoff sells no numbers: get one from your carrier, then add it on its trunk with POST /api/v1/numbers."
)
NO_VOICES: Final = (
    "Ringoff speaks with no voices of its own: take the voice_id from whoever makes the speech behind the agent's "
    "handling; it is handed over with each call."
)


class AnyParameters(msgspec.Struct):
    """Whatever is asked, the answer is the same; so nothing of it is checked, and no body is read."""


@DETAIL_ROUTES.add("POST", "/external/kb", status=501)
async def create_knowledge_base(_: Services, principal: Principal, query: AnyParameters) -> DetailErrorBody:  # noqa: ARG001
    """Not offered: there are no knowledge bases."""
    return DetailErrorBody(NO_KNOWLEDGE_BASES)


@DETAIL_ROUTES.add("PATCH", "/external/kb", status=501)
async def change_knowledge_base(_: Services, principal: Principal, query: AnyParameters) -> DetailErrorBody:  # noqa: ARG001
    """Not offered: there are no knowledge bases."""
    return DetailErrorBody(NO_KNOWLEDGE_BASES)


@DETAIL_ROUTES.add("GET", "/external/kb/all", status=501)
async def list_knowledge_bases(_: Services, principal: Principal, query: AnyParameters) -> DetailErrorBody:  # noqa: ARG001
    """Not offered: there are no knowledge bases."""
    return DetailErrorBody(NO_KNOWLEDGE_BASES)


@DETAIL_ROUTES.add("GET", "/external/kb/{kb_id}", status=501)
async def read_knowledge_base(_: Services, principal: Principal, kb_id: str, query: AnyParameters) -> DetailErrorBody:  # noqa: ARG001
    """Not offered: there are no knowledge bases."""
    return DetailErrorBody(NO_KNOWLEDGE_BASES)


@DETAIL_ROUTES.add("DELETE", "/external/kb/{kb_id}", status=501)
async def delete_knowledge_base(_: Services, principal: Principal, kb_id: str, query: AnyParameters) -> DetailErrorBody:  # noqa: ARG001
    """Not offered: there are no knowledge bases."""
    return DetailErrorBody(NO_KNOWLEDGE_BASES)


@DETAIL_ROUTES.add("POST", "/payment/number/checkout", status=501)
async def buy_number(_: Services, principal: Principal, query: AnyParameters) -> DetailErrorBody:  # noqa: ARG001
    """Not offered: numbers come from the carrier."""
    return DetailErrorBody(NO_SHOP)


@VOICE_ROUTES.add("GET", "/agent/voices", status=501)
async def list_voices(_: Services, principal: Principal, query: AnyParameters) -> StatusErrorBody:  # noqa: ARG001
    """Not offered: the speech is made by the software behind the agent's handling."""
    return StatusErrorBody(message=NO_VOICES)
