"""The checker finds what a fabricated capture breaks."""

from typing import Any

from tests.wire.checker import Verdict, judge

_S = 1_000_000_000
_CAMPAIGN = {"kind": "campaign", "campaign_id": "c", "agent_id": "a", "numbers": ["+1", "+2"], "started_ns": 1 * _S}


def _packet(
    at_s: float, first: str, *, call_id: str = "x", is_to_carrier: bool = True, method: str = ""
) -> dict[str, Any]:
    method = method or ("INVITE" if first.startswith("SIP") else first.split(maxsplit=1)[0])
    head = f"{first}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}"
    return {"at_ns": int(at_s * _S), "is_to_carrier": is_to_carrier, "head": head}


def _invite(at_s: float, number: str = "+1") -> dict[str, Any]:
    return _packet(at_s, f"INVITE sip:{number}@127.0.0.1 SIP/2.0")


def _judge(capture: list[dict[str, Any]], *, is_hangup: bool = False, **changes: Any) -> Verdict:
    order = {
        "kind": "order",
        "selector": {"campaign_id": "c"},
        "numbers_of_calls": [],
        "is_hangup": is_hangup,
        "sent_ns": 10 * _S,
        "acknowledged_ns": 11 * _S,
    }
    return judge(capture, [_CAMPAIGN, order | changes])


def test_an_invite_after_the_acknowledgement_is_a_violation() -> None:
    verdict = _judge([_invite(11.001)])
    assert verdict.after_acknowledgement == ["+1 1.000 ms"]
    assert not verdict.is_clean


def test_an_invite_before_it_is_none_and_its_retransmission_neither() -> None:
    verdict = _judge([_invite(10.9), _invite(11.4)])
    assert verdict.is_clean
    assert (verdict.invites, verdict.repeated) == (1, 1)


def test_every_level_decides_by_itself_what_it_covers() -> None:
    for selector, is_covered in (
        ({"agent_id": "a"}, True),
        ({"agent_id": "other"}, False),
        ({"campaign_id": "other"}, False),
        ({"mobile_numbers": ["+1"]}, True),
        ({"mobile_numbers": ["+2"]}, False),
        ({"campaign_id": "c", "mobile_numbers": ["+1"]}, True),
        ({"campaign_id": "other", "mobile_numbers": ["+1"]}, False),
    ):
        assert bool(_judge([_invite(12)], selector=selector).after_acknowledgement) is is_covered, selector
    assert _judge([_invite(12)], selector={"call_ids": ["i"]}, numbers_of_calls=["+1"]).after_acknowledgement


def test_a_campaign_started_after_the_order_was_sent_is_not_covered() -> None:
    assert _judge([_invite(12)], sent_ns=_S // 2).is_clean


def test_a_live_call_that_nobody_hangs_up_is_a_violation() -> None:
    verdict = _judge([_invite(5)], is_hangup=True)
    assert verdict.never_released == ["+1"]
    assert not verdict.is_clean


def test_a_hang_up_is_measured_and_over_a_second_is_late() -> None:
    for at_s, late in ((11.1, 0), (12.5, 1)):
        verdict = _judge([_invite(5), _packet(at_s, "CANCEL sip:+1@h SIP/2.0")], is_hangup=True)
        assert (len(verdict.latencies_ns), verdict.late) == (1, late)


def test_a_call_that_was_over_needs_no_hang_up() -> None:
    refused = _packet(6, "SIP/2.0 486 Busy Here", is_to_carrier=False)
    assert _judge([_invite(5), refused], is_hangup=True).is_clean


def test_a_capture_that_lost_packets_proves_nothing() -> None:
    assert not _judge([{"lost": 1}]).is_clean


def _answer(at_s: float, status: str, method: str = "INVITE") -> dict[str, Any]:
    return _packet(at_s, f"SIP/2.0 {status}", is_to_carrier=False, method=method)


def test_each_end_of_a_call_is_told_from_the_packets() -> None:
    cancel, bye = _packet(6, "CANCEL sip:+1@h SIP/2.0"), _packet(8, "BYE sip:+1@h SIP/2.0")
    accepted = _answer(6.1, "200 OK", "CANCEL")
    for packets, counts in (
        ([_answer(6, "486 Busy Here")], (1, 0, 0, 0, 0)),
        ([cancel, accepted, _answer(7, "487 Request Terminated")], (0, 1, 0, 0, 0)),
        ([_answer(6, "200 OK"), bye], (0, 0, 1, 0, 0)),
        ([cancel, _answer(6, "486 Busy Here"), accepted], (1, 0, 0, 1, 0)),
        ([cancel, _answer(6, "200 OK"), accepted, bye], (0, 0, 1, 1, 0)),
        ([cancel, accepted], (0, 0, 0, 0, 1)),
        ([_answer(6, "200 OK")], (0, 0, 0, 0, 1)),
        ([_answer(6, "180 Ringing")], (0, 0, 0, 0, 1)),
    ):
        verdict = _judge([_invite(5), *packets])
        ends = (verdict.refused, verdict.cancelled, verdict.hung_up, verdict.crossed, len(verdict.up_at_end))
        assert ends == counts, packets


def test_only_what_we_cancelled_was_dropped_by_the_carrier() -> None:
    cancel, accepted = _packet(6, "CANCEL sip:+1@h SIP/2.0"), _answer(6.1, "200 OK", "CANCEL")
    for packets, dropped, counts in (
        ([cancel, accepted], ["x"], (1, 0)),
        ([cancel, accepted], ["y"], (0, 1)),
        ([_answer(6, "180 Ringing")], ["x"], (0, 1)),
        ([cancel, _answer(6, "200 OK"), accepted], ["x"], (0, 1)),
    ):
        verdict = judge([_invite(5), *packets], [_CAMPAIGN], dropped)
        assert (verdict.dropped, len(verdict.up_at_end)) == counts, packets


def test_orders_are_counted_by_level() -> None:
    verdict = _judge([], is_hangup=True, selector={"campaign_id": "c", "mobile_numbers": ["+1"]})
    assert verdict.by_level.pop("campaign numbers") == [1, 1]
    assert set(map(tuple, verdict.by_level.values())) == {(0, 0)}
