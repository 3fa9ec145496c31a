"""Receipts are found by what people remember of an order, and their calls are exported whole."""

from datetime import timedelta

import pytest

from ringoff.domain.errors import InvalidInput, NotFound
from ringoff.domain.identifiers import TerminationId
from ringoff.domain.receipt_filter import ReceiptFilter
from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.operations import receipts
from ringoff.store.postgres import PostgresStore
from tests.races.conftest import Actors
from tests.support.world import World

pytestmark = pytest.mark.anyio

NUMBERS = [f"+120255506{n:02}" for n in range(12)]


@pytest.fixture
async def actors(store: PostgresStore) -> Actors:
    return Actors(store, await World.make(store))


async def found(actors: Actors, **wanted: object) -> list[TerminationId]:
    page = await receipts.search_receipts(actors.store, actors.world.principal, ReceiptFilter(**wanted))  # type: ignore[arg-type]
    return [receipt.termination_id for receipt in page]


async def test_by_everything_that_one_may_remember(actors: Actors) -> None:
    world = actors.world
    spring, autumn = await world.campaign(NUMBERS[:2]), await world.campaign(NUMBERS[2:6])
    other_agent = await world.another_agent()
    await world.campaign(NUMBERS[6:8], agent_id=other_agent)
    async with actors.store.transaction() as tx:
        await tx.connection.execute("UPDATE campaign SET name = 'Spring 100%' WHERE campaign_id = $1", spring)
        await tx.connection.execute("UPDATE agent SET display_name = 'Asha' WHERE agent_id = $1", other_agent)
    call_id = (await world.call_ids())[NUMBERS[5]]
    of_spring = await actors.terminate(TerminationOrder(Selector(campaign_id=spring), reason="They ASKED_us"))
    of_number = await actors.terminate(Selector(campaign_id=autumn, mobile_numbers=(NUMBERS[2],)))
    of_call = await actors.terminate(Selector(call_ids=(call_id,)))
    of_agent = await actors.terminate(Selector(agent_id=other_agent))
    everything = [of_agent, of_call, of_number, of_spring]
    for text, expected in {
        "asked_": [of_spring],
        "askedxus": [],
        "0%": [of_spring],
        "spring": [of_spring],
        "ASHA": [of_agent],
        NUMBERS[2]: [of_number],
        NUMBERS[2][:-1]: [],
        str(call_id).upper(): [of_call],
        str(other_agent)[:13]: [of_agent],
        str(autumn): [of_number],
        str(of_call): [of_call],
        str(of_call).upper(): [of_call],
        "key": everything,
        "nobody remembers this": [],
    }.items():
        assert await found(actors, text=text) == expected, text
    assert await found(actors, level="calls") == [of_call]
    assert await found(actors, state="settling") == [of_agent, of_spring]
    assert await found(actors, before=of_number) == [of_spring]
    assert await found(actors, limit=2) == everything[:2]
    middle = (await receipts.receipt(actors.store, world.principal, of_call)).created_at
    assert of_spring in await found(actors, end_at=middle)
    assert await found(actors, start_at=middle + timedelta(days=1)) == []
    stranger = await World.make(actors.store)
    assert await receipts.search_receipts(actors.store, stranger.principal, ReceiptFilter(text="spring")) == []


@pytest.mark.parametrize("text", ["", "   ", "x" * 101, "a\0b"])
async def test_what_cannot_be_looked_for_is_refused(actors: Actors, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await found(actors, text=text)
    assert caught.value.field == "text"


async def test_every_covered_call_is_exported_before_and_after_it_settles(
    actors: Actors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "EXPORT_PAGE_MAX", 3)
    campaign_id = await actors.world.campaign(NUMBERS[:8])
    termination_id = await actors.terminate(Selector(campaign_id=campaign_id))
    for _ in range(2):
        pages = [
            page async for page in receipts.every_covered_call(actors.store, actors.world.principal, termination_id)
        ]
        assert [len(page) for page in pages] == [3, 3, 2]
        assert {call.called_number for page in pages for call in page} == set(NUMBERS[:8])
        await actors.world.sweep_all(actors.supervisor)
    stranger = await World.make(actors.store)
    with pytest.raises(NotFound):
        await anext(receipts.every_covered_call(actors.store, stranger.principal, termination_id))
