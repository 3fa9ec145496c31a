"""The mix as it is written in a setting."""

import pytest

from ringoff.domain.errors import InvalidInput
from ringoff.telephony.outcome_mix import COLD, WARM, OutcomeMix, SimulatedOutcome, parse_mix


def test_presets_and_lists_are_read() -> None:
    assert parse_mix("cold") == COLD
    assert parse_mix(" Warm ") == WARM
    assert parse_mix("answered=0.5, busy=0.3,no_answer=0.2") == OutcomeMix(answered=0.5, busy=0.3, no_answer=0.2)


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("", "expected 'cold', 'warm' or a list", 0),
        ("hot", "got 'hot'", 0),
        ("answered=1,", "expected", 1),
        ("answered=1,sleepy=1", "'sleepy' is no outcome", 1),
        ("answered=1,answered=2", "given twice", 1),
        ("answered=lots", "not a number: 'lots'", 0),
        ("answered=1,busy=-1", "must be 0 or more", 1),
        ("answered=nan", "must be 0 or more", 0),
        ("answered=inf", "must be 0 or more", 0),
        ("answered=0", "at least one weight above 0", None),
    ],
)
def test_a_mix_that_means_nothing_is_refused(text: str, message: str, position: int | None) -> None:
    with pytest.raises(InvalidInput, match=message) as refused:
        parse_mix(text)
    assert (refused.value.field, refused.value.position) == ("mix", position)


def test_shares_end_at_one_and_leave_out_the_impossible() -> None:
    shares = OutcomeMix(answered=1, busy=3).cumulative()
    assert shares == ((0.25, SimulatedOutcome.ANSWERED), (1.0, SimulatedOutcome.BUSY))
    assert WARM.cumulative()[-1][0] == COLD.cumulative()[-1][0] == 1.0
