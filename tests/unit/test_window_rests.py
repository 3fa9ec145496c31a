"""A campaign that was found outside its window is remembered until it opens, and only so many of them are."""

from dataclasses import replace
from datetime import timedelta

from ringoff.dispatch.window_rests import WindowRests
from tests.unit.test_turns import AT, work

HOUR = timedelta(hours=1)
ONE, OTHER = work(1, 1, 1), work(1, 1, 2)


def test_what_has_opened_is_forgotten_and_the_next_opening_is_waited_for() -> None:
    rests = WindowRests(10)
    assert rests.rest(ONE, AT + HOUR)
    assert rests.rest(OTHER, AT + 2 * HOUR)
    assert {rest.campaign_id for rest in rests.resting()} == {ONE.campaign_id, OTHER.campaign_id}
    assert rests.wait_s(AT, 1.0) == 1.0
    assert rests.wait_s(AT + HOUR - timedelta(seconds=0.25), 1.0) == 0.25
    assert rests.wait_s(AT + HOUR, 1.0) == 1.0
    assert [rest.campaign_id for rest in rests.resting()] == [OTHER.campaign_id]


def test_a_campaign_rests_as_it_was_found_last() -> None:
    rests = WindowRests(1)
    rests.rest(ONE, AT + HOUR)
    assert rests.rest(replace(ONE, campaign_changed_at=AT + HOUR), AT + 3 * HOUR)
    [rest] = rests.resting()
    assert (rest.changed_at, rest.opens_at) == (AT + HOUR, AT + 3 * HOUR)


def test_the_list_has_a_bound() -> None:
    rests = WindowRests(1)
    assert rests.rest(ONE, AT + HOUR)
    assert not rests.rest(OTHER, AT + HOUR), "it is looked at each time, as if nothing was remembered"
    assert len(rests.resting()) == 1
    rests.wait_s(AT + HOUR, 1.0)
    assert rests.rest(OTHER, AT + 2 * HOUR)
