"""Saving is all or nothing, and a campaign is started once."""

import asyncio
import io
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from ringoff.domain.call_config import CallConfig
from ringoff.domain.call_window import CallWindow
from ringoff.domain.errors import Conflict, InvalidInput
from ringoff.domain.identifiers import AgentId
from ringoff.domain.records import CallFilter, CampaignCounts
from ringoff.domain.workspace import Principal
from ringoff.operations import agents, campaigns, insights, workspaces
from ringoff.operations.campaigns import CampaignForm, SavedCampaign, StartedCampaign
from ringoff.store.postgres import PostgresStore

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
CONTACTS = "Mobile Number,Name\n" + "".join(f"+1415555{line:04},Person {line}\n" for line in range(100, 150))


@pytest.fixture
async def principal(store: PostgresStore) -> Principal:
    key = await workspaces.ensure_first_rows(store, None)
    assert key is not None
    found = await workspaces.authenticate(store, key)
    assert found is not None
    return found


@pytest.fixture
async def agent_id(store: PostgresStore, principal: Principal) -> AgentId:
    [(agent, _)] = await agents.list_agents(store, principal, 1, 0)
    return agent.agent_id


async def save(
    store: PostgresStore, principal: Principal, agent_id: AgentId, path: Path, contacts: str, times: tuple[str, str]
) -> SavedCampaign:
    await anyio.Path(path).write_text(contacts)
    form = CampaignForm(
        agent_id=agent_id,
        name="Spring",
        country_code="+1",
        variables_map={"callee_name": "Name"},
        call_config=CallConfig(window=CallWindow(0, 1440, "Asia/Kolkata")),
        start_time=times[0],
        end_time=times[1],
        remove_invalid_rows=False,
    )
    with path.open("rb") as file:
        return await campaigns.save(store, principal, form, file, NOW)


TIMES = ("05/01/2026, 20:00", "2026-12-31T20:00:00")


async def test_times_are_local_to_the_config(
    store: PostgresStore, principal: Principal, agent_id: AgentId, tmp_path: Path
) -> None:
    saved = await save(store, principal, agent_id, tmp_path / "a.csv", CONTACTS, TIMES)
    assert (saved.total_count, saved.valid_count, saved.invalid_count) == (50, 50, 0)
    [(campaign, counts)], total = await campaigns.list_campaigns(store, principal, 10, 0, with_counts=True)
    assert total == 1
    assert campaign.start_at == datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
    assert campaign.end_at == datetime(2026, 12, 31, 14, 30, tzinfo=UTC)
    assert (campaign.status, campaign.total_count, counts) == ("draft", 50, CampaignCounts(registered=50))


async def test_a_bad_last_row_leaves_nothing(
    store: PostgresStore, principal: Principal, agent_id: AgentId, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="line 52"):
        await save(store, principal, agent_id, tmp_path / "a.csv", CONTACTS + "nobody,Nobody\n", TIMES)
    assert (await campaigns.list_campaigns(store, principal, 10, 0, with_counts=False))[1] == 0
    assert (await insights.history(store, principal, CallFilter())).total.count == 0


async def test_of_two_starts_at_once_one_wins(
    store: PostgresStore, principal: Principal, agent_id: AgentId, tmp_path: Path
) -> None:
    saved = await save(store, principal, agent_id, tmp_path / "a.csv", CONTACTS, TIMES)
    starts = (
        campaigns.start(store, principal, agent_id, saved.campaign_id, ["+12025550100"], now=NOW) for _ in range(5)
    )
    outcomes = await asyncio.gather(*starts, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [*["Conflict"] * 4, "StartedCampaign"]
    assert all(isinstance(outcome, StartedCampaign | Conflict) for outcome in outcomes)


async def test_a_campaign_whose_end_has_passed_is_not_started(
    store: PostgresStore, principal: Principal, agent_id: AgentId, tmp_path: Path
) -> None:
    saved = await save(store, principal, agent_id, tmp_path / "a.csv", CONTACTS, TIMES)
    late = datetime(2027, 1, 1, tzinfo=UTC)
    with pytest.raises(InvalidInput, match="end time has passed"):
        await campaigns.start(store, principal, agent_id, saved.campaign_id, ["+12025550100"], now=late)


async def test_an_upload_needs_a_real_file(store: PostgresStore, principal: Principal, agent_id: AgentId) -> None:
    """The reader is another process, so what only lives in memory cannot be read."""
    form = CampaignForm(agent_id, "Spring", "+1", {}, CallConfig(), *TIMES, remove_invalid_rows=False)
    with pytest.raises(io.UnsupportedOperation):
        await campaigns.save(store, principal, form, io.BytesIO(b"Mobile Number\n"), NOW)
