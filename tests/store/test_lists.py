"""What orders and loops ask about large lists costs the same however many lists there have been."""

import pytest

from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load
from tests.support.large_lists import contacts, upload
from tests.support.plans import kept_plan
from tests.support.world import World

pytestmark = pytest.mark.anyio

LISTS, ORDERS = load("lists"), load("terminations")
PAST = """
    WITH past AS (
        INSERT INTO campaign (workspace_id, agent_id, kind, name, status, call_config)
        SELECT workspace_id, agent_id, kind, name, 'draft', call_config FROM campaign, generate_series(1, 3000)
        RETURNING workspace_id, campaign_id
    )
    INSERT INTO list_upload (workspace_id, campaign_id, epoch, country_code, file_bytes, state, ended_at)
    SELECT workspace_id, campaign_id, 0, '+1', 1, 'verified', now() FROM past
"""


@pytest.mark.parametrize(
    ("statement", "arguments", "index"),
    [
        (ORDERS["is_verifying"], "gen_random_uuid(), NULL, NULL", "list_upload_verifying"),
        (LISTS["claim"], "gen_random_uuid(), 15", "list_upload_due"),
    ],
)
async def test_only_lists_that_are_verified_are_looked_at(
    store: PostgresStore, statement: str, arguments: str, index: str
) -> None:
    world = await World.make(store)
    await upload(world, contacts(["+12025550111"]))
    async with store.transaction() as tx:
        await tx.connection.execute(PAST)
        await tx.connection.execute("ANALYZE list_upload, campaign")
    nodes = await kept_plan(store, statement, arguments)
    read = {node.get("Index Name") for node in nodes if node.get("Relation Name") == "list_upload"}
    assert index in read
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
