"""An order for a list that is being verified holds for every call that comes of it, in every order of their steps."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from uuid import uuid4

import pytest

from ringoff.domain.errors import NothingTerminable
from ringoff.domain.identifiers import CampaignId, OwnerId
from ringoff.domain.list_upload import ClaimedUpload, ProgressBoard
from ringoff.domain.termination import Selector
from ringoff.observability.invariants import broken_invariants
from ringoff.operations.list_verification import ListVerification
from ringoff.operations.terminations import terminate
from ringoff.store import lists, terminations
from tests.races.broken import NO_ORDER_LOCK, build_without
from tests.races.conftest import Actors
from tests.races.scene import CANCELLED, Order, Scene, staged
from tests.races.scheduled import FIRST, SECOND, WAYS, judge, play, until
from tests.support.gates import Gates
from tests.support.large_lists import contacts, lose_leases, upload, verifier
from tests.support.schedules import every_schedule
from tests.support.world import CALLING_NUMBER, World

pytestmark = pytest.mark.anyio

THIRD = "+12025550113"
LIST = (FIRST, SECOND, THIRD)
BY_EPOCH = {"agent", "campaign"}
OF_LISTS = [way for way in WAYS if way != "calls"]
every_way = pytest.mark.parametrize("way", OF_LISTS)

COUNTS = {"agent": (24, 12), "campaign": (50, 25)}
BY_NUMBERS = (70, 35)
"""Of schedules, by where the verification stands when they begin. The counts are exact on purpose."""
Begin = Callable[[Scene, ClaimedUpload, OwnerId, Order], Awaitable[None]]


async def verify(scene: Scene, claimed: ClaimedUpload, owner_id: OwnerId) -> None:
    await ListVerification(scene.store, scene.stepper).verify(claimed, owner_id, ProgressBoard())


async def meet(scene: Scene, claimed: ClaimedUpload, owner_id: OwnerId, order: Order, *, is_copied: bool) -> None:
    """The file is fetched, or its rows are copied and unseen: then everybody moves."""
    verifying = await scene.stepper.start("verify", verify(scene, claimed, owner_id))
    await until(verifying, "verify.registered" if is_copied else "verify.fetched", scene)
    await scene.stepper.start("order", scene.give(order))


async def meet_sweep(scene: Scene, claimed: ClaimedUpload, owner_id: OwnerId, order: Order) -> None:
    """The order is answered, and the sweeper looks behind its fence while rows come."""
    verifying = await scene.stepper.start("verify", verify(scene, claimed, owner_id))
    await until(verifying, "verify.registered", scene)
    await scene.give(order)
    await scene.stepper.start("sweep", scene.process.sweep())


async def play_every(dsn: str, way: str, begin: Begin, stops_at: str | None = None) -> tuple[list[str], int]:
    """What went wrong, and how many schedules there were: all, or those up to the first that shows ``stops_at``."""
    wrong: list[str] = []
    played_count = 0
    async with staged(dsn) as (store, stepper):
        for schedule in every_schedule():
            stepper.log.clear()
            scene = await Scene.make(store, stepper)
            # Beside it, so that an order finds something also where it misses the list.
            await scene.campaign((FIRST,))
            list_id = await upload(scene.world, contacts(LIST))
            owner_id = OwnerId(uuid4())
            async with store.dispatch_transaction() as tx:
                claimed = await tx.lists.claim(owner_id, 600.0)
            assert claimed is not None
            order = WAYS[way](scene, list_id)
            await begin(scene, claimed, owner_id, order)
            found = await play(scene, schedule)
            stepper.actors.clear()
            found += await judge_list(scene, list_id, order, way)
            wrong += [f"{what}, after {' | '.join(stepper.log)}" for what in found]
            played_count += 1
            if stops_at is not None and any(stops_at in what for what in wrong):
                break
    return wrong, played_count


async def judge_list(scene: Scene, list_id: CampaignId, order: Order, way: str) -> list[str]:
    """Whoever may be dialled is dialled, and nobody else; the receipt counts what came after the order too."""
    wrong = [] if order.is_accepted else ["an order for a list that is kept was refused"]
    await scene._learn(scene.world.agent_id, list_id)
    async with scene.store.transaction() as tx:
        await tx.campaigns.start(scene.world.workspace_id, list_id, scene.world.trunk_id, [CALLING_NUMBER], None)
    wrong += await judge(scene)
    rung = {request.called_number for request in scene.wire if scene.known[request.call_id].campaign_id == list_id}
    if rung != (set() if way in BY_EPOCH else {THIRD}):
        wrong.append(f"of the list {sorted(rung)} were dialled")
    return wrong


@pytest.mark.slow
@pytest.mark.timeout(300)
@every_way
@pytest.mark.parametrize("is_copied", [False, True], ids=["before the rows are read", "when the rows are copied"])
async def test_every_schedule_of_an_order_against_a_verification(database_dsn: str, way: str, is_copied: bool) -> None:
    wrong, played_count = await play_every(database_dsn, way, partial(meet, is_copied=is_copied))
    assert wrong == []
    assert played_count == COUNTS.get(way, BY_NUMBERS)[is_copied], (
        "the race has other steps, or other locks, than it had"
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
@every_way
async def test_every_schedule_of_a_sweep_against_a_verification(database_dsn: str, way: str) -> None:
    """A fence is not taken down, and no receipt closed, before the last row has come."""
    wrong, played_count = await play_every(database_dsn, way, meet_sweep)
    assert wrong == []
    assert played_count == 20, "the race has other steps, or other locks, than it had"


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_verification_without_the_agents_lock_is_found_out(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order for the agent would choose its campaigns while this one is neither verified nor visible."""
    build_without(monkeypatch, terminations, "lock_shared", NO_ORDER_LOCK)
    wrong, _ = await play_every(database_dsn, "agent", partial(meet, is_copied=True), stops_at="a covered call ended")
    assert any("a covered call ended" in what for what in wrong)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["numbers, rows", "numbers of a campaign, fence"])
async def test_calls_that_were_registered_when_they_were_written_are_found_out(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """An order by numbers covers what its snapshot saw: the acknowledged upload, not the rows."""
    build_without(monkeypatch, lists, "register_slice", "pg_current_xact_id()", instead_of="u.uploaded_xid")
    wrong, _ = await play_every(database_dsn, way, partial(meet, is_copied=True), stops_at="a covered call ended")
    assert any("a covered call ended" in what for what in wrong)


@pytest.mark.parametrize("gate", ["verify.fetched", "verify.registered"])
@every_way
async def test_an_order_holds_for_whoever_starts_over(actors: Actors, way: str, gate: str) -> None:
    """Who verified the list dies after the order; another begins anew, with what was kept."""
    world, gates = actors.world, Gates()
    list_id = await upload(world, contacts(LIST))
    gates.hold(gate)
    dying = asyncio.create_task(verifier(actors.store, gate=gates).verify_next())
    await gates.reached(gate)
    selector = {
        "agent": Selector(agent_id=world.agent_id),
        "campaign": Selector(campaign_id=list_id),
    }.get(way) or Selector(
        mobile_numbers=(FIRST, SECOND), campaign_id=list_id if way.startswith("numbers of a campaign") else None
    )
    termination_id = await actors.terminate(selector, number_rows_max=0 if way.endswith("fence") else 2_000)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    looks = [await actors.supervisor.sweeper.sweep() for _ in range(3)]
    assert [look is not None and look.is_early for look in looks] == [False, True, True], "the sweeper must rest"
    assert (await actors.receipt(termination_id)).state == "settling"
    await lose_leases(world)
    assert await verifier(actors.store).verify_next()
    ended = set(LIST) if way in BY_EPOCH else {FIRST, SECOND}
    assert {number for number, status in (await world.status_by_number()).items() if status == CANCELLED} == ended
    await world.sweep_all(actors.supervisor)
    receipt = await actors.receipt(termination_id)
    assert (receipt.state, receipt.cancelled_count) == ("settled", len(ended))
    assert await broken_invariants(actors.store) == []


async def test_an_order_before_the_upload_does_not_cover_it(actors: Actors) -> None:
    """Also when its numbers are fenced: calls registered after an order are not covered."""
    world, gates = actors.world, Gates()
    await world.campaign([FIRST])
    gates.hold("upload.before_commit")
    uploading = asyncio.create_task(upload(world, contacts(LIST), gate=gates))
    await gates.reached("upload.before_commit")
    await actors.terminate(Selector(mobile_numbers=(FIRST,)), number_rows_max=0)
    gates.release("upload.before_commit")
    list_id = await uploading
    await world.sweep_all(actors.supervisor)
    assert await verifier(actors.store).verify_next()
    async with actors.store.transaction() as tx:
        counts = await tx.campaigns.counts(world.workspace_id, [list_id])
    assert counts[list_id].registered == len(LIST)


async def test_an_order_for_others_leaves_a_list_alone(actors: Actors) -> None:
    """Of another agent, another campaign, another workspace."""
    world = actors.world
    other_agent = await world.another_agent()
    other = await world.campaign([FIRST], agent_id=other_agent)
    list_id = await upload(world, contacts(LIST))
    stranger = await World.make(actors.store)
    for selector in (Selector(agent_id=other_agent), Selector(campaign_id=other, mobile_numbers=(SECOND,))):
        with suppress(NothingTerminable):
            await actors.terminate(selector)
    for selector in (
        Selector(campaign_id=list_id), Selector(agent_id=world.agent_id), Selector(mobile_numbers=(FIRST,))
    ):  # fmt: skip
        with pytest.raises(NothingTerminable):
            await terminate(actors.store, stranger.principal, selector)
    assert await verifier(actors.store).verify_next()
    async with actors.store.transaction() as tx:
        counts = await tx.campaigns.counts(world.workspace_id, [list_id])
    assert counts[list_id].registered == len(LIST)
