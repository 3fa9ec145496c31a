"""A trunk that is known to take nothing is not asked before its time, or before a channel is free."""

from uuid import uuid4

from ringoff.dispatch.trunk_rests import TrunkRests
from ringoff.domain.identifiers import TrunkId
from tests.support.virtual_clock import VirtualClock

PACED, FULL = TrunkId(uuid4()), TrunkId(uuid4())


def test_a_rest_ends_by_itself() -> None:
    clock = VirtualClock()
    rests = TrunkRests(clock)
    rests.rest(PACED, 0.05, awaits_channel=False)
    rests.rest(FULL, 0.25, awaits_channel=True)
    assert set(rests.resting()) == {PACED, FULL}
    assert rests.wait_s(1.0) == 0.05
    clock.skip(0.05)
    assert rests.resting() == [FULL]
    clock.skip(0.2)
    assert rests.resting() == []
    assert rests.wait_s(1.0) == 1.0


def test_only_a_channel_that_is_awaited_ends_a_rest() -> None:
    rests = TrunkRests(VirtualClock())
    rests.rest(PACED, 0.05, awaits_channel=False)
    rests.rest(FULL, 0.25, awaits_channel=True)
    assert not rests.channels_freed([PACED, TrunkId(uuid4())])
    assert set(rests.resting()) == {PACED, FULL}
    assert rests.channels_freed([PACED, FULL])
    assert rests.resting() == [PACED]
