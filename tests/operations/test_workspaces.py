"""The first rows and the keys: made once, whoever comes first, and never readable again."""

import asyncio

import pytest

from ringoff.domain.errors import Conflict, InvalidInput, NotFound
from ringoff.operations import agents, numbers, trunks, workspaces
from ringoff.store.postgres import PostgresStore


async def test_the_first_start_makes_all_that_a_first_call_needs(store: PostgresStore) -> None:
    key = await workspaces.ensure_first_rows(store, None)
    assert key is not None
    assert key.startswith("ringoff_live_")
    principal = await workspaces.authenticate(store, key)
    assert principal is not None
    assert (await workspaces.workspace_of(store, principal)).name == "Default workspace"
    [trunk] = await trunks.list_trunks(store, principal)
    assert (trunk.driver, trunk.cps_max, trunk.channels_max, trunk.is_enabled) == ("simulated", 50.0, 500, True)
    [view] = await numbers.list_numbers(store, principal)
    assert (view.number.number, view.trunk) == ("+12025550100", trunk)
    [(agent, call_count)] = await agents.list_agents(store, principal, 10, 0)
    assert (agent.display_name, call_count) == ("Demo agent", 0)


async def test_later_starts_change_nothing(store: PostgresStore) -> None:
    first = await workspaces.ensure_first_rows(store, "bootstrap-key-of-a-script")
    assert first == "bootstrap-key-of-a-script"
    assert await workspaces.ensure_first_rows(store, "another-key") is None
    assert await workspaces.ensure_first_rows(store, None) is None
    assert await workspaces.authenticate(store, first) is not None
    assert await workspaces.authenticate(store, "another-key") is None


async def test_processes_that_start_together_make_one_workspace(store: PostgresStore) -> None:
    made = await asyncio.gather(*(workspaces.ensure_first_rows(store, None) for _ in range(5)))
    [key] = [text for text in made if text is not None]
    principal = await workspaces.authenticate(store, key)
    assert principal is not None
    assert len(await workspaces.list_api_keys(store, principal)) == 1
    async with store.transaction() as tx:
        assert len(await tx.workspaces.workspaces()) == 1


@pytest.mark.parametrize("text", ["with space", "tab\there", "ключ", "x" * 257])
async def test_a_bootstrap_key_must_fit_in_a_header(store: PostgresStore, text: str) -> None:
    with pytest.raises(InvalidInput):
        await workspaces.ensure_first_rows(store, text)


async def test_the_secret_is_not_stored(store: PostgresStore) -> None:
    text = await workspaces.ensure_first_rows(store, None)
    assert text is not None
    principal = await workspaces.authenticate(store, text)
    assert principal is not None
    [key] = await workspaces.list_api_keys(store, principal)
    assert text.startswith(key.prefix)
    assert len(key.prefix) == len("ringoff_live_") + 4


async def test_what_is_shown_of_a_chosen_key_is_little(store: PostgresStore) -> None:
    await workspaces.ensure_first_rows(store, "12345678")
    principal = await workspaces.authenticate(store, "12345678")
    assert principal is not None
    assert [key.prefix for key in await workspaces.list_api_keys(store, principal)] == ["12"]


async def test_keys_are_made_for_a_workspace_by_name_or_for_the_oldest(store: PostgresStore) -> None:
    await workspaces.ensure_first_rows(store, None)
    second = await workspaces.create_workspace(store, "Second")
    for name, expected in ((None, "Default workspace"), ("Second", "Second")):
        _, text = await workspaces.create_api_key(store, name, "cli")
        principal = await workspaces.authenticate(store, text)
        assert principal is not None
        assert (await workspaces.workspace_of(store, principal)).name == expected
    assert second.name == "Second"
    with pytest.raises(NotFound):
        await workspaces.create_api_key(store, "Third", "cli")
    with pytest.raises(Conflict):
        await workspaces.create_workspace(store, "Second")


async def test_keys_differ(store: PostgresStore) -> None:
    await workspaces.ensure_first_rows(store, None)
    texts = {(await workspaces.create_api_key(store, None, "same name"))[1] for _ in range(3)}
    assert len(texts) == 3
