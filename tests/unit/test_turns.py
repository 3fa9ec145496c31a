"""Whose turn it is: workspaces alternate however many campaigns each has, and none takes every place in flight."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from ringoff.dispatch.turns import Turns
from ringoff.domain.attempt_records import DialWork
from ringoff.domain.call_config import CallConfig
from ringoff.domain.carrier import HandlingKind, TrunkSpec, answer_handling
from ringoff.domain.fair_share import ChannelUse, Share
from ringoff.domain.identifiers import AgentId, CampaignId, TrunkId, WorkspaceId

AT = datetime(2026, 1, 5, tzinfo=UTC)
BATCH_MAX = 50


def work(workspace: int, trunk: int, campaign: int) -> DialWork:
    workspace_id, trunk_id = WorkspaceId(UUID(int=workspace)), TrunkId(UUID(int=trunk))
    return DialWork(
        workspace_id=workspace_id,
        campaign_id=CampaignId(UUID(int=campaign)),
        agent_id=AgentId(UUID(int=1)),
        trunk_id=trunk_id,
        epoch=1,
        is_individual=False,
        call_config=CallConfig(),
        calling_numbers=[],
        number_pool_id=None,
        trunk=TrunkSpec(workspace_id, trunk_id, "simulated", {}),
        handling=answer_handling(HandlingKind.MEDIA_URL, "wss://agent.example.com"),
        agent_changed_at=AT,
        campaign_changed_at=AT,
        next_due_at=AT,
        now=AT,
    )


def many(workspace: int, count: int, *, trunk: int | None = None) -> list[DialWork]:
    """Campaigns of one workspace on one trunk."""
    return [work(workspace, trunk or workspace, 1_000_000 * workspace + n) for n in range(count)]


def take(turns: Turns, due: Iterable[DialWork], *, count: int = BATCH_MAX) -> list[DialWork]:
    """One round in which each claim gets what it asks for, up to ``count``."""
    turns.begin(list(due), {})
    taken = []
    while (asking := turns.next()) is not None:
        turns.claimed(asking, count, count)
        taken.append(asking)
    return taken


def test_a_workspace_of_five_thousand_campaigns_leaves_half_of_the_claims_to_one_of_one() -> None:
    turns = Turns(BATCH_MAX, 64, 4)
    taken = take(turns, [*many(1, 5_000), *many(2, 1)])
    assert Counter(w.workspace_id.int for w in taken) == {1: 32, 2: 32}


def test_a_newcomer_waits_for_one_claim_of_each_other_workspace_at_most() -> None:
    turns = Turns(BATCH_MAX, 64, 4)
    crowd = [w for workspace in range(1, 11) for w in many(workspace, 500)]
    for _ in range(5):
        take(turns, crowd)
    taken = take(turns, [*crowd, *many(99, 1)])
    assert [w.workspace_id.int for w in taken].index(99) <= 10


def test_a_trunk_of_many_campaigns_leaves_half_of_the_claims_to_one_of_one() -> None:
    turns = Turns(BATCH_MAX, 64, 4)
    taken = take(turns, [*many(1, 3_000, trunk=1), work(1, 2, 7)])
    assert Counter(w.trunk_id.int for w in taken) == {1: 32, 2: 32}


def test_every_campaign_has_its_turn_although_rounds_end_early() -> None:
    turns = Turns(BATCH_MAX, 64, 4)
    crowd = many(1, 500)
    seen: set[CampaignId] = set()
    for _ in range(8):
        seen |= {w.campaign_id for w in take(turns, crowd)}
    assert len(seen) == 500


def test_a_round_without_rivals_asks_each_campaign_once() -> None:
    turns = Turns(BATCH_MAX, 64, 4)
    taken = take(turns, many(1, 5))
    assert len({w.campaign_id for w in taken}) == len(taken) == 5
    assert take(turns, []) == []


def test_what_is_exhausted_or_rests_is_not_asked_again() -> None:
    turns = Turns(BATCH_MAX, 64, 4)
    due = [*many(1, 20), *many(2, 1), *many(3, 1)]
    turns.begin(due, {})
    asked: Counter[int] = Counter()
    while (asking := turns.next()) is not None:
        asked[asking.workspace_id.int] += 1
        if asking.workspace_id.int == 2:
            turns.rest(asking.trunk_id)
        else:
            turns.claimed(asking, BATCH_MAX, 7 if asking.workspace_id.int == 3 else BATCH_MAX)
    assert asked == {1: 20, 2: 1, 3: 1}


def test_who_finds_nothing_does_not_keep_asking_first() -> None:
    turns = Turns(BATCH_MAX, 8, 4)
    due = many(1, 24)
    empty = {w.campaign_id for w in due[:12]}
    found: set[CampaignId] = set()
    for _ in range(6):
        turns.begin(due, {})
        while (asking := turns.next()) is not None:
            is_empty = asking.campaign_id in empty
            turns.claimed(asking, BATCH_MAX, 0 if is_empty else BATCH_MAX)
            if not is_empty:
                found.add(asking.campaign_id)
    assert len(found) == 12


def test_more_trunks_than_are_remembered_have_their_turns() -> None:
    turns = Turns(BATCH_MAX, 2, 4)
    turns.begin([work(1, trunk, trunk) for trunk in range(10_001)], {})
    asking = turns.next()
    assert asking is not None
    turns.channels_seen(asking, None)
    assert turns.quantum(asking) == BATCH_MAX


def test_one_place_in_flight_is_left_to_the_other_workspaces() -> None:
    turns = Turns(BATCH_MAX, 64, 4)
    slow, other = many(1, 10), many(2, 1)
    for _ in range(3):
        turns.took_off(slow[0].workspace_id)
    turns.begin(slow, {})
    assert turns.next() is not None, "nobody else needs the place"
    turns.begin([*slow, *other], {})
    taken = []
    while (asking := turns.next()) is not None:
        taken.append(asking)
        turns.claimed(asking, BATCH_MAX, 1)
    assert taken == other
    assert turns.is_held_back
    turns.landed(slow[0].workspace_id)
    turns.begin([*slow, *other], {})
    served = [turns.next(), turns.next()]
    assert {w.workspace_id.int for w in served if w is not None} == {1, 2}
    assert not turns.is_held_back


def test_shares_decide_how_much_a_claim_takes() -> None:
    turns = Turns(BATCH_MAX, 64, 4)
    heavy, light = many(1, 2)
    turns.begin([heavy, light], {heavy.campaign_id: Share(weight=100), light.campaign_id: Share(weight=20)})
    assert turns.next() is not None
    assert (turns.quantum(heavy), turns.quantum(light)) == (50, 10)
    turns.channels_seen(heavy, ChannelUse(12, {heavy.campaign_id: 6}))
    assert (turns.quantum(heavy), turns.quantum(light)) == (4, 2)
    turns.claimed(heavy, 4, 4)
    assert turns.quantum(heavy) == 1
