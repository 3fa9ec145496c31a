"""Plays a cast of actors in every order of their steps, and judges each run by the promise."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ringoff.domain.identifiers import CampaignId
from ringoff.domain.termination import Selector
from tests.races.scene import CANCELLED, Order, Scene, staged
from tests.support.schedules import Schedule, every_schedule
from tests.support.stepper import Actor

FIRST, SECOND = "+12025550111", "+12025550112"

WAYS: dict[str, Callable[[Scene, CampaignId], Order]] = {
    "agent": lambda scene, _: Order(Selector(agent_id=scene.world.agent_id)),
    "campaign": lambda _, campaign_id: Order(Selector(campaign_id=campaign_id)),
    "calls": lambda scene, campaign_id: Order(
        Selector(call_ids=tuple(c.call_id for c in scene.known.values() if c.campaign_id == campaign_id))
    ),
    "numbers, rows": lambda *_: Order(Selector(mobile_numbers=(FIRST, SECOND))),
    "numbers, fence": lambda *_: Order(Selector(mobile_numbers=(FIRST, SECOND)), rows_max=0),
    "numbers of a campaign, rows": lambda _, campaign_id: Order(
        Selector(campaign_id=campaign_id, mobile_numbers=(FIRST, SECOND))
    ),
    "numbers of a campaign, fence": lambda _, campaign_id: Order(
        Selector(campaign_id=campaign_id, mobile_numbers=(FIRST, SECOND)), rows_max=0
    ),
}
"""Numbers are fenced above ``rows_max`` open calls; 0 forces the fence."""

BY_EPOCH = ["agent", "campaign"]
FENCED = [way for way in WAYS if way in {"agent", "campaign"} or way.endswith(", fence")]

Cast = Callable[[Scene, CampaignId], Awaitable[None]]


@dataclass
class Verdict:
    """What came of playing a cast."""

    schedule_count: int
    wrong: list[str]
    """Each with the steps that led to it."""

    @property
    def summary(self) -> dict[str, str]:
        """Each thing that was wrong once, with the first steps that led to it."""
        return {what: after for what, _, after in (text.partition(", after ") for text in reversed(self.wrong))}


async def play_all(dsn: str, cast: Cast, numbers: tuple[str, ...] = (FIRST, SECOND), stops_at: str = "") -> Verdict:
    """The cast gets a campaign of these numbers; another agent's campaign with one of the numbers stands beside it.

    ``stops_at``: words of what is looked for; the schedules after the first that shows it are not run.
    """
    verdict = Verdict(0, [])
    async with staged(dsn) as (store, stepper):
        for schedule in every_schedule():
            stepper.log.clear()
            scene = await Scene.make(store, stepper)
            campaign_id = await scene.campaign(numbers)
            await scene.campaign(numbers[:1], agent_id=await scene.world.another_agent())
            await cast(scene, campaign_id)
            wrong = await play(scene, schedule)
            steps = " | ".join(stepper.log)
            stepper.actors.clear()
            wrong += await judge(scene)
            verdict.wrong += [f"{what}, after {steps}" for what in wrong]
            verdict.schedule_count += 1
            if stops_at and any(stops_at in what for what in wrong):
                break
    return verdict


async def play(scene: Scene, schedule: Schedule) -> list[str]:
    """Step whoever the schedule chooses until everybody is over. Who waits for a lock cannot be chosen."""
    stepper = scene.stepper
    wrong: list[str] = []
    seen = await scene.world.statuses()
    while stepper.unfinished:
        if ready := stepper.ready:
            await stepper.step(ready[schedule.choose(len(ready))])
        else:
            await stepper.wait_for_deadlock()
        now = await scene.world.statuses()
        for call_id, status in seen.items():
            if status[0] == "cancelled" and now[call_id] != status:
                wrong.append(f"a call was cancelled for every reader and became {now[call_id]}")
        seen = now
    return wrong


async def until(actor: Actor, gate: str, scene: Scene) -> None:
    """Step it to a gate before the race begins."""
    while actor.stands_at != gate:
        assert not actor.is_over, f"{actor.name} never came to {gate}"
        await scene.stepper.step(actor)


async def judge(scene: Scene) -> list[str]:
    """Everything on the wire ends busy, everything is swept, what may be dialled is dialled: the promise must stand."""
    wrong = []
    await scene.end_what_is_live()
    wrong += await scene.broken_rules()
    covered = scene.covered_by(scene.accepted)
    for call_id, (status, sub_status) in (await scene.world.raw_statuses()).items():
        if call_id in covered and (status, sub_status) != CANCELLED and call_id not in scene.ends_otherwise:
            wrong.append(f"a covered call ended {status} {sub_status}")
        if call_id not in covered and status == "cancelled":
            wrong.append("a call was cancelled that no order covers")
    wrong += await wrong_receipts(scene)
    owned = sum(receipt.call_count for receipt in (await scene.receipts()).values())
    if not len(covered - scene.ends_otherwise) <= owned <= len(covered):
        wrong.append(f"{len(covered)} calls are covered, and {owned} belong to an order")
    wire_length = len(scene.wire)
    await scene.world.dial(scene.process.supervisor, scene.clock.monotonic())
    if len(scene.wire) > wire_length:
        await scene.end_what_is_live(603)
    return wrong + scene.dialled_too_late() + scene.dialled_twice()


async def wrong_receipts(scene: Scene) -> list[str]:
    """Each call belongs to one order, and is counted there once: cancelled, or left to end without a retry."""
    wrong = []
    receipts = await scene.receipts()
    if receipts.keys() != {scene.orders.index(order) for order in scene.accepted}:
        wrong.append("a refused order left a receipt, or an accepted one left none")
    if any(receipt.state != "settled" for receipt in receipts.values()):
        wrong.append("a receipt was never settled")
    return wrong + [
        f"an order has {receipt.call_count} calls, and its receipt says {receipt}"
        for receipt in receipts.values()
        if receipt.cancelled_count + receipt.retry_barred_count != receipt.call_count
    ]
