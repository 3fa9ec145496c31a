"""What is done to a run, each fault with what it has cost. One thread makes them, one after the other."""

import signal
from collections.abc import Callable, Mapping
from random import Random

from tests.multihost.stage import LEASE_S, Stage, now_ns, since
from tests.support.processes import until

_PAST_THE_LEASE_S = 1.5 * LEASE_S
_CUT_S = 4.0
_NOTICED_S = 1.0
"""How long whoever promotes has watched a silent primary."""
_FULL_WITHIN_S = 30.0
_RESTARTED_WITHIN_S = 30.0
_SEGMENTS = 12
"""More files of the write-ahead log than there are made in advance."""

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


def standby_killed(stage: Stage, dice: Random) -> None:
    """Nothing can be promised then, and nothing is: every commit waits until the standby is back."""
    standby = stage.installation.databases.standby
    standby.kill()
    stage.wait(_NOTICED_S)
    acknowledged = stage.acknowledged_count()
    stage.wait(_CUT_S / 2)
    if stage.acknowledged_count() > acknowledged:
        stage.journal.trouble("an order was acknowledged that only the primary has")
    standby.start()
    started_ns = now_ns()
    first_ns = stage.installation.wait_for_dials(None, started_ns)
    stage.note("standby killed", dials_again_s=(first_ns - started_ns) / 1e9)


def primary_killed(stage: Stage, dice: Random) -> None:
    """The standby is promoted at once, under full dialling."""
    databases = stage.installation.databases
    killed_ns = now_ns()
    databases.primary.kill()
    databases.promote()
    _dial_on_the_promoted(stage, "primary killed, standby promoted", killed_ns)
    databases.start_again_as_standby()


def primary_cut_off(stage: Stage, dice: Random) -> None:
    """It goes silent to everybody and lives on; it is fenced before it may come back, as by any operator."""
    databases, network = stage.installation.databases, stage.installation.network
    host = databases.host_of(databases.primary)
    network.cut(host)
    cut_ns = now_ns()
    try:
        stage.wait(_NOTICED_S)
        databases.promote()
        _dial_on_the_promoted(stage, "primary silent, standby promoted", cut_ns)
        databases.standby.remove()
    finally:
        network.join(host)
    databases.start_again_as_standby()


def _dial_on_the_promoted(stage: Stage, fault: str, began_ns: int) -> None:
    promoted_ns, acknowledged = now_ns(), stage.acknowledged_count()
    first_ns = stage.installation.wait_for_dials(None, promoted_ns)
    for role in stage.installation.dispatchers:
        stage.installation.wait_for_dials(role, promoted_ns)
    all_s = since(promoted_ns)
    until(lambda: stage.acknowledged_count() > acknowledged, "orders are acknowledged again", 60.0)
    stage.note(
        fault,
        promoted_after_s=(promoted_ns - began_ns) / 1e9,
        first_dial_after_promotion_s=(first_ns - promoted_ns) / 1e9,
        all_dispatchers_dial_s=all_s,
        orders_again_s=since(promoted_ns),
    )


def tables_full(stage: Stage, dice: Random) -> None:
    """Not a byte is left for the primary's tables: requests end in a 5xx until there is."""
    databases = stage.installation.databases
    disk, unknown = databases.tables_of(databases.primary), stage.unknown_count()
    disk.fill()
    try:
        until(lambda: stage.unknown_count() > unknown, "somebody was told", _FULL_WITHIN_S)
        stage.wait(_NOTICED_S)
    finally:
        disk.free()
    _come_back(stage, "the disk of the tables full")


def log_full(stage: Stage, dice: Random) -> None:
    """Not a byte is left for the write-ahead log: PostgreSQL stops, and is started again when there is."""
    databases = stage.installation.databases
    primary = databases.primary
    disk = databases.log_of(primary)
    disk.fill()
    try:
        for _segment in range(_SEGMENTS):
            try:
                primary.ask("SELECT pg_switch_wal() FROM pg_create_restore_point('x')")
            except AssertionError:
                break
        else:
            stage.journal.trouble("a full disk stopped no write-ahead log")
        stage.wait(_NOTICED_S)
    finally:
        disk.free()
    _come_back(stage, "the disk of the write-ahead log full")


def _come_back(stage: Stage, fault: str) -> None:
    freed_ns = now_ns()
    databases = stage.installation.databases
    until(lambda: _answers(stage), "PostgreSQL answers again", _RESTARTED_WITHIN_S, poll_s=0.2)
    until(databases.is_synchronous, "the standby follows again", _RESTARTED_WITHIN_S, poll_s=0.2)
    stage.wait_until_ready()
    ready_s = since(freed_ns)
    first_ns = stage.installation.wait_for_dials(None, freed_ns)
    stage.note(fault, ready_again_s=ready_s, first_dial_s=(first_ns - freed_ns) / 1e9)


def _answers(stage: Stage) -> bool:
    databases = stage.installation.databases
    primary = databases.primary
    try:
        if primary.postmaster_pid is None and not primary.processes():
            primary.start(waits_for=f"FIRST 1 ({databases.standby.name})")
        return primary.ask("SELECT 1") == "1"
    except AssertionError:
        return False


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
    "tables full": tables_full,
    "log full": log_full,
}
