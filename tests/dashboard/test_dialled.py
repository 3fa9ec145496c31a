"""What the pages say of calls that were dialled: attempts, what the wire said, deliveries, outcomes, the order."""

import httpx2
import pytest

from ringoff.domain.termination import Selector, TerminationOrder
from ringoff.operations import workspaces
from ringoff.store.postgres import PostgresStore
from tests.dashboard.visitor import Visitor
from tests.races.conftest import Actors
from tests.support.world import World

pytestmark = pytest.mark.anyio

NUMBER = "+12025550501"
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


@pytest.fixture
async def actors(store: PostgresStore) -> Actors:
    return Actors(store, await World.make(store))


@pytest.fixture
async def operator(actors: Actors, browser: httpx2.AsyncClient) -> Visitor:
    """Signed in to the workspace of the actors."""
    async with actors.store.transaction() as tx:
        workspace = await tx.workspaces.workspace(actors.world.workspace_id)
    assert workspace is not None
    _, key = await workspaces.create_api_key(actors.store, workspace.name, "operator")
    return await Visitor.signed_in(browser, key)


async def _dial(actors: Actors, sip_status: int, *, text: str = "", talk_ms: int = 0) -> None:
    await actors.dial_all()
    async with actors.settling():
        for attempt_id in list(actors.supervisor.settler.live):
            if talk_ms:
                actors.carrier.answers(attempt_id)
            actors.carrier.ends(attempt_id, sip_status, was_answered=talk_ms > 0, talk_ms=talk_ms, text=text)
        await actors.all_settled()


async def test_a_call_tells_its_attempts_and_the_order_that_covers_it(actors: Actors, operator: Visitor) -> None:
    campaign_id = await actors.world.campaign([NUMBER])
    call_id = (await actors.world.call_ids())[NUMBER]
    for _ in range(2):
        await _dial(actors, 486, text=HOSTILE)
    termination_id = await actors.terminate(
        TerminationOrder(Selector(campaign_id=campaign_id), reason="they asked us to stop")
    )
    page = await operator.get(f"/calls/{call_id}")
    assert page.text.count(f"SIP 486, {HOSTILE}") == 4, "in the table and in the order of time, for both attempts"
    assert "<img src=x" not in page.html
    assert "attempt prepared attempt 2" in page.text
    assert "they asked us to stop" in page.text
    assert f"/receipts/{termination_id}" in page.links
    assert NUMBER not in page.html


async def test_a_call_tells_what_subscribers_were_told(actors: Actors, operator: Visitor) -> None:
    async with actors.store.transaction() as tx:
        opened, _ = await tx.webhooks.set_webhook(
            actors.world.workspace_id,
            None,
            "call_completed",
            callback_url="https://hook.example/",
            headers={},
            method="POST",
            signing_secret="secret",
        )
    await actors.world.campaign([NUMBER])
    await _dial(actors, 404)
    async with actors.store.transaction() as tx:
        [_] = await tx.webhooks.claim(opened, 10, 60.0)
    page = await operator.get(f"/calls/{(await actors.world.call_ids())[NUMBER]}")
    assert "Told by webhook" in page.text
    assert "call_completed, try 1: no answer, pending" in page.text
    assert "invalid number" in page.text


async def test_a_campaign_tells_how_its_attempts_ended(actors: Actors, operator: Visitor) -> None:
    campaign_id = await actors.world.campaign([NUMBER, "+12025550502"])
    empty = await operator.get(f"/campaigns/{campaign_id}")
    assert "attempts 0" in empty.text
    await _dial(actors, 200, talk_ms=30_000)
    page = await operator.get(f"/campaigns/{campaign_id}")
    assert "attempts 2 ASR 100 % ACD 30 s" in page.text
    assert "answered 2 100.0 %" in page.text
    assert '"answered":[0,2]' in page.html.replace("&#34;", '"'), "the chart begins with nothing"
    assert "2 completed" in (await operator.get("/campaigns")).text
