"""What the wire said, in our words: the table, row by row, and what is decided beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringoff.domain.release_cause import Disposition, ReleaseCause, classify

D = Disposition


@pytest.mark.parametrize(
    ("status", "text", "disposition"),
    [
        (200, "OK", D.ANSWERED),
        (486, "Busy Here", D.BUSY),
        (600, "Busy Everywhere", D.BUSY),
        (480, "Temporarily Unavailable", D.NO_ANSWER),
        (408, "Request Timeout", D.NO_ANSWER),
        (487, "Request Terminated", D.NO_ANSWER),
        (603, "Decline", D.REJECTED),
        (607, "Unwanted", D.UNWANTED),
        (608, "Rejected", D.UNWANTED),
        (404, "Not Found", D.INVALID_NUMBER),
        (410, "Gone", D.INVALID_NUMBER),
        (484, "Address Incomplete", D.INVALID_NUMBER),
        (604, "Does Not Exist Anywhere", D.INVALID_NUMBER),
        (401, "Unauthorized", D.TRUNK_REFUSED),
        (403, "Forbidden", D.TRUNK_REFUSED),
        (407, "Proxy Authentication Required", D.TRUNK_REFUSED),
        (503, "Service Unavailable", D.CONGESTION),
        (500, "CPS limit exceeded", D.CONGESTION),
        (502, "Too many concurrent calls", D.CONGESTION),
        (500, "Rate exceeded", D.CONGESTION),
        (500, "Server Internal Error", D.NETWORK_FAILURE),
        (500, "Separate operator error", D.NETWORK_FAILURE),
        (504, "Server Time-out", D.NETWORK_FAILURE),
        (302, "Moved Temporarily", D.NETWORK_FAILURE),
        (488, "Not Acceptable Here", D.NETWORK_FAILURE),
        (606, "Not Acceptable", D.REJECTED),
        (183, "Session Progress", D.INDETERMINATE),
    ],
)
def test_sip_statuses(status: int, text: str, disposition: Disposition) -> None:
    assert classify(ReleaseCause(status, 17, text), was_answered=False) is disposition


@pytest.mark.parametrize(
    ("cause", "disposition"),
    [
        (None, D.INDETERMINATE),
        (0, D.INDETERMINATE),
        (1, D.INVALID_NUMBER),
        (3, D.NETWORK_FAILURE),
        (16, D.NO_ANSWER),
        (17, D.BUSY),
        (18, D.NO_ANSWER),
        (19, D.NO_ANSWER),
        (20, D.NO_ANSWER),
        (21, D.REJECTED),
        (22, D.INVALID_NUMBER),
        (27, D.NETWORK_FAILURE),
        (28, D.INVALID_NUMBER),
        (31, D.NO_ANSWER),
        (34, D.CONGESTION),
        (38, D.NETWORK_FAILURE),
        (41, D.NETWORK_FAILURE),
        (42, D.CONGESTION),
        (127, D.NETWORK_FAILURE),
        (128, D.INDETERMINATE),
        (-1, D.INDETERMINATE),
    ],
)
def test_q850_causes_where_there_is_no_sip_status(cause: int | None, disposition: Disposition) -> None:
    assert classify(ReleaseCause(None, cause), was_answered=False) is disposition


@pytest.mark.parametrize("status", [None, 408, 487])
def test_a_cancel_of_ours_is_told_by_its_reason(status: int | None) -> None:
    cause = ReleaseCause(status)
    assert classify(cause, was_answered=False, ring_timed_out=True) is D.NO_ANSWER
    assert classify(cause, was_answered=False, we_cancelled=True) is D.CANCELLED
    assert classify(cause, was_answered=False, we_cancelled=True, ring_timed_out=True) is D.CANCELLED


@pytest.mark.parametrize(("status", "disposition"), [(486, D.BUSY), (603, D.REJECTED), (404, D.INVALID_NUMBER)])
def test_a_final_answer_that_crossed_our_cancel_wins(status: int, disposition: Disposition) -> None:
    assert classify(ReleaseCause(status), was_answered=False, we_cancelled=True, ring_timed_out=True) is disposition


numbers = st.none() | st.integers(-10, 1000)


@given(numbers, numbers, st.text("cps limit", max_size=12), st.booleans(), st.booleans())
def test_whatever_the_wire_says_there_is_a_word_and_answered_is_answered(
    status: int | None, cause: int | None, text: str, timed_out: bool, cancelled: bool
) -> None:
    said = ReleaseCause(status, cause, text)
    assert classify(said, was_answered=False, ring_timed_out=timed_out, we_cancelled=cancelled) in D
    assert classify(said, was_answered=True, ring_timed_out=timed_out, we_cancelled=cancelled) is D.ANSWERED
