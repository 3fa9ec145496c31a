"""``PATCH /campaign/terminate``, its aliases and its ancestor: the kill switch, in the words that clients speak."""

from typing import Annotated, Any, Final

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import E164Text, UuidText
from ringoff.api.orders import ANSWER_HEADERS, OrderHeaders, order_answer
from ringoff.api.routing import Answer, RouteTable
from ringoff.api.services import Services
from ringoff.domain.errors import InvalidInput
from ringoff.domain.termination import CALL_IDS_MAX, MOBILE_NUMBERS_MAX, Selector, parse_selector, require_exact
from ringoff.domain.workspace import Principal
from ringoff.operations import terminations

ROUTES = RouteTable("/ca/api/v0", ErrorShape.DETAIL, "termination")

FAMILY: Final = "compatible"


class TerminateRequest(msgspec.Struct, forbid_unknown_fields=True):
    """For the document only: the selector is read by the domain, which is stricter than a schema can say."""

    agent_id: UuidText | None = None
    call_ids: Annotated[list[UuidText], msgspec.Meta(max_length=CALL_IDS_MAX)] | None = None
    campaign_id: UuidText | None = None
    mobile_numbers: Annotated[list[E164Text], msgspec.Meta(max_length=MOBILE_NUMBERS_MAX)] | None = None


class TerminateQuery(msgspec.Struct, forbid_unknown_fields=True):
    terminate_all_calls: bool = False
    """Accepted with ``mobile_numbers`` alone, where it is the meaning already."""


class TerminatedAnswer(msgspec.Struct):
    message: str = "Calls terminated successfully!"


@ROUTES.add("PATCH", "/campaign/terminate", documented_body=TerminateRequest, answer_headers=ANSWER_HEADERS)
async def terminate_calls(
    services: Services, principal: Principal, headers: OrderHeaders, body: dict[str, Any], query: TerminateQuery
) -> Answer[TerminatedAnswer]:
    """End every registered or retrying call that matches all given selectors."""
    selector = parse_selector(body)
    if query.terminate_all_calls and selector.fields != {"mobile_numbers"}:
        raise InvalidInput("terminate_all_calls is accepted with mobile_numbers alone", field="terminate_all_calls")
    return await _terminate(services, principal, headers, selector)


@ROUTES.add(
    "PATCH",
    "/campaign/terminate/agent",
    documented_body=TerminateRequest,
    deprecated=True,
    answer_headers=ANSWER_HEADERS,
)
async def terminate_by_agent(
    services: Services, principal: Principal, headers: OrderHeaders, body: dict[str, Any]
) -> Answer[TerminatedAnswer]:
    """Alias with agent_id only."""
    return await _terminate_exactly(services, principal, headers, body, frozenset({"agent_id"}))


@ROUTES.add(
    "PATCH",
    "/campaign/terminate/calls",
    documented_body=TerminateRequest,
    deprecated=True,
    answer_headers=ANSWER_HEADERS,
)
async def terminate_by_calls(
    services: Services, principal: Principal, headers: OrderHeaders, body: dict[str, Any]
) -> Answer[TerminatedAnswer]:
    """Alias with call_ids only."""
    return await _terminate_exactly(services, principal, headers, body, frozenset({"call_ids"}))


@ROUTES.add(
    "PATCH",
    "/campaign/terminate/campaign",
    documented_body=TerminateRequest,
    deprecated=True,
    answer_headers=ANSWER_HEADERS,
)
async def terminate_by_campaign(
    services: Services, principal: Principal, headers: OrderHeaders, body: dict[str, Any]
) -> Answer[TerminatedAnswer]:
    """Alias with campaign_id only."""
    return await _terminate_exactly(services, principal, headers, body, frozenset({"campaign_id"}))


@ROUTES.add(
    "PATCH",
    "/campaign/terminate/campaign-numbers",
    documented_body=TerminateRequest,
    deprecated=True,
    answer_headers=ANSWER_HEADERS,
)
async def terminate_by_campaign_numbers(
    services: Services, principal: Principal, headers: OrderHeaders, body: dict[str, Any]
) -> Answer[TerminatedAnswer]:
    """Alias with campaign_id and mobile_numbers."""
    return await _terminate_exactly(services, principal, headers, body, frozenset({"campaign_id", "mobile_numbers"}))


@ROUTES.add(
    "PATCH",
    "/campaign/terminate/numbers",
    documented_body=TerminateRequest,
    deprecated=True,
    answer_headers=ANSWER_HEADERS,
)
async def terminate_by_numbers(
    services: Services, principal: Principal, headers: OrderHeaders, body: dict[str, Any]
) -> Answer[TerminatedAnswer]:
    """Alias with mobile_numbers only."""
    return await _terminate_exactly(services, principal, headers, body, frozenset({"mobile_numbers"}))


@ROUTES.add(
    "PATCH", "/calling/terminate", documented_body=TerminateRequest, deprecated=True, answer_headers=ANSWER_HEADERS
)
async def terminate_calling(
    services: Services, principal: Principal, headers: OrderHeaders, body: dict[str, Any]
) -> Answer[TerminatedAnswer]:
    """Ancestor of the route of today, with the same selectors."""
    return await _terminate(services, principal, headers, parse_selector(body))


async def _terminate_exactly(
    services: Services, principal: Principal, headers: OrderHeaders, body: dict[str, Any], fields: frozenset[str]
) -> Answer[TerminatedAnswer]:
    selector = parse_selector(body)
    require_exact(selector, fields)
    return await _terminate(services, principal, headers, selector)


async def _terminate(
    services: Services, principal: Principal, headers: OrderHeaders, selector: Selector
) -> Answer[TerminatedAnswer]:
    key = headers.idempotency(FAMILY, lambda _receipt: {})
    given = await terminations.terminate(
        services.store, principal, selector, idempotency=key, observer=services.observer
    )
    return order_answer(TerminatedAnswer(), given)
