"""The tables, row by row: states of calls, refusals, the config, the TwiML and the signature."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from ringoff.domain import release_cause as release_cause_table
from ringoff.domain.carrier import AnswerHandling, HandlingKind, TrunkSpec
from ringoff.domain.errors import InvalidInput
from ringoff.domain.events import Answered, Progressed, Rang, Released
from ringoff.domain.identifiers import AttemptId, TrunkId, WorkspaceId
from ringoff.domain.release_cause import Disposition, classify
from ringoff.telephony.twilio.config import BASE_URL, TwilioTrunk, read_config
from ringoff.telephony.twilio.instructions import LEFT_OUT, TWIML_LENGTH_MAX, instructions
from ringoff.telephony.twilio.refusals import is_certain, refusal
from ringoff.telephony.twilio.signature import is_signed, signature
from ringoff.telephony.twilio.twilio_call import StatusReport, TwilioCall

GOOD = {"account_sid": "AC1", "auth_token": "secret-word", "callback_base_url": "https://ringoff.example.com"}
TRUNK = TwilioTrunk.of(TrunkSpec(WorkspaceId(UUID(int=1)), TrunkId(UUID(int=2)), "twilio", GOOD))
NOW = datetime(2026, 1, 5, tzinfo=UTC)


def call() -> TwilioCall:
    return TwilioCall(AttemptId(UUID(int=1)), TRUNK, "+14155550101", "+12025550100", NOW, 0.0, 0.0, sid="CA1")


@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        ("queued", []),
        ("initiated", [Progressed]),
        ("ringing", [Rang]),
        ("in-progress", [Answered]),
        ("answered", [Answered]),
        ("completed", [Answered, Released]),
        ("busy", [Released]),
        ("no-answer", [Released]),
        ("canceled", [Released]),
        ("failed", [Released]),
        ("a word of tomorrow", []),
        ("", []),
    ],
)
def test_each_state_as_the_first_that_is_heard(status: str, kinds: list[type]) -> None:
    assert [type(event) for event in call().note(StatusReport(status), NOW, 1.0)] == kinds


@pytest.mark.parametrize(
    ("status", "sip", "sip_status", "q850_cause", "disposition"),
    [
        ("busy", "", None, 17, Disposition.BUSY),
        ("busy", "486", 486, None, Disposition.BUSY),
        ("busy", "600", 600, None, Disposition.BUSY),
        ("no-answer", "", None, 19, Disposition.NO_ANSWER),
        ("no-answer", "480", 480, None, Disposition.NO_ANSWER),
        ("no-answer", "487", 487, None, Disposition.NO_ANSWER),
        ("canceled", "", None, 16, Disposition.NO_ANSWER),
        ("canceled", "487", 487, None, Disposition.NO_ANSWER),
        ("failed", "", None, 127, Disposition.NETWORK_FAILURE),
        ("failed", "404", 404, None, Disposition.INVALID_NUMBER),
        ("failed", "403", 403, None, Disposition.TRUNK_REFUSED),
        ("failed", "500", 500, None, Disposition.NETWORK_FAILURE),
        ("failed", "503", 503, None, Disposition.CONGESTION),
        ("failed", "603", 603, None, Disposition.REJECTED),
        ("failed", "607", 607, None, Disposition.UNWANTED),
        # Codes that contradict the word, or are none.
        ("no-answer", "200", None, 19, Disposition.NO_ANSWER),
        ("failed", "0", None, 127, Disposition.NETWORK_FAILURE),
        ("failed", "9999999999", None, 127, Disposition.NETWORK_FAILURE),
        ("busy", "four", None, 17, Disposition.BUSY),
    ],
)
def test_each_end_of_a_call_that_was_not_answered(
    status: str, sip: str, sip_status: int | None, q850_cause: int | None, disposition: Disposition
) -> None:
    [released] = call().note(StatusReport(status, 3, sip), NOW, 1.0)
    assert isinstance(released, Released)
    assert (released.cause.sip_status, released.cause.q850_cause) == (sip_status, q850_cause)
    assert released.cause.text == status
    assert (released.was_answered, released.talk_ms) == (False, 0)
    assert classify(released.cause, was_answered=False) is disposition


@pytest.mark.parametrize(
    ("answered_s", "ended_s", "duration", "talk_ms"),
    [
        (None, 9.0, "7", 7_000),
        (2.0, 9.0, "7", 7_000),
        (2.0, 9.5, "7", 7_500),
        (2.0, 60.0, "7", 8_000),  # the last report was late
        (8.9, 9.0, "7", 6_000),  # the report of the answer was late
        (2.0, 9.0, "", 7_000),
        (None, 9.0, "", 0),
    ],
)
def test_talk_time_is_ours_within_the_carriers_seconds(
    answered_s: float | None, ended_s: float, duration: str, talk_ms: int
) -> None:
    spoken = call()
    if answered_s is not None:
        spoken.note(StatusReport("in-progress", 2), NOW, answered_s)
    released = spoken.note(StatusReport("completed", 3, duration_s=duration), NOW, ended_s)[-1]
    assert isinstance(released, Released)
    assert (released.was_answered, released.talk_ms) == (True, talk_ms)
    assert released.cause.sip_status == 200


def test_what_we_ended_while_it_rang_was_not_answered() -> None:
    doomed = call()
    doomed.is_doomed = True
    [released] = doomed.note(StatusReport("completed", 3, duration_s="0"), NOW, 1.0)
    assert isinstance(released, Released)
    assert not released.was_answered
    assert classify(released.cause, was_answered=False, we_cancelled=True) is Disposition.CANCELLED


@given(st.permutations([("initiated", 0), ("ringing", 1), ("in-progress", 2), ("completed", 3)] * 2))
def test_in_any_order_there_is_one_end_and_nothing_after_it(reports: list[tuple[str, int]]) -> None:
    heard = call()
    kinds = [
        type(event)
        for status, number in reports
        for event in heard.note(StatusReport(status, number, duration_s="1"), NOW, 1.0)
    ]
    assert kinds.count(Released) == 1
    assert kinds[-2:] == [Answered, Released]
    order = [Progressed, Rang, Answered, Released]
    assert [order.index(kind) for kind in kinds] == sorted({order.index(kind) for kind in kinds})


REFUSALS = [
    (400, 10001, Disposition.TRUNK_REFUSED),
    (400, 10004, Disposition.CONGESTION),
    (401, 20003, Disposition.TRUNK_REFUSED),
    (403, 20005, Disposition.TRUNK_REFUSED),
    (403, 20006, Disposition.TRUNK_REFUSED),
    (403, 20008, Disposition.TRUNK_REFUSED),
    (429, 20429, Disposition.CONGESTION),
    (400, 20429, Disposition.CONGESTION),
    (400, 21210, Disposition.TRUNK_REFUSED),
    (400, 21211, Disposition.INVALID_NUMBER),
    (400, 21212, Disposition.TRUNK_REFUSED),
    (400, 21214, Disposition.INVALID_NUMBER),
    (400, 21215, Disposition.REJECTED),
    (400, 21216, Disposition.REJECTED),
    (400, 21217, Disposition.INVALID_NUMBER),
    (400, 21219, Disposition.REJECTED),
    (401, None, Disposition.TRUNK_REFUSED),
    (403, None, Disposition.TRUNK_REFUSED),
    (404, 20404, Disposition.TRUNK_REFUSED),
    (429, None, Disposition.CONGESTION),
    (503, 20503, Disposition.CONGESTION),
    (400, 12100, Disposition.NETWORK_FAILURE),
    (400, None, Disposition.NETWORK_FAILURE),
    (302, None, Disposition.NETWORK_FAILURE),
]


@pytest.mark.parametrize(("http_status", "code", "disposition"), REFUSALS)
def test_each_refusal_of_a_create(http_status: int, code: int | None, disposition: Disposition) -> None:
    assert is_certain(http_status, code)
    outcome = refusal(http_status, code, "its words")
    assert outcome.disposition is disposition
    assert outcome.cause.sip_status is None
    assert "its words" in outcome.cause.text


def test_no_entry_of_the_table_is_without_its_row() -> None:
    assert {code for _, code, _ in REFUSALS if code is not None} >= release_cause_table._BY_API_CODE.keys()
    assert {status for status, _, _ in REFUSALS} >= release_cause_table._BY_API_STATUS.keys()


@pytest.mark.parametrize(("http_status", "code"), [(500, 20500), (502, None), (503, None), (504, None), (408, None)])
def test_an_answer_that_may_come_from_elsewhere_is_not_a_refusal(http_status: int, code: int | None) -> None:
    assert not is_certain(http_status, code)


def test_a_config_is_completed_and_read_again_to_the_same() -> None:
    config = read_config(GOOD)
    assert config["base_url"] == BASE_URL
    assert (config["machine_detection"], config["poll_s"]) == (False, 15.0)
    assert read_config(config) == config
    slashed = read_config(GOOD | {"base_url": "https://space.example.com/api/laml/", "poll_s": 5})
    assert (slashed["base_url"], slashed["poll_s"]) == ("https://space.example.com/api/laml", 5.0)
    assert "secret-word" not in repr(TRUNK)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"account_sid": None}, "account_sid"),
        ({"account_sid": "AC1/../x"}, "account_sid"),
        ({"account_sid": 7}, "account_sid"),
        ({"auth_token": ""}, "auth_token"),
        ({"auth_token": "two words"}, "auth_token"),
        ({"auth_token": "x" * 257}, "auth_token"),
        ({"base_url": "ftp://example.com"}, "base_url"),
        ({"base_url": "https://"}, "base_url"),
        ({"base_url": "https://me:word@example.com"}, "base_url"),
        ({"base_url": "https://example.com/?a=1"}, "base_url"),
        ({"base_url": "https://example.com/#a"}, "base_url"),
        ({"base_url": "https://example.com:99999"}, "base_url"),
        ({"base_url": "https://example.com:0"}, "base_url"),
        ({"base_url": "https://exa mple.com"}, "base_url"),
        ({"base_url": "https://[::1"}, "base_url"),
        ({"callback_base_url": None}, "callback_base_url"),
        ({"callback_base_url": "http://ringoff.example.com"}, "callback_base_url"),
        ({"machine_detection": "off"}, "machine_detection"),
        ({"poll_s": 0}, "poll_s"),
        ({"poll_s": True}, "poll_s"),
        ({"poll_s": float("nan")}, "poll_s"),
        ({"poll_s": "15"}, "poll_s"),
        ({"region": "ie1"}, "region"),
    ],
)
def test_a_config_that_is_wrong_is_refused_by_name(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_config(GOOD | change)
    assert refused.value.field == f"config.{field}"
    assert f"config.{field}" in refused.value.message
    assert "word" not in refused.value.message


NASTY = {"call_id": "7", "note": "<&\"'>\x00\ud800\n]]>", "wide": "\U0001f600"}


def test_a_stream_carries_its_parameters_whatever_is_in_them() -> None:
    handling = AnswerHandling(HandlingKind.MEDIA_URL, 'wss://a.example.com/m?a=1&b="<')
    text, left_out = instructions(handling, NASTY, talk_max_s=60, report_to="https://r.example.com/x?a&b")
    stream = ET.fromstring(text).find("Connect/Stream")
    assert stream is not None
    assert stream.get("url") == handling.target
    assert stream.get("statusCallback") == "https://r.example.com/x?a&b"
    given = {element.get("name"): element.get("value") for element in stream}
    assert given == {"call_id": "7", "note": "<&\"'>\ufffd\ufffd\n]]>", "wide": "\U0001f600"}
    assert left_out == 0


@given(st.dictionaries(st.text(min_size=1, max_size=40), st.text(max_size=700), max_size=40))
def test_the_instructions_fit_and_the_ids_are_always_in_them(parameters: dict[str, str]) -> None:
    ids = {"call_id": "c" * 36, "attempt_id": "a" * 36, "campaign_id": "k" * 36, "agent_id": "g" * 36}
    handling = AnswerHandling(HandlingKind.MEDIA_URL, "wss://agent.example.com/media")
    text, left_out = instructions(handling, parameters | ids, talk_max_s=60, report_to="https://r.example.com/x")
    assert len(text) <= TWIML_LENGTH_MAX
    stream = ET.fromstring(text).find("Connect/Stream")
    assert stream is not None
    names = [element.get("name") for element in stream]
    assert names[:4] == list(ids)
    assert (names[-1] == LEFT_OUT) == (left_out > 0)


def test_a_second_leg_carries_its_parameters_as_headers() -> None:
    handling = AnswerHandling(HandlingKind.SIP_URI, "sip:agent@agents.example.com;transport=tls")
    parameters = {"call_id": "7", "callee_name": "Ann & Bob", "bad name": "x", "long": "y" * 1_000}
    text, left_out = instructions(handling, parameters, talk_max_s=60.5, report_to="https://r.example.com/x")
    dial = ET.fromstring(text).find("Dial")
    assert dial is not None
    assert (dial.get("action"), dial.get("timeLimit")) == ("https://r.example.com/x", "61")
    headers = "X-Ringoff-call-id=7&X-Ringoff-callee-name=Ann%20%26%20Bob"
    assert dial.findtext("Sip") == f"{handling.target}?{headers}"
    assert left_out == 2


def test_an_audio_file_and_nothing() -> None:
    played, _ = instructions(
        AnswerHandling(HandlingKind.PLAY, "https://e.example.com/a.mp3?x=1&y=2"), {}, talk_max_s=9, report_to=""
    )
    assert ET.fromstring(played).findtext("Play") == "https://e.example.com/a.mp3?x=1&y=2"
    silent, _ = instructions(AnswerHandling(), {"a": "b"}, talk_max_s=9.1, report_to="")
    assert silent == '<Response><Pause length="10"/></Response>'


URLS = st.sampled_from(
    [
        "https://r.example.com/carriers/x",
        "https://r.example.com:8443/x",
        "http://127.0.0.1:80/x",
        "https://r.example.com",
    ]
)
FIELDS = st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=40), max_size=8)
ENCODABLE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(URLS, st.dictionaries(ENCODABLE, ENCODABLE, max_size=8), st.text("ab1", min_size=1, max_size=9))
def test_signatures_are_those_of_the_vendor(url: str, fields: dict[str, str], token: str) -> None:
    theirs = RequestValidator(token)
    assert signature(token, url, fields.items()) == theirs.compute_signature(url, fields)
    assert is_signed(token, url, fields.items(), theirs.compute_signature(url, fields))
    assert not is_signed(token + "x", url, fields.items(), theirs.compute_signature(url, fields))
    assert not is_signed(token, url, [*fields.items(), ("more", "1")], theirs.compute_signature(url, fields))


@pytest.mark.parametrize("given_signature", ["", "é", "\udcff", "AAAA"])
def test_what_is_no_signature_does_not_fit(given_signature: str) -> None:
    assert not is_signed("token", "https://r.example.com/x", [("a", "b")], given_signature)


def test_the_default_port_may_be_written_or_left_out() -> None:
    fields = [("CallSid", "CA1")]
    with_port = signature("token", "https://r.example.com:443/x", fields)
    assert is_signed("token", "https://r.example.com/x", fields, with_port)
    assert is_signed(
        "token", "https://r.example.com:443/x", fields, signature("token", "https://r.example.com/x", fields)
    )
