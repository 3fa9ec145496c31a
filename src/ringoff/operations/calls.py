"""Register one individual call: it waits in the same queue as the calls of campaigns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from ringoff.domain.call_config import CallConfig
from ringoff.domain.call_window import next_opening
from ringoff.domain.callee_name import first_name
from ringoff.domain.errors import InvalidInput, NotFound
from ringoff.domain.identifiers import AgentId, CallId, NumberPoolId, TrunkId
from ringoff.domain.phone_number import require_e164
from ringoff.domain.records import NewCall
from ringoff.domain.webhook_records import StatusCallback
from ringoff.domain.workspace import CallingNumber, Principal
from ringoff.operations.agents import active_agent
from ringoff.operations.caller_ids import resolve_calling_numbers
from ringoff.operations.number_pools import hold_pool, wait_for_pool
from ringoff.operations.status_callbacks import keep_callback
from ringoff.ports import Store, Transaction

NAME_LENGTH_MAX: Final = 200
CUSTOM_ARGS_MAX: Final = 200
NO_CALLING_NUMBER: Final = "Provide at least one of: number_pool_id, from_number_id, from_number"
"""The public API's own words."""


@dataclass(frozen=True, slots=True)
class IndividualCall:
    """A wish to ring one person. One of ``from_number_ids``, ``from_numbers`` and ``number_pool_id`` is given."""

    name: str
    mobile_number: str
    agent_id: AgentId
    from_number_ids: Sequence[str] | None
    from_numbers: Sequence[str] | None
    custom_args: Mapping[str, Any]
    call_config: CallConfig
    number_pool_id: str | None = None
    extract_first_name: bool = False
    """Let the agent know the first name only, and the name as given by ``original_callee_name``."""
    callback: StatusCallback | None = None
    """Where to tell of the ends of its tries."""


@dataclass(frozen=True, slots=True)
class RegisteredCall:
    """The call as it was registered."""

    call_id: CallId
    agent_id: AgentId
    called_number: str
    calling_number: str | None
    """None out of a pool: its number is chosen when the call is dialled."""
    custom_args: Mapping[str, Any]
    registered_at: datetime


async def register_individual(
    store: Store, principal: Principal, request: IndividualCall, now: datetime
) -> RegisteredCall:
    """Put the call into the queue; it is terminable from then on, and rings when window, pace and start allow."""
    _require_one_caller(request)
    require_e164(request.mobile_number, "mobile_number", None)
    custom_args = _custom_args(request)
    async with store.transaction() as tx:
        if request.number_pool_id is not None:
            await wait_for_pool(tx, principal, request.number_pool_id)
        # The lock comes before anything is read: a termination of the agent either covers this call or waits for it.
        await tx.terminations.lock_agent(principal.workspace_id, request.agent_id, shared=True)
        if await active_agent(tx, principal.workspace_id, request.agent_id) is None:
            raise NotFound("Agent not found", field="agent_id")
        caller = await _caller(tx, principal, request)
        campaign_id, epoch = await tx.campaigns.individual_campaign(
            principal.workspace_id, request.agent_id, caller.trunk_id, caller.number_pool_id
        )
        call_id = await tx.calls.register(
            NewCall(
                workspace_id=principal.workspace_id,
                campaign_id=campaign_id,
                epoch=epoch,
                called_number=request.mobile_number,
                calling_number=caller.number,
                callee_name=str(custom_args["callee_name"]),
                custom_args=custom_args,
                call_config=request.call_config,
                next_attempt_at=_first_attempt_at(request.call_config, now),
            )
        )
        if request.callback is not None:
            await keep_callback(tx, principal.workspace_id, call_id, request.callback)
        await tx.calls.wake_dispatchers()
    return RegisteredCall(call_id, request.agent_id, request.mobile_number, caller.number, custom_args, now)


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who calls: one number, or whichever of a pool has its turn."""

    trunk_id: TrunkId
    number: str | None = None
    number_pool_id: NumberPoolId | None = None


def _require_one_caller(request: IndividualCall) -> None:
    if request.from_numbers is not None and request.from_number_ids is not None:
        raise InvalidInput("Provide only one of: from_number_id, from_number", field="from_number")
    if request.number_pool_id is not None and not (request.from_numbers is request.from_number_ids is None):
        raise InvalidInput("Provide only one of: number_pool_id, from_number_id, from_number", field="number_pool_id")
    if request.number_pool_id is None:
        _given_calling_numbers(request)


async def _caller(tx: Transaction, principal: Principal, request: IndividualCall) -> _Caller:
    if request.number_pool_id is not None:
        pool = await hold_pool(tx, principal, request.number_pool_id)
        _require_another(request, pool.numbers, "number_pool_id")
        return _Caller(pool.trunk_id, number_pool_id=pool.number_pool_id)
    field, given = _given_calling_numbers(request)
    numbers = await resolve_calling_numbers(tx, principal.workspace_id, given, field)
    _require_another(request, [number.number for number in numbers], field)
    chosen = await _first_dialable(tx, principal, numbers)
    return _Caller(chosen.trunk_id, chosen.number)


def _require_another(request: IndividualCall, numbers: Sequence[str], field: str) -> None:
    for position, number in enumerate(numbers):
        if number == request.mobile_number:
            raise InvalidInput(
                f"mobile_number {request.mobile_number} is also {field}[{position}]: it cannot call itself",
                field="mobile_number",
            )


def _given_calling_numbers(request: IndividualCall) -> tuple[str, Sequence[str]]:
    """The field that was given and its values, in the syntax of that field."""
    if request.from_numbers is not None:
        for position, number in enumerate(request.from_numbers):
            require_e164(number, "from_number", position)
        return "from_number", request.from_numbers
    if request.from_number_ids is not None:
        return "from_number_id", [
            _require_uuid(text, position) for position, text in enumerate(request.from_number_ids)
        ]
    raise InvalidInput(NO_CALLING_NUMBER, field="from_number")


def _require_uuid(text: str, position: int) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise InvalidInput(
            f"from_number_id[{position}] is not a UUID: {text[:64]!r}", field="from_number_id", position=position
        ) from None


def _custom_args(request: IndividualCall) -> dict[str, Any]:
    """The agent's variables: as given, and always with the two that say who is called."""
    if not request.name.strip() or len(request.name) > NAME_LENGTH_MAX:
        raise InvalidInput(f"name must have 1 to {NAME_LENGTH_MAX} characters", field="name")
    if len(request.custom_args) > CUSTOM_ARGS_MAX:
        raise InvalidInput(f"custom_args_values has more than {CUSTOM_ARGS_MAX} entries", field="custom_args_values")
    callee_name = request.custom_args.get("callee_name")
    if callee_name is None:
        callee_name = request.name
    elif not isinstance(callee_name, str):
        raise InvalidInput("custom_args_values.callee_name must be a string", field="custom_args_values.callee_name")
    named = {"callee_name": callee_name}
    if request.extract_first_name:
        named = {"callee_name": first_name(callee_name), "original_callee_name": callee_name}
    return {**request.custom_args, **named, "mobile_number": request.mobile_number}


async def _first_dialable(tx: Transaction, principal: Principal, numbers: Sequence[CallingNumber]) -> CallingNumber:
    """The first number whose trunk is enabled; without any, the first: the call waits for its trunk."""
    trunks = {trunk.trunk_id: trunk for trunk in await tx.workspaces.trunks(principal.workspace_id)}
    for number in numbers:
        trunk = trunks.get(number.trunk_id)
        if trunk is not None and trunk.is_enabled:
            return number
    return numbers[0]


def _first_attempt_at(config: CallConfig, now: datetime) -> datetime | None:
    """Only a start in the future is a time to wait for; the dispatcher asks the window itself before it dials."""
    if config.scheduled_at is None or config.scheduled_at <= now:
        return None
    return next_opening(config.window, config.scheduled_at)
