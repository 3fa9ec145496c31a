"""A start beside an order: whoever writes the campaign's row first wins, and the other says what it met."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from ringoff.clock import SystemClock
from ringoff.domain.errors import Conflict
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.termination import Selector
from ringoff.observability.invariants import broken_invariants
from ringoff.operations import campaigns
from ringoff.operations.terminations import terminate
from tests.races.conftest import Actors
from tests.support.world import CALLING_NUMBER

pytestmark = pytest.mark.anyio

NUMBERS = ["+12025550111", "+12025550112"]
MEANWHILE = "Campaign was terminated while it was being started"


def start(actors: Actors, campaign_id: CampaignId) -> Coroutine[Any, Any, campaigns.StartedCampaign]:
    world = actors.world
    return campaigns.start(
        actors.store, world.principal, world.agent_id, campaign_id, [CALLING_NUMBER], now=SystemClock().now()
    )


def order(actors: Actors) -> Coroutine[Any, Any, Any]:
    selector = Selector(agent_id=actors.world.agent_id)
    return terminate(actors.store, actors.world.principal, selector, gate=actors.gates)


async def is_refused_beside_an_order(actors: Actors, campaign_id: CampaignId) -> None:
    actors.gates.hold("terminate.before_commit")
    ordering = asyncio.create_task(order(actors))
    await actors.gates.reached("terminate.before_commit")
    starting = asyncio.create_task(start(actors, campaign_id))
    await actors.waits_for_a_lock(starting)
    actors.gates.release("terminate.before_commit")
    await ordering
    with pytest.raises(Conflict, match=MEANWHILE):
        await starting
    await actors.dial_all()
    assert actors.dialled == []
    assert await broken_invariants(actors.store) == []


async def test_an_order_before_the_first_start_refuses_it_and_a_later_start_calls_everybody(actors: Actors) -> None:
    campaign_id = await actors.world.draft(NUMBERS)
    await is_refused_beside_an_order(actors, campaign_id)
    assert (await start(actors, campaign_id)).campaign.status == "ongoing"
    await actors.dial_all()
    assert sorted(actors.dialled) == NUMBERS


async def test_two_starts_at_once_are_one(actors: Actors) -> None:
    campaign_id = await actors.world.draft(NUMBERS)
    answers = await asyncio.gather(start(actors, campaign_id), start(actors, campaign_id), return_exceptions=True)
    [refused] = [answer for answer in answers if isinstance(answer, BaseException)]
    assert isinstance(refused, Conflict)
    assert str(refused) == campaigns.ALREADY_STARTED
    await actors.dial_all()
    assert sorted(actors.dialled) == NUMBERS
