"""Figures of a campaign agree with its attempts at every step, folded or not, and no campaign sees those of another."""

from collections import Counter

import pytest

from ringoff.domain.campaign_eta import EtaState
from ringoff.domain.campaign_figures import CampaignFigures
from ringoff.domain.errors import NotFound
from ringoff.domain.identifiers import CampaignId
from ringoff.observability.invariants import broken_invariants
from ringoff.operations import campaign_life
from ringoff.operations.campaign_figures import campaign_figures, etas
from ringoff.store.postgres import PostgresStore
from tests.races.conftest import Actors
from tests.support.world import World

pytestmark = pytest.mark.anyio

NUMBERS = [f"+120255504{n:02}" for n in range(12)]


@pytest.fixture
async def actors(store: PostgresStore) -> Actors:
    return Actors(store, await World.make(store))


async def figures_of(actors: Actors, campaign_id: CampaignId) -> CampaignFigures:
    """What is shown, after a look that it is what the attempts say, and that all rules hold."""
    figures = await campaign_figures(actors.store, actors.world.principal, campaign_id)
    async with actors.store.transaction() as tx:
        rows = await tx.connection.fetch(
            "SELECT disposition FROM dial_attempt WHERE campaign_id = $1 AND disposition IS NOT NULL", campaign_id
        )
    told = Counter(row["disposition"] for row in rows)
    assert figures.outcomes is not None
    assert {row.disposition: row.attempt_count for row in figures.outcomes.sums} == told
    in_buckets: Counter[str] = Counter()
    for bucket in figures.outcomes.buckets:
        in_buckets.update(bucket.by_disposition)
    assert in_buckets == told
    assert await broken_invariants(actors.store) == []
    return figures


async def dial_and_end(actors: Actors, count: int, sip_status: int, talk_ms: int = 0) -> None:
    for work, calls in await actors.world.claim(actors.supervisor, count):
        await actors.supervisor.dialer.dial(work, calls, actors.clock.monotonic())
    async with actors.settling():
        for attempt_id in list(actors.supervisor.settler.live):
            if sip_status == 200:
                actors.carrier.answers(attempt_id)
            actors.carrier.ends(attempt_id, sip_status, was_answered=sip_status == 200, talk_ms=talk_ms)
        await actors.all_settled()


async def test_through_dials_of_every_kind(actors: Actors) -> None:
    campaign_id = await actors.world.campaign(NUMBERS)
    fresh = await figures_of(actors, campaign_id)
    assert fresh.outcomes is not None
    assert (fresh.outcomes.asr, fresh.outcomes.acd_s, fresh.outcomes.buckets) == (None, None, [])
    assert (fresh.eta.state, fresh.eta.attempts_left) == (EtaState.RUNNING, 12)
    await dial_and_end(actors, 4, 200, talk_ms=30_000)
    await dial_and_end(actors, 3, 486)
    once = await figures_of(actors, campaign_id)
    assert await actors.supervisor.tally_folder.fold() > 0
    folded = await figures_of(actors, campaign_id)
    assert folded.outcomes == once.outcomes
    await dial_and_end(actors, 1, 404)
    after = await figures_of(actors, campaign_id)
    assert after.outcomes is not None
    assert (after.outcomes.attempt_count, after.outcomes.answered_count) == (8, 4)
    assert (after.outcomes.asr, after.outcomes.acd_s) == (0.5, 30.0)
    await actors.supervisor.tally_folder.fold()
    assert (await figures_of(actors, campaign_id)).outcomes == after.outcomes


async def test_nobody_sees_the_figures_of_another(actors: Actors) -> None:
    first = await actors.world.campaign(NUMBERS[:2])
    await dial_and_end(actors, 2, 486)
    second = await actors.world.campaign(NUMBERS[2:4])
    await actors.supervisor.tally_folder.fold()
    untouched = (await figures_of(actors, second)).outcomes
    assert untouched is not None
    assert untouched.attempt_count == 0
    stranger = await World.make(actors.store)
    with pytest.raises(NotFound):
        await campaign_figures(actors.store, stranger.principal, first)


async def test_individual_calls_are_no_campaign_to_look_at(actors: Actors) -> None:
    await actors.world.individual_call(NUMBERS[0])
    await dial_and_end(actors, 1, 404)
    async with actors.store.transaction() as tx:
        hidden = await tx.connection.fetchval("SELECT campaign_id FROM campaign WHERE kind = 'individual'")
    with pytest.raises(NotFound):
        await campaign_figures(actors.store, actors.world.principal, hidden)


async def test_a_campaign_of_an_older_version_has_no_outcomes(actors: Actors) -> None:
    campaign_id = await actors.world.campaign(NUMBERS[:2])
    async with actors.store.transaction() as tx:
        await tx.connection.execute("UPDATE campaign SET has_outcomes = false")
    await dial_and_end(actors, 2, 404)
    figures = await campaign_figures(actors.store, actors.world.principal, campaign_id)
    assert figures.outcomes is None
    assert figures.counts.failed == 2
    assert await broken_invariants(actors.store) == []


async def test_a_pause_and_a_trunk_that_is_off_say_so(actors: Actors) -> None:
    campaign_id = await actors.world.campaign(NUMBERS[:2])
    async with actors.store.transaction() as tx:
        await tx.dispatch.stop_trunk(actors.world.workspace_id, actors.world.trunk_id, "refused")
    assert (await figures_of(actors, campaign_id)).eta.state is EtaState.TRUNK_OFF
    await campaign_life.pause(actors.store, actors.world.principal, campaign_id)
    assert (await figures_of(actors, campaign_id)).eta.state is EtaState.PAUSED
    draft = await actors.world.draft(NUMBERS[:1])
    assert (await figures_of(actors, draft)).eta.state is EtaState.NOT_STARTED


async def test_the_pace_of_the_last_minutes_is_measured(actors: Actors) -> None:
    campaign_id = await actors.world.campaign(NUMBERS)
    async with actors.store.transaction() as tx:
        await tx.connection.execute(
            "INSERT INTO campaign_outcome SELECT $1, $2, w,"
            " date_bin(make_interval(mins => w), now() - interval '2 min', 'epoch'), 'busy', 6000, 0, 0"
            " FROM unnest(ARRAY[1, 60]) AS w",
            actors.world.workspace_id,
            campaign_id,
        )
    eta = (await campaign_figures(actors.store, actors.world.principal, campaign_id)).eta
    assert eta.attempts_per_s is not None
    assert 6000 / 180 <= eta.attempts_per_s <= 6000 / 120


async def test_a_list_of_campaigns_guesses_as_the_page_of_one_does(actors: Actors) -> None:
    store, principal = actors.store, actors.world.principal
    started = await actors.world.campaign(NUMBERS)
    paused = await actors.world.campaign(NUMBERS[:5])
    await dial_and_end(actors, 4, 200, talk_ms=30_000)
    await campaign_life.pause(store, principal, paused)
    listed = await campaign_life.list_campaigns(store, principal, None, 10)
    guessed = await etas(store, principal, listed)
    assert guessed[paused].state == EtaState.PAUSED
    for campaign_id in (started, paused):
        alone = (await campaign_figures(store, principal, campaign_id)).eta
        found = guessed[campaign_id]
        assert (found.state, found.attempts_left) == (alone.state, alone.attempts_left)
    await campaign_life.end(store, principal, paused)
    listed = await campaign_life.list_campaigns(store, principal, None, 10)
    assert set(await etas(store, principal, listed)) == {started}, "what is over is not guessed about"
