"""Faults of the databases: each dies, falls silent, is split from the rest or has no room left."""

import signal
from random import Random

from tests.multihost.stage import LEASE_S, Stage, now_ns, since
from tests.support.processes import until

_NOTICED_S = 1.0
"""How long whoever promotes has watched a silent primary."""
_UNPROMISED_S = 2.0
_NO_SPACE = b"No space left on device"
_FULL_WITHIN_S = 60.0
_FULL_S = 2.0
_RESTARTED_WITHIN_S = 60.0
_SEGMENTS = 12
"""More files of the write-ahead log than there are made in advance."""


def standby_killed(stage: Stage, dice: Random) -> None:
    """Nothing can be promised then, and nothing is: every commit waits until the standby is back."""
    standby = stage.installation.databases.standby
    standby.kill()
    stage.wait(_NOTICED_S)
    acknowledged = stage.acknowledged_count()
    stage.wait(_UNPROMISED_S)
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


def primary_split_off(stage: Stage, dice: Random) -> None:
    """On its side lives a dispatcher, which reaches no other database; on the other side orders are acknowledged."""
    databases, network = stage.installation.databases, stage.installation.network
    victim = dice.choice(stage.installation.dispatchers)
    side = [databases.host_of(databases.primary), victim.host]
    network.split_off(*side)
    split_ns = now_ns()
    try:
        stage.wait(_NOTICED_S)
        databases.promote()
        promoted_ns, acknowledged = now_ns(), stage.acknowledged_count()
        until(lambda: stage.acknowledged_count() > acknowledged, "orders are acknowledged", 60.0)
        orders_s = since(promoted_ns)
        stage.wait(LEASE_S)
        late = sum(at > promoted_ns for at in victim.wire())
        if late:
            stage.journal.trouble(f"{late} requests left beside the old primary after the promotion")
        databases.standby.remove()
    finally:
        for host in side:
            network.join(host)
    joined_ns = now_ns()
    first_ns = stage.installation.wait_for_dials(victim, joined_ns)
    databases.start_again_as_standby()
    stage.note(
        "primary split off with a dispatcher",
        promoted_after_s=(promoted_ns - split_ns) / 1e9,
        orders_again_s=orders_s,
        dials_beside_the_old_primary=late,
        dials_again_s=(first_ns - joined_ns) / 1e9,
    )


def stopped_over_a_promotion(stage: Stage, dice: Random) -> None:
    """A dispatcher stands still while the primary dies and another takes over; then it goes on where it was."""
    databases = stage.installation.databases
    victim = dice.choice(stage.installation.dispatchers)
    victim.process.send(signal.SIGSTOP)
    stopped_ns = now_ns()
    try:
        databases.primary.kill()
        databases.promote()
        acknowledged = stage.acknowledged_count()
        until(lambda: stage.acknowledged_count() > acknowledged, "orders are acknowledged", 60.0)
    finally:
        victim.process.send(signal.SIGCONT)
    continued_ns = now_ns()
    first_ns = stage.installation.wait_for_dials(victim, continued_ns)
    databases.start_again_as_standby()
    stage.note(
        "dispatcher stopped over a promotion",
        stopped_s=(continued_ns - stopped_ns) / 1e9,
        dials_again_s=(first_ns - continued_ns) / 1e9,
    )


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
    """Not a byte is left for the primary's tables: what needs a new page ends in a 5xx until there is."""
    databases = stage.installation.databases
    primary, unknown = databases.primary, stage.unknown_count()
    disk, said = databases.tables_of(primary), primary.log_path.stat().st_size
    disk.fill()
    try:
        until(lambda: _NO_SPACE in primary.log_path.read_bytes()[said:], "it is noticed", _FULL_WITHIN_S, 0.2)
        stage.wait(_FULL_S)
    finally:
        disk.free()
    _come_back(stage, "the disk of the tables full", unknown)


def log_full(stage: Stage, dice: Random) -> None:
    """Not a byte is left for the write-ahead log: PostgreSQL stops, and is started again when there is."""
    databases = stage.installation.databases
    primary, unknown = databases.primary, stage.unknown_count()
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
    _come_back(stage, "the disk of the write-ahead log full", unknown)


def _come_back(stage: Stage, fault: str, unknown: int) -> None:
    freed_ns = now_ns()
    databases = stage.installation.databases
    until(lambda: _answers(stage), "PostgreSQL answers again", _RESTARTED_WITHIN_S, poll_s=0.2)
    until(databases.is_synchronous, "the standby follows again", _RESTARTED_WITHIN_S, poll_s=0.2)
    stage.wait_until_ready()
    ready_s = since(freed_ns)
    first_ns = stage.installation.wait_for_dials(None, freed_ns)
    stage.note(
        fault,
        orders_and_uploads_not_answered=stage.unknown_count() - unknown,
        ready_again_s=ready_s,
        first_dial_s=(first_ns - freed_ns) / 1e9,
    )


def _answers(stage: Stage) -> bool:
    databases = stage.installation.databases
    primary = databases.primary
    try:
        if primary.postmaster_pid is None and not primary.processes():
            primary.start(waits_for=f"FIRST 1 ({databases.standby.name})")
        return primary.ask("SELECT 1") == "1"
    except AssertionError:
        return False
