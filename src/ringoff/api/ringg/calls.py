"""``POST /calling/outbound/individual`` and its second version: ring one person."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.call import CallStatus
from ringoff.domain.call_config import parse_call_config
from ringoff.domain.errors import InvalidInput
from ringoff.domain.identifiers import AgentId
from ringoff.domain.workspace import Principal
from ringoff.operations import calls
from ringoff.operations.calls import IndividualCall, RegisteredCall
from ringoff.operations.status_callbacks import read_callback

ROUTES = RouteTable("/ca/api/v0", ErrorShape.CODED, "calls")

DIRECTION = "outbound"
INITIATED = "Call initiated successfully"


class SmartFormatter(msgspec.Struct, forbid_unknown_fields=True):
    extract_first_name: bool = False
    transliteration: bool = False
    """Refused when true: nothing here writes a name in another script."""
    transliteration_language: dict[str, str] | None = None


class CallbackArgs(msgspec.Struct, forbid_unknown_fields=True):
    headers: dict[str, str] = {}
    """Sent with each try and never shown again."""
    params: dict[str, str | int | float | bool] = {}
    """Added to the query of ``callback_url``."""


class CallRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The last three have no effect here; those of ``_NOT_SUPPORTED`` are refused when they ask for something."""

    name: str
    mobile_number: str
    agent_id: UUID
    from_number_id: str | list[str] | None = None
    from_number: str | list[str] | None = None
    custom_args_values: dict[str, Any] | None = None
    call_config: dict[str, Any] | None = None
    number_pool_id: str | None = None
    voice_id: str | None = None
    smart_formatter: SmartFormatter | None = None
    callback_url: str | None = None
    callback_args: CallbackArgs | None = None
    version_id: str | None = None
    call_category: str | None = None
    parent_call_id: str | None = None


_NOT_SUPPORTED = ("voice_id",)


class InitiatedCall(msgspec.Struct):
    """The keys of both generations of the API."""

    call_id: str
    call_direction: str
    call_status: str
    initiated_at: str
    agent_id: str
    custom_args_values: dict[str, Any]
    unique_call_id: str = msgspec.field(name="Unique Call ID")
    spaced_direction: str = msgspec.field(name="Call Direction")
    spaced_status: str = msgspec.field(name="Call Status")
    from_number: str | None = msgspec.field(name="From Number")
    to_number: str = msgspec.field(name="To Number")
    spaced_initiated_at: str = msgspec.field(name="Initiated at")
    spaced_agent_id: str = msgspec.field(name="Agent ID")
    system_message: str = msgspec.field(name="System generated message")


class InitiatedCallAnswer(msgspec.Struct, kw_only=True):
    status: str = "success"
    spaced_status: str = msgspec.field(name="Call Status", default="success")
    data: InitiatedCall
    message: str = INITIATED


@ROUTES.add("POST", "/calling/outbound/individual", errors=(404,), deprecated=True)
async def call_individual(services: Services, principal: Principal, body: CallRequest) -> InitiatedCallAnswer:
    """Register one call."""
    return await _register(services, principal, body)


@ROUTES.add("POST", "/calling/v2/outbound/individual", errors=(404,))
async def call_individual_v2(services: Services, principal: Principal, body: CallRequest) -> InitiatedCallAnswer:
    """Register one call; the second version of the request."""
    return await _register(services, principal, body)


async def _register(services: Services, principal: Principal, body: CallRequest) -> InitiatedCallAnswer:
    _refuse_unsupported(body)
    request = IndividualCall(
        name=body.name,
        mobile_number=body.mobile_number,
        agent_id=AgentId(body.agent_id),
        from_number_ids=_several(body.from_number_id),
        from_numbers=_several(body.from_number),
        custom_args=body.custom_args_values or {},
        call_config=parse_call_config(body.call_config, "call_config"),
        number_pool_id=body.number_pool_id,
        extract_first_name=body.smart_formatter is not None and body.smart_formatter.extract_first_name,
    )
    args = body.callback_args or CallbackArgs()
    callback = read_callback(
        body.callback_url, args.headers, args.params, allow_private=services.limits.webhook_allow_private
    )
    request = replace(request, callback=callback)
    call = await calls.register_individual(services.store, principal, request, services.clock.now())
    return InitiatedCallAnswer(data=_initiated(call))


def _refuse_unsupported(body: CallRequest) -> None:
    """What this version cannot do is refused, so that nobody believes that it was done."""
    for name in _NOT_SUPPORTED:
        if getattr(body, name):
            raise InvalidInput(f"{name} is not supported yet", field=name)
    if body.smart_formatter is not None and body.smart_formatter.transliteration:
        raise InvalidInput(
            "smart_formatter.transliteration is not supported: give the name in the script that the agent speaks",
            field="smart_formatter.transliteration",
        )


def _several(given: str | list[str] | None) -> list[str] | None:
    return [given] if isinstance(given, str) else given


def _initiated(call: RegisteredCall) -> InitiatedCall:
    # The compatible API writes this one instant without a zone.
    initiated_at = call.registered_at.replace(tzinfo=None).isoformat(timespec="microseconds")
    call_id, agent_id = str(call.call_id), str(call.agent_id)
    return InitiatedCall(
        call_id=call_id,
        call_direction=DIRECTION,
        call_status=CallStatus.REGISTERED,
        initiated_at=initiated_at,
        agent_id=agent_id,
        custom_args_values=dict(call.custom_args),
        unique_call_id=call_id,
        spaced_direction=DIRECTION,
        spaced_status=CallStatus.REGISTERED,
        from_number=call.calling_number,
        to_number=call.called_number,
        spaced_initiated_at=initiated_at,
        spaced_agent_id=agent_id,
        system_message=INITIATED,
    )
