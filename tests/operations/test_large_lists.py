"""A large list is kept when it is acknowledged, and verified once, by whoever is alive."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from ringoff.domain.call_config import CallConfig
from ringoff.domain.errors import Conflict, InvalidInput, NotFound
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.list_upload import Progress, UploadRow, UploadState, VerifiedUpload
from ringoff.domain.termination import Selector
from ringoff.observability.invariants import broken_invariants
from ringoff.operations import campaigns, contact_lists, large_lists
from ringoff.operations.campaigns import StartTerms
from ringoff.operations.large_lists import CHUNK_BYTES
from ringoff.operations.list_verification import ListVerification
from ringoff.operations.terminations import terminate
from ringoff.store.postgres import PostgresStore
from tests.support.gates import Gates
from tests.support.large_lists import NOW, contacts, lose_leases, upload, verifier
from tests.support.world import CALLING_NUMBER, World

pytestmark = pytest.mark.anyio

NUMBERS = [f"+1202555{line:04}" for line in range(200, 240)]
BAD_ROWS = b"nobody,Bob\n+12025550200,Again\n+12025550999,Too,Many\n"


@pytest.fixture
async def world(store: PostgresStore) -> World:
    return await World.make(store)


async def status(world: World, campaign_id: CampaignId) -> UploadRow:
    return await large_lists.uploaded(world.store, world.principal, campaign_id)


async def test_what_is_acknowledged_is_verified_later(world: World) -> None:
    campaign_id = await upload(world, contacts(NUMBERS) + BAD_ROWS)
    before = await status(world, campaign_id)
    assert (before.state, before.campaign_status, before.percent) == (UploadState.VERIFYING, "verifying", 0)
    assert await world.statuses() == {}
    assert await verifier(world.store).verify_next()
    after = await status(world, campaign_id)
    assert (after.state, after.campaign_status, after.percent) == (UploadState.VERIFIED, "draft", 100)
    assert after.progress == Progress(before.file_bytes, 43, 3, 40)
    assert [(fault["line"], fault["rule"]) for fault in after.faults] == [
        (42, "holds no digits"),
        (43, "repeats the number of line 2"),
        (44, "has 3 fields where the header has 2"),
    ]
    assert set((await world.status_by_number()).items()) == {(number, ("registered", "QUEUED")) for number in NUMBERS}
    assert await world.count("SELECT count(*) FROM list_upload_chunk") == 0
    assert not await verifier(world.store).verify_next()
    assert await broken_invariants(world.store) == []


async def test_a_file_of_several_chunks_comes_out_whole(world: World) -> None:
    rows = b"".join(b"+1%010d,%s\n" % (2_025_560_000 + line, b"A" * 3_000) for line in range(800))
    content = b"Mobile Number,Name\n" + rows
    assert len(content) > 2 * CHUNK_BYTES
    campaign_id = await upload(world, content)
    assert await world.count("SELECT count(*) FROM list_upload_chunk") == 3
    assert await verifier(world.store).verify_next()
    assert (await status(world, campaign_id)).progress.registered_count == 800


@pytest.mark.parametrize("gate", ["verify.fetched", "verify.registered", "verify.locked", "verify.before_commit"])
async def test_who_dies_in_the_middle_leaves_it_to_another(world: World, gate: str) -> None:
    gates = Gates()
    campaign_id = await upload(world, contacts(NUMBERS))
    gates.hold(gate)
    dying = asyncio.create_task(verifier(world.store, gate=gates).verify_next())
    await gates.reached(gate)
    assert not await verifier(world.store).verify_next(), "its lease holds"
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    await lose_leases(world)
    assert await verifier(world.store).verify_next()
    assert (await status(world, campaign_id)).state is UploadState.VERIFIED
    assert sorted(await world.status_by_number()) == NUMBERS
    assert len(await world.statuses()) == len(NUMBERS)


@pytest.mark.parametrize("gate", ["verify.fetched", "verify.registered"])
async def test_who_was_only_paused_writes_nothing_any_more(world: World, gate: str) -> None:
    """Two verify the same list; the calls are there once."""
    gates = Gates()
    campaign_id = await upload(world, contacts(NUMBERS))
    gates.hold(gate)
    paused = asyncio.create_task(verifier(world.store, gate=gates).verify_next())
    await gates.reached(gate)
    await lose_leases(world)
    assert await verifier(world.store).verify_next()
    gates.release(gate)
    await paused
    assert (await status(world, campaign_id)).state is UploadState.VERIFIED
    assert len(await world.statuses()) == len(NUMBERS)


async def test_of_many_processes_one_verifies_a_list(world: World) -> None:
    lists = [await upload(world, contacts(NUMBERS[place::3])) for place in range(3)]
    worked = await asyncio.gather(*(verifier(world.store).verify_next() for _ in range(5)))
    assert sorted(worked) == [False, False, True, True, True]
    assert [(await status(world, each)).state for each in lists] == [UploadState.VERIFIED] * 3
    assert len(await world.statuses()) == len(NUMBERS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"Mobile Number,Name\nnobody,Ada\n", "none of the 1 rows is valid"),
        (b"Mobile Number,Name\n", "the file has a header and no rows"),
        (contacts(NUMBERS) + b'+12025550300,"Ada\n', "never closed"),
    ],
)
async def test_a_file_that_turns_out_to_be_no_list_fails_as_a_whole(world: World, content: bytes, said: str) -> None:
    campaign_id = await upload(world, content)
    assert await verifier(world.store).verify_next()
    failed = await status(world, campaign_id)
    assert (failed.state, failed.campaign_status) == (UploadState.FAILED, "failed")
    assert said in (failed.failure or "")
    assert await world.statuses() == {}
    assert (
        await world.count("SELECT count(*) FROM contact") + await world.count("SELECT count(*) FROM list_upload_chunk")
        == 0
    )
    with pytest.raises(Conflict, match=r"Bulk list is not ready to start\."):
        await start(world, campaign_id)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"PK\x03\x04", "spreadsheet"),
        (b"Phone,Name\n1,2\n", "line 1: the column 'Mobile Number' is missing"),
        (b"Mobile Number\n+12025550200\n", "names the column 'Name', which the file does not have"),
    ],
)
async def test_what_its_beginning_tells_is_refused_at_once(world: World, content: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=r"^Invalid CSV file or variable mapping\. ") as refused:
        await upload(world, content)
    assert said in refused.value.message
    assert await world.count("SELECT count(*) FROM campaign") == 0


class _Broken(ListVerification):
    """Goes wrong every time."""

    async def verify(self, *_: Any) -> VerifiedUpload:
        raise RuntimeError("the reader crashed")


async def test_what_goes_wrong_again_and_again_fails_and_says_so(world: World) -> None:
    campaign_id = await upload(world, contacts(NUMBERS))
    unlucky = verifier(world.store)
    unlucky._verification = _Broken(world.store)
    for _ in range(4):
        assert await unlucky.verify_next()
        assert (await status(world, campaign_id)).state is UploadState.VERIFYING
        assert not await verifier(world.store).verify_next(), "it rests before it is tried again"
        await lose_leases(world)
    assert await unlucky.verify_next()
    failed = await status(world, campaign_id)
    assert (failed.state, failed.failure) == (UploadState.FAILED, "the list could not be verified: RuntimeError")


async def test_the_lease_is_renewed_with_the_progress(world: World) -> None:
    campaign_id = await upload(world, contacts(NUMBERS))
    gates = Gates()
    gates.hold("verify.registered")
    working = asyncio.create_task(verifier(world.store, gate=gates, lease_s=0.05).verify_next())
    await gates.reached("verify.registered")
    async with asyncio.timeout(20):
        while (await status(world, campaign_id)).progress.registered_count < len(NUMBERS):
            pass
    shown = await status(world, campaign_id)
    assert (shown.state, shown.percent, shown.valid_count) == (UploadState.VERIFYING, 99, 40)
    gates.release("verify.registered")
    await working
    assert (await status(world, campaign_id)).state is UploadState.VERIFIED


async def start(world: World, campaign_id: CampaignId, terms: StartTerms = campaigns.UPLOADED_TERMS) -> str:
    started = await campaigns.start(
        world.store, world.principal, world.agent_id, campaign_id, [CALLING_NUMBER], now=NOW, terms=terms
    )
    return started.campaign.status


async def test_it_is_started_when_it_is_verified_and_not_before(world: World) -> None:
    campaign_id = await upload(world, contacts(NUMBERS))
    with pytest.raises(Conflict, match=r"Bulk list is not ready to start\."):
        await start(world, campaign_id)
    await verifier(world.store).verify_next()
    assert await start(world, campaign_id, StartTerms(start_time="2030-01-01T00:00")) == "scheduled"
    with pytest.raises(Conflict, match="Campaign already started"):
        await start(world, campaign_id, StartTerms(start_time="2031-01-01T00:00"))


async def test_a_start_may_bring_it_forward(world: World) -> None:
    """The calls of a large list are due from the upload on; when they are dialled is the campaign's matter."""
    campaign_id = await upload(world, contacts(NUMBERS), config=replace(CallConfig(), max_call_length_s=60))
    await verifier(world.store).verify_next()
    config = replace(CallConfig(), max_call_length_s=120)
    assert await start(world, campaign_id, StartTerms(call_config=config)) == "ongoing"
    async with world.store.transaction() as tx:
        [work] = await tx.dispatch.work(None)
        started = await tx.campaigns.campaign(world.workspace_id, campaign_id)
    assert work.campaign_id == campaign_id
    assert started is not None
    assert started.call_config == config


async def test_a_list_that_is_verified_is_deleted_by_an_order_first(world: World) -> None:
    campaign_id = await upload(world, contacts(NUMBERS))
    assert await contact_lists.delete(world.store, world.principal, campaign_id) is not None
    with pytest.raises(NotFound):
        await status(world, campaign_id)
    await verifier(world.store).verify_next()
    assert {status for status, _ in (await world.statuses()).values()} == {"cancelled"}


async def test_after_an_order_it_is_started_again_when_its_calls_are_known(world: World) -> None:
    campaign_id = await upload(world, contacts(NUMBERS))
    await terminate(world.store, world.principal, Selector(campaign_id=campaign_id))
    with pytest.raises(Conflict, match=r"Bulk list is not ready to start\."):
        await start(world, campaign_id)
    await verifier(world.store).verify_next()
    assert (await status(world, campaign_id)).campaign_status == "terminated"
    assert await start(world, campaign_id) == "ongoing"
    statuses = sorted(status for status, _ in (await world.statuses()).values())
    assert statuses == ["cancelled"] * len(NUMBERS) + ["registered"] * len(NUMBERS)


def test_the_percentage_never_says_that_it_is_over_before_it_is() -> None:
    row = UploadRow(CampaignId(UUID(int=1)), "a", "verifying", 0, UploadState.VERIFYING, 100, Progress(), (), None)
    steps = [Progress(), Progress(50, 5), Progress(100, 10, 10), Progress(100, 10, 2, 4), Progress(100, 10, 2, 8)]
    assert [replace(row, progress=step).percent for step in steps] == [0, 25, 50, 75, 99]
    assert replace(row, state=UploadState.FAILED).percent == 100
