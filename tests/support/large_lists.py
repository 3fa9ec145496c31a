"""Large lists in tests: uploaded, and verified as by a process of its own."""

import io
from collections.abc import Sequence
from uuid import uuid4

from ringoff.clock import SystemClock
from ringoff.dispatch.limits import DispatchLimits
from ringoff.dispatch.verifier import Verifier
from ringoff.domain.call_config import CallConfig
from ringoff.domain.identifiers import AgentId, CampaignId, OwnerId
from ringoff.operations import large_lists
from ringoff.operations.large_lists import LargeListForm, ReadableFile
from ringoff.operations.list_verification import ListVerification
from ringoff.ports import Gate, open_gate
from ringoff.store.postgres import PostgresStore
from tests.support.world import World

NOW = SystemClock().now()


def contacts(numbers: Sequence[str]) -> bytes:
    return ("Mobile Number,Name\n" + "".join(f"{number},Ada\n" for number in numbers)).encode()


async def upload(
    world: World,
    content: bytes,
    *,
    agent_id: AgentId | None = None,
    config: CallConfig | None = None,
    gate: Gate = open_gate,
) -> CampaignId:
    """Acknowledged, and not verified."""
    form = LargeListForm(
        agent_id=agent_id or world.agent_id,
        name="large",
        country_code="+1",
        variables_map={"callee_name": "Name"},
        call_config=config or CallConfig(),
    )
    file = ReadableFile(io.BytesIO(content))
    return await large_lists.upload(world.store, world.principal, form, file, NOW, gate=gate)


def verifier(store: PostgresStore, *, gate: Gate = open_gate, lease_s: float = 15.0) -> Verifier:
    """Of another process each time."""
    return Verifier(
        store=store,
        clock=SystemClock(),
        limits=DispatchLimits(lease_s=lease_s),
        owner_id=OwnerId(uuid4()),
        verification=ListVerification(store, gate),
    )


async def lose_leases(world: World) -> None:
    """As time would, when nobody renews them."""
    async with world.store.transaction() as tx:
        await tx.connection.execute("UPDATE list_upload SET lease_until = clock_timestamp() WHERE state = 'verifying'")
