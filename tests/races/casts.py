"""Who meets whom in a scheduled race: each cast gets a campaign and brings its actors to where the race begins."""

from ringoff.domain.identifiers import CampaignId
from tests.races.scene import Process, Scene
from tests.races.scheduled import WAYS, Cast, until

BUSY = 486


def dial_against_order(way: str, count_max: int = 1) -> Cast:
    """A claimed batch on its way to the wire."""

    async def cast(scene: Scene, campaign_id: CampaignId) -> None:
        dial = await scene.stepper.start("dial", scene.process.claim_and_dial(campaign_id, count_max))
        await until(dial, "permit.before", scene)
        await scene.stepper.start("order", scene.give(WAYS[way](scene, campaign_id)))

    return cast


def outcome_against_order(way: str) -> Cast:
    """One call is on the wire and ends busy."""

    async def cast(scene: Scene, campaign_id: CampaignId) -> None:
        await scene.process.claim_and_dial(campaign_id, 1)
        await scene.stepper.start("settle", scene.process.settle({scene.wire[0].attempt_id: BUSY}))
        await scene.stepper.start("order", scene.give(WAYS[way](scene, campaign_id)))

    return cast


def outcome_against_order_and_sweep(way: str) -> Cast:
    async def cast(scene: Scene, campaign_id: CampaignId) -> None:
        await scene.process.claim_and_dial(campaign_id, 1)
        settle = await scene.stepper.start("settle", scene.process.settle({scene.wire[0].attempt_id: BUSY}))
        await until(settle, "settle.before", scene)
        order = await scene.stepper.start("order", scene.give(WAYS[way](scene, campaign_id)))
        await until(order, "terminate.begun", scene)
        await scene.stepper.start("sweep", scene.process.sweep())

    return cast


def permit_against_sweep(way: str) -> Cast:
    """The order is answered: what was claimed before it may not leave, whatever the sweeper has reached."""

    async def cast(scene: Scene, campaign_id: CampaignId) -> None:
        dial = await scene.stepper.start("dial", scene.process.claim_and_dial(campaign_id, 1))
        await until(dial, "permit.before", scene)
        await scene.give(WAYS[way](scene, campaign_id))
        await scene.stepper.start("sweep", scene.process.sweep())

    return cast


def outcome_against_sweep(way: str) -> Cast:
    async def cast(scene: Scene, campaign_id: CampaignId) -> None:
        await scene.process.claim_and_dial(campaign_id, 1)
        await scene.give(WAYS[way](scene, campaign_id))
        await scene.stepper.start("settle", scene.process.settle({scene.wire[0].attempt_id: BUSY}))
        await scene.stepper.start("sweep", scene.process.sweep())

    return cast


def rescue_against_order(way: str, *, was_dialled: bool) -> Cast:
    """The process that claimed a call, and perhaps dialled it, is dead."""

    async def cast(scene: Scene, campaign_id: CampaignId) -> None:
        dead = Process(scene)
        await dead.claim_and_dial(campaign_id, 1, is_dialled=was_dialled)
        await scene.lose(dead)
        await scene.stepper.start("rescue", scene.process.rescue())
        await scene.stepper.start("order", scene.give(WAYS[way](scene, campaign_id)))

    return cast


def two_orders(ways: tuple[str, str], dialled_count: int) -> Cast:
    async def cast(scene: Scene, campaign_id: CampaignId) -> None:
        if dialled_count:
            await scene.process.claim_and_dial(campaign_id, dialled_count)
        for way in ways:
            order = await scene.stepper.start(f"order by {way}", scene.give(WAYS[way](scene, campaign_id)))
            await until(order, "terminate.begun", scene)

    return cast
