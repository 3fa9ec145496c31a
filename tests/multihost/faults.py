"""What is done to a run, each fault with what it has cost. One thread makes them, one after the other."""

import signal
from collections.abc import Callable, Mapping
from random import Random

from tests.multihost.database_faults import (
    log_full,
    primary_cut_off,
    primary_killed,
    primary_split_off,
    standby_killed,
    stopped_over_a_promotion,
    tables_full,
)
from tests.multihost.stage import LEASE_S, Stage, now_ns, since
from tests.support.processes import until

_PAST_THE_LEASE_S = 1.5 * LEASE_S
_CUT_S = 4.0

Fault = Callable[[Stage, Random], None]


def api_killed(stage: Stage, dice: Random) -> None:
    killed_ns = now_ns()
    stage.installation.api.process.kill9()
    stage.installation.api.start()
    stage.wait_until_ready()
    stage.note("API killed", ready_again_s=since(killed_ns))


def dispatcher_killed(stage: Stage, dice: Random) -> None:
    """Its calls are resolved by the others, who take over its share of the pace."""
    victim = dice.choice(stage.installation.dispatchers)
    owner_id, others = stage.owner_of(victim), stage.others(victim)
    before = stage.rate(others, now_ns())
    victim.process.kill9()
    killed_ns = now_ns()
    held = stage.live_count(owner_id)
    after = stage.rate_from_now(others)
    stage.wait_until_resolved(owner_id)
    resolved_s = stage.seconds_to_the_last_rescue(owner_id, killed_ns)
    victim.start()
    stage.note(
        "dispatcher killed",
        calls_held=held,
        resolved_after_s=resolved_s,
        others_per_s_before=before,
        others_per_s_after=after,
    )


def deliverer_killed(stage: Stage, dice: Random) -> None:
    killed_ns = now_ns()
    stage.installation.deliverer.process.kill9()
    stage.installation.deliverer.start()
    stage.note("deliverer killed", ready_again_s=since(killed_ns))


def dispatcher_stopped(stage: Stage, dice: Random) -> None:
    """Stopped in the middle of whatever it did, rescued by the others, and continued."""
    victim = dice.choice(stage.installation.dispatchers)
    owner_id = stage.owner_of(victim)
    victim.process.send(signal.SIGSTOP)
    stopped_ns = now_ns()
    try:
        held = stage.live_count(owner_id)
        stage.wait(_PAST_THE_LEASE_S)
        stage.wait_until_resolved(owner_id)
        resolved_s = stage.seconds_to_the_last_rescue(owner_id, stopped_ns)
    finally:
        victim.process.send(signal.SIGCONT)
    continued_ns = now_ns()
    first_ns = stage.installation.wait_for_dials(victim, continued_ns)
    stage.note(
        "dispatcher stopped past its lease",
        calls_held=held,
        resolved_after_s=resolved_s,
        dials_again_s=(first_ns - continued_ns) / 1e9,
    )


def dispatcher_cut_off(stage: Stage, dice: Random) -> None:
    """Its packets to the database go nowhere, for longer than its lease; then they do again."""
    network = stage.installation.network
    victim = dice.choice(stage.installation.dispatchers)
    owner_id, others = stage.owner_of(victim), stage.others(victim)
    before = stage.rate(others, now_ns())
    network.cut(victim.host)
    cut_ns = now_ns()
    try:
        after = stage.rate_from_now(others)
        stage.wait_until_resolved(owner_id)
        resolved_s = stage.seconds_to_the_last_rescue(owner_id, cut_ns)
    finally:
        network.join(victim.host)
    joined_ns = now_ns()
    first_ns = stage.installation.wait_for_dials(victim, joined_ns)
    stage.note(
        "dispatcher cut off from the database",
        resolved_after_s=resolved_s,
        others_per_s_before=before,
        others_per_s_after=after,
        dials_again_s=(first_ns - joined_ns) / 1e9,
    )


def api_cut_off(stage: Stage, dice: Random) -> None:
    """Clients reach the API, and the API no database: orders in flight end in no answer, or in one that lasts."""
    network, host = stage.installation.network, stage.installation.api.host
    network.cut(host)
    try:
        stage.wait(_CUT_S / 4)
        acknowledged = stage.acknowledged_count()
        stage.wait(_CUT_S)
        if stage.acknowledged_count() > acknowledged:
            stage.journal.trouble("an order was acknowledged by an API that reaches no database")
    finally:
        network.join(host)
    joined_ns = now_ns()
    stage.wait_until_ready()
    ready_s = since(joined_ns)
    until(lambda: stage.acknowledged_count() > acknowledged, "orders are acknowledged again", 60.0)
    stage.note("API cut off from the database", ready_again_s=ready_s, orders_again_s=since(joined_ns))


FAULTS: Mapping[str, Fault] = {
    "API killed": api_killed,
    "dispatcher killed": dispatcher_killed,
    "deliverer killed": deliverer_killed,
    "dispatcher stopped": dispatcher_stopped,
    "dispatcher cut off": dispatcher_cut_off,
    "API cut off": api_cut_off,
    "standby killed": standby_killed,
    "primary killed": primary_killed,
    "primary cut off": primary_cut_off,
    "primary split off": primary_split_off,
    "stopped over a promotion": stopped_over_a_promotion,
    "tables full": tables_full,
    "log full": log_full,
}
