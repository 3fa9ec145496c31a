"""No attempt stays on the wire for ever: whatever the carrier leaves out, a watchdog ends it and says how."""

import asyncio

import pytest

from ringoff.dispatch.limits import DispatchLimits
from ringoff.domain.call_config import CallConfig
from ringoff.domain.carrier import HandlingKind, answer_handling
from ringoff.domain.retry_policy import RetryPolicy
from ringoff.observability.invariants import broken_invariants
from tests.races.conftest import Actors
from tests.races.test_termination_against_permit import FIRST

pytestmark = pytest.mark.anyio

LIMITS = DispatchLimits()
TALK_MAX_S = 100
NOT_PICKED = ("failed", "RETRY_LIMIT_REACHED")
UNKNOWN = ("error", "RECONCILED_TO_ERROR_FROM_ONGOING")
TOO_LONG = ("completed", "MAX_CALL_DURATION")


@pytest.mark.parametrize(
    ("says", "patience_s", "confirmed", "unconfirmed"),
    [
        ("nothing", LIMITS.silence_timeout_s, UNKNOWN, UNKNOWN),
        ("progresses", LIMITS.ring_timeout_s, NOT_PICKED, UNKNOWN),
        ("rings", LIMITS.ring_timeout_s, NOT_PICKED, NOT_PICKED),
        ("answers", TALK_MAX_S, TOO_LONG, TOO_LONG),
    ],
)
@pytest.mark.parametrize("confirms", [True, False])
async def test_a_carrier_that_says_no_more_costs_its_watchdogs_time(
    actors: Actors,
    says: str,
    patience_s: float,
    confirmed: tuple[str, str],
    unconfirmed: tuple[str, str],
    confirms: bool,
) -> None:
    await actors.world.campaign([FIRST], config=CallConfig(max_call_length_s=TALK_MAX_S))
    await actors.dial_all()
    [request] = actors.carrier.wire
    [attempt] = actors.supervisor.settler.live.values()
    began = attempt.deadline
    async with actors.settling():
        deadlines = asyncio.create_task(actors.supervisor.settler.run_deadlines())
        if says != "nothing":
            getattr(actors.carrier, says)(request.attempt_id)
            async with asyncio.timeout(20):
                while attempt.deadline == began:  # noqa: ASYNC110 - turns of the loop, no time
                    await asyncio.sleep(0)
        await actors.clock.advance(patience_s - 1)
        assert actors.carrier.released == [], "not before its time"
        await actors.clock.advance(1.5)
        assert actors.carrier.released == [request.attempt_id]
        if confirms and says != "nothing":
            actors.carrier.ends(request.attempt_id, 487 if says != "answers" else 200, was_answered=says == "answers")
            await actors.all_settled()
        else:
            await actors.clock.advance(LIMITS.release_grace_s + 0.5)
            await actors.all_settled()
        deadlines.cancel()
    assert (await actors.world.status_by_number())[FIRST] == (confirmed if confirms else unconfirmed)
    assert await actors.world.count("SELECT count(*) FROM dial_attempt WHERE released_at IS NULL") == 0
    assert await broken_invariants(actors.store) == []


@pytest.mark.parametrize(("is_retried", "status"), [(False, "failed"), (True, "retry")])
async def test_a_call_whose_agent_failed_is_rung_again_only_if_its_agent_says_so(
    actors: Actors, is_retried: bool, status: str
) -> None:
    handling = answer_handling(HandlingKind.SIP_URI, "sip:bot@agent.example.com", is_failure_retried=is_retried)
    async with actors.store.transaction() as tx:
        await tx.workspaces.change_handling(actors.world.workspace_id, actors.world.agent_id, handling)
    await actors.world.campaign([FIRST], config=CallConfig(retry=RetryPolicy(retry_count=1)))
    await actors.dial_all()
    [request] = actors.carrier.wire
    async with actors.settling():
        actors.carrier.ends(request.attempt_id, 200, was_answered=True, talk_ms=900, agent_failed=True)
        await actors.all_settled()
    assert (await actors.world.status_by_number())[FIRST][0] == status
    assert await actors.world.count("SELECT count(*) FROM dial_attempt WHERE disposition = 'agent_failed'") == 1
