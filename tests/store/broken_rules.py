"""A statement or more for each named rule of the store: it breaks that rule alone, and returns the ids to be reported.

They run on ``healthy_world``, with triggers and foreign keys off.
"""

from collections.abc import Sequence
from typing import Final

from ringoff.domain.events import EventType
from ringoff.domain.termination import Selector
from ringoff.store.postgres import PostgresStore
from tests.races.conftest import Actors
from tests.support.world import World

BY_ROW: Final = "+12025550131"

# Of the order by numbers, which has cancelled one call, and of that call.
_ORDER = "FROM call c WHERE c.termination_id = t.termination_id AND t.level = 'numbers' RETURNING c.call_id"
_EVENT = "call c JOIN termination t USING (termination_id) WHERE t.level = 'numbers' AND e.call_id = c.call_id"
# The one attempt that is over; its call has ended, and then its campaign was terminated.
_OVER = "dial_attempt a JOIN call c USING (workspace_id, call_id) WHERE a.state = 'released'"

CASES: Final[Sequence[tuple[str, str]]] = [
    (
        "call_on_the_wire_is_ongoing",
        (
            "UPDATE call c SET status = 'completed', ended_at = clock_timestamp() FROM dial_attempt a"
            " WHERE a.call_id = c.call_id AND a.state = 'originated' RETURNING a.attempt_id"
        ),
    ),
    ("ongoing_call_has_a_live_attempt", "DELETE FROM dial_attempt WHERE state = 'originated' RETURNING call_id"),
    ("every_past_epoch_has_its_fence", "DELETE FROM campaign_fence RETURNING campaign_id || ' epoch ' || epoch"),
    (
        "every_past_epoch_has_its_fence",
        "UPDATE campaign SET epoch = 1 WHERE epoch = 0 RETURNING campaign_id || ' epoch 0'",
    ),
    (
        "fence_has_its_campaign_and_its_order",
        "UPDATE campaign_fence SET termination_id = gen_random_uuid() RETURNING campaign_id || ' epoch ' || epoch",
    ),
    (
        "fence_has_its_campaign_and_its_order",
        (
            "INSERT INTO campaign_fence (workspace_id, campaign_id, epoch, termination_id, sub_status, settled_at)"
            " SELECT workspace_id, gen_random_uuid(), 3, termination_id, sub_status, settled_at FROM campaign_fence"
            " RETURNING campaign_id || ' epoch 3'"
        ),
    ),
    (
        "fence_has_its_campaign_and_its_order",
        (
            "INSERT INTO campaign_fence (workspace_id, campaign_id, epoch, termination_id, sub_status, settled_at)"
            " SELECT workspace_id, campaign_id, epoch + 1, termination_id, sub_status, settled_at FROM campaign_fence"
            " RETURNING campaign_id || ' epoch 1'"
        ),
    ),
    (
        "no_call_is_ahead_of_its_campaign",
        "UPDATE call SET epoch = epoch + 1 WHERE status = 'registered' RETURNING call_id",
    ),
    (
        "nothing_originated_after_its_fence",
        (
            "UPDATE campaign_fence f SET raised_at = a.originated_at - interval '1 ms' FROM dial_attempt a"
            " WHERE a.campaign_id = f.campaign_id RETURNING a.attempt_id"
        ),
    ),
    (
        "nothing_originated_after_its_call_ended",
        (
            "UPDATE call c SET ended_at = a.originated_at - interval '1 ms' FROM dial_attempt a"
            " WHERE a.call_id = c.call_id AND a.state = 'released' RETURNING a.attempt_id"
        ),
    ),
    (
        "an_unknown_fate_is_final",
        (
            "WITH before AS (INSERT INTO dial_attempt (workspace_id, call_id, campaign_id, trunk_id, owner_id, state,"
            " lease_until, calling_number, prepared_at, released_at, disposition)"
            " SELECT a.workspace_id, a.call_id, a.campaign_id, a.trunk_id, a.owner_id, 'indeterminate', a.lease_until,"
            " a.calling_number, a.prepared_at - interval '2 s', a.prepared_at - interval '1 s', 'indeterminate'"
            f" FROM {_OVER}), noted AS (INSERT INTO attempt_step (workspace_id, campaign_id, outcome, attempt_count)"
            f" SELECT a.workspace_id, a.campaign_id, 'indeterminate', 1 FROM {_OVER}) SELECT a.attempt_id FROM {_OVER}"
        ),
    ),
    (
        "no_suppressed_number_is_rung",
        (
            "WITH listed AS (INSERT INTO suppression (workspace_id, mobile_number, created_at)"
            f" SELECT a.workspace_id, c.called_number, a.originated_at - interval '20 minutes' FROM {_OVER})"
            f" SELECT a.attempt_id FROM {_OVER}"
        ),
    ),
    (
        "settled_fence_left_nothing_pending",
        (
            "WITH late AS ("
            "INSERT INTO call (workspace_id, campaign_id, contact_id, epoch, called_number, next_attempt_at)"
            " SELECT workspace_id, campaign_id, 999, epoch, '+12025550199', now() FROM campaign_fence),"
            " counted AS (UPDATE campaign SET total_count = total_count + 1 WHERE epoch = 1)"
            " SELECT campaign_id || ' epoch 0' FROM campaign_fence"
        ),
    ),
    ("settled_order_has_no_open_fence", "UPDATE campaign_fence SET settled_at = NULL RETURNING termination_id"),
    (
        "settled_order_has_no_open_fence",
        (
            "INSERT INTO number_fence (workspace_id, called_number, termination_id, registered_in, sub_status)"
            " SELECT workspace_id, '+12025550198', termination_id, pg_current_snapshot(), 'USER_TERMINATED'"
            " FROM termination WHERE level = 'numbers' RETURNING termination_id"
        ),
    ),
    *(
        ("terminated_call_is_covered_by_its_order", f"UPDATE termination t SET selector = {selector} {_ORDER}")
        for selector in (
            "jsonb_build_object('campaign_id', gen_random_uuid())",
            "jsonb_build_object('agent_id', gen_random_uuid())",
            "jsonb_build_object('call_ids', jsonb_build_array(gen_random_uuid()))",
            "jsonb_build_object('mobile_numbers', jsonb_build_array('+12025550197'))",
        )
    ),
    (
        "terminated_call_is_covered_by_its_order",
        (
            "UPDATE call c SET created_at = t.created_at + interval '1 ms' FROM termination t"
            " WHERE c.termination_id = t.termination_id AND t.level = 'numbers' RETURNING c.call_id"
        ),
    ),
    *(
        ("settled_receipt_counts_its_calls", f"UPDATE termination SET {column} = {column} + 1 RETURNING termination_id")
        for column in ("cancelled_count", "retry_barred_count")
    ),
    ("a_terminated_call_has_one_event", f"DELETE FROM outbox_event e USING {_EVENT} RETURNING e.call_id"),
    (
        "a_terminated_call_has_one_event",
        (
            "INSERT INTO outbox_event (workspace_id, event_type, call_id, payload)"
            f" SELECT e.workspace_id, e.event_type, e.call_id, e.payload FROM outbox_event e, {_EVENT}"
            " RETURNING call_id"
        ),
    ),
    (
        "a_terminated_call_has_one_event",
        "WITH gone AS (DELETE FROM outbox_event) SELECT call_id FROM call WHERE status = 'cancelled'",
    ),
    ("no_call_is_lost", "DELETE FROM call WHERE status = 'registered' RETURNING campaign_id"),
    (
        "terminated_call_has_its_order",
        "UPDATE call SET termination_id = gen_random_uuid() WHERE status = 'registered' RETURNING call_id",
    ),
    (
        "tallies_agree_with_the_calls",
        (
            "INSERT INTO tally_step (workspace_id, campaign_id, epoch, begun_count)"
            " SELECT workspace_id, campaign_id, epoch, 1 FROM campaign WHERE epoch = 0"
            " RETURNING campaign_id || ' epoch 0'"
        ),
    ),
    *(
        (
            "tallies_agree_with_the_calls",
            (
                f"WITH one AS (SELECT min(ctid) AS place FROM tally_step WHERE {column} > 0)"
                " DELETE FROM tally_step t USING one WHERE t.ctid = one.place"
                " RETURNING t.campaign_id || ' epoch ' || t.epoch"
            ),
        )
        for column in ("registered_count", "begun_count", "completed_count", "cancelled_count")
    ),
    (
        "outcomes_agree_with_the_attempts",
        (
            "INSERT INTO attempt_step (workspace_id, campaign_id, outcome, attempt_count)"
            " SELECT workspace_id, campaign_id, 'busy', 1 FROM campaign WHERE epoch = 0"
            " RETURNING campaign_id || ' busy'"
        ),
    ),
    (
        "outcomes_agree_with_the_attempts",
        (
            "DELETE FROM attempt_step WHERE outcome NOT IN ('dialled', 'picked_up')"
            " RETURNING campaign_id || ' ' || outcome"
        ),
    ),
]


async def healthy_world(store: PostgresStore) -> World:
    """Every kind of row that a rule looks at: pending, on the wire, over, fenced and swept, cancelled by row."""
    world = await World.make(store)
    actors = Actors(store, world)
    await world.subscribe(EventType.CALL_COMPLETED)
    async with store.transaction() as tx:
        await tx.connection.execute("UPDATE event_subscription SET created_at = created_at - interval '2 minutes'")
    fenced = await world.campaign(["+12025550111", "+12025550112"])
    await _dial_one(actors)
    async with actors.settling():
        actors.carrier.ends(actors.carrier.wire[0].attempt_id, 200, was_answered=True)
        await actors.all_settled()
    await actors.terminate(Selector(campaign_id=fenced))
    await world.sweep_all(actors.supervisor)
    await world.campaign(["+12025550121", "+12025550122", BY_ROW])
    await actors.terminate(Selector(mobile_numbers=(BY_ROW,)))
    await _dial_one(actors)
    return world


async def _dial_one(actors: Actors) -> None:
    [(work, calls)] = await actors.world.claim(actors.supervisor, count_max=1)
    await actors.supervisor.dialer.dial(work, calls, actors.clock.monotonic())


async def break_rule(store: PostgresStore, statement: str) -> list[str]:
    """The ids that are broken now, as text."""
    async with store.transaction() as tx:
        await tx.connection.execute("SET LOCAL session_replication_role = replica")
        if "tally" not in statement:
            # Whoever moves a call behind the tallies' back breaks those, too.
            await tx.connection.execute("UPDATE campaign SET is_tallied = false")
        rows = await tx.connection.fetch(statement)
    assert rows, "nothing was broken"
    return sorted(str(row[0]) for row in rows)
