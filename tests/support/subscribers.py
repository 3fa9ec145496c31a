"""A subscriber without a wire, events for it, and how far each delivery has come."""

import asyncio
import json
from collections.abc import Mapping

from ringoff.clock import SystemClock
from ringoff.domain.events import EventType
from ringoff.domain.webhook_records import OpenSubscription
from ringoff.operations.subscriptions import WebhookEntry, set_webhooks
from ringoff.store.postgres import PostgresStore
from ringoff.webhooks.deliverer import Deliverer
from ringoff.webhooks.lane import WebhookLimits
from ringoff.webhooks.sender import Sender, Try
from tests.support.world import World

FIRST, SECOND = "+12025550111", "+12025550112"
URL = "https://hook.example/x"
AT_ONCE = WebhookLimits(backoff_s=(0.0, 0.0, 0.0), failures_max=3, failing_s=0.0)


class Line(Sender):
    """The edge of the world: remembers what was sent, answers as it is told; a held number gets no answer."""

    def __init__(self, status: int | None = 204) -> None:
        self.status = status
        self.sent: list[tuple[Mapping[str, str], dict[str, object]]] = []
        self.urls: list[str] = []
        self.on_its_way_max = 0
        self.came = asyncio.Condition()
        self._on_its_way_count = 0
        self._held: dict[str, asyncio.Event] = {}

    def hold(self, number: str) -> None:
        self._held[number] = asyncio.Event()

    def let_go(self, number: str) -> None:
        self._held.pop(number).set()

    async def until(self, count: int) -> None:
        """Until so many requests have come."""
        async with asyncio.timeout(20), self.came:
            await self.came.wait_for(lambda: len(self.sent) >= count)

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Try:
        said = json.loads(body)
        async with self.came:
            self.sent.append((headers, said))
            self.urls.append(url)
            self.came.notify_all()
        self._on_its_way_count += 1
        self.on_its_way_max = max(self.on_its_way_max, self._on_its_way_count)
        if held := self._held.get(said.get("to_number", "")):
            await held.wait()
        self._on_its_way_count -= 1
        return Try(self.status, 1, "said")

    def ids_of(self, number: str) -> list[int]:
        """The events of one number's call, in the order in which they came."""
        return [int(str(said["event_id"])) for _, said in self.sent if said["to_number"] == number]


def deliverer(store: PostgresStore, line: Line, limits: WebhookLimits = AT_ONCE) -> Deliverer:
    return Deliverer(store=store, clock=SystemClock(), sender=line, limits=limits)


async def subscribed(world: World) -> OpenSubscription:
    entry = WebhookEntry(
        event_types=[EventType.CALL_COMPLETED], callback_url=URL, headers={"Authorization": "Bearer x"}
    )
    [(subscription, secret)] = await set_webhooks(world.store, world.principal, world.agent_id, [entry])
    assert secret.startswith("whsec_")
    return subscription


async def write_events(world: World, *numbers: str) -> None:
    """One event for each number's call, in this order."""
    ids = await world.call_ids()
    for number in numbers:
        async with world.store.transaction() as tx:
            await tx.connection.execute(
                "INSERT INTO outbox_event (workspace_id, event_type, call_id, payload)"
                " VALUES ($1, 'call_completed', $2, $3)",
                world.workspace_id,
                ids[number],
                {"campaign_id": str(world.campaigns[0]), "status": "retry", "sub_status": "RETRY_SCHEDULED"},
            )


async def states(world: World) -> list[tuple[str, int]]:
    async with world.store.transaction() as tx:
        rows = await tx.connection.fetch("SELECT state, tries FROM webhook_delivery ORDER BY event_id")
    return [(row["state"], row["tries"]) for row in rows]
