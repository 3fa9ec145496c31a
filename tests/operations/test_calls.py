"""Registration of one call: when it is due, on which number, and against a termination of its agent."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ringoff.api.app import DEFAULT_DRIVERS
from ringoff.domain.call_config import CallConfig
from ringoff.domain.call_window import CallWindow
from ringoff.domain.errors import NothingTerminable
from ringoff.domain.identifiers import AgentId
from ringoff.domain.records import CallFilter, CallRow
from ringoff.domain.termination import Selector
from ringoff.domain.workspace import Principal
from ringoff.operations import agents, calls, insights, numbers, terminations, trunks, workspaces
from ringoff.operations.calls import IndividualCall
from ringoff.store.postgres import PostgresStore

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
OFFICE_HOURS = CallWindow(9 * 60, 17 * 60, "UTC")


async def first_principal(store: PostgresStore) -> Principal:
    key = await workspaces.ensure_first_rows(store, None)
    assert key is not None
    principal = await workspaces.authenticate(store, key)
    assert principal is not None
    return principal


async def wish_of(store: PostgresStore, principal: Principal) -> IndividualCall:
    [(agent, _)] = await agents.list_agents(store, principal, 1, 0)
    return IndividualCall("Ada", "+14155550111", agent.agent_id, None, ["+12025550100"], {}, CallConfig())


async def only_call(store: PostgresStore, principal: Principal) -> CallRow:
    [call] = (await insights.history(store, principal, CallFilter())).calls
    return call


@pytest.mark.parametrize(
    ("scheduled_at", "due_at"),
    [
        (NOW + timedelta(hours=1), NOW + timedelta(hours=1)),
        (NOW + timedelta(hours=9), NOW + timedelta(hours=21)),
    ],
    ids=["inside the window", "moved to the next opening"],
)
async def test_a_call_of_the_future_waits(store: PostgresStore, scheduled_at: datetime, due_at: datetime) -> None:
    principal = await first_principal(store)
    wish = await wish_of(store, principal)
    config = CallConfig(window=OFFICE_HOURS, scheduled_at=scheduled_at)
    await calls.register_individual(store, principal, replace(wish, call_config=config), NOW)
    assert (await only_call(store, principal)).next_attempt_at == due_at


@pytest.mark.parametrize("scheduled_at", [None, NOW - timedelta(days=300)])
async def test_any_other_call_is_due_at_once(store: PostgresStore, scheduled_at: datetime | None) -> None:
    principal = await first_principal(store)
    wish = await wish_of(store, principal)
    config = CallConfig(window=OFFICE_HOURS, scheduled_at=scheduled_at)
    await calls.register_individual(store, principal, replace(wish, call_config=config), NOW)
    call = await only_call(store, principal)
    assert call.next_attempt_at is not None
    assert call.next_attempt_at - call.created_at < timedelta(minutes=1)


async def test_a_number_on_an_enabled_trunk_is_preferred(store: PostgresStore) -> None:
    principal = await first_principal(store)
    [first] = await trunks.list_trunks(store, principal)
    second = await trunks.add_trunk(
        store,
        principal,
        name="Second",
        driver="simulated",
        cps_max=1,
        channels_max=1,
        config={},
        drivers=DEFAULT_DRIVERS,
    )
    await numbers.add_number(store, principal, "+12025550142", None, second.trunk_id)
    wish = replace(await wish_of(store, principal), from_numbers=["+12025550142", "+12025550100"])
    assert (await calls.register_individual(store, principal, wish, NOW)).calling_number == "+12025550142"
    await trunks.change_trunk(store, principal, second.trunk_id, trunks.TrunkChange(is_enabled=False), DEFAULT_DRIVERS)
    assert (await calls.register_individual(store, principal, wish, NOW)).calling_number == "+12025550100"
    await trunks.change_trunk(store, principal, first.trunk_id, trunks.TrunkChange(is_enabled=False), DEFAULT_DRIVERS)
    assert (await calls.register_individual(store, principal, wish, NOW)).calling_number == "+12025550142"


async def test_registrations_and_terminations_of_one_agent_never_split(store: PostgresStore) -> None:
    """Every call is either cancelled by an order that came after it or still registered: none is left in between."""
    principal = await first_principal(store)
    wish = await wish_of(store, principal)
    order = Selector(agent_id=AgentId(wish.agent_id))

    async def terminate() -> None:
        with suppress(NothingTerminable):
            await terminations.terminate(store, principal, order)

    tasks = [calls.register_individual(store, principal, wish, NOW) for _ in range(20)]
    await asyncio.gather(*tasks, *(terminate() for _ in range(5)))
    await terminate()
    totals = await insights.counts(store, principal, CallFilter())
    assert {status: total for status, total in totals.items() if total} == {"cancelled": 20}
