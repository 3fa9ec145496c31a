"""Signatures by the specification's own example, payloads key by key, and which URLs may be stored."""

import ipaddress
from datetime import UTC, datetime

import pytest

from ringoff.domain.errors import InvalidInput
from ringoff.domain.webhook_url import check_url, is_public
from ringoff.webhooks.payloads import AttemptFacts, CallFacts, all_processing_completed, call_completed, call_started
from ringoff.webhooks.signing import key_of, secret_of, signed_headers

AT = datetime(2026, 8, 4, 10, 30, 0, 250_000, tzinfo=UTC)
CALL = CallFacts("call", "agent", "workspace", "Ada", "+12025550111", "+12025550100", {"name": "Bo"}, "list", AT, AT)
# The keys of the public reference of 2026-08-04.
STARTED = """event_type event_id version timestamp call_id call_sid agent_id workspace_id status sub_status call_type
    calling_source custom_args_values to_number from_number bulk_list_id called_on created_at agent_name version_id
    version_slug version_description call_cost overall_latency_seconds first_utterance_seconds tool_call_logs"""
COMPLETED = """event_type call_duration agent_message_count user_message_count call_type custom_args_values to_number
    from_number bulk_list_id call_id call_sid agent_id workspace_id status sub_status called_on created_at agent_name
    version_id version_slug version_description call_cost overall_latency_seconds first_utterance_seconds transcript
    retry_count attempts recording_url tool_call_logs"""
ANALYSES = {
    "platform_analysis": None,
    "platform_analysis_status": "not_enabled",
    "client_analysis": None,
    "client_analysis_status": "not_enabled",
}


def test_the_example_of_the_specification_is_signed_as_it_says() -> None:
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_secret_is_read_back_and_a_broken_one_is_not_repeated() -> None:
    assert key_of(secret_of(bytes(range(32)))) == bytes(range(32))
    for broken in ("whsec_???", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"):
        with pytest.raises(InvalidInput) as refused:
            key_of(broken)
        assert broken not in refused.value.message


def test_call_completed_has_the_documented_keys() -> None:
    written = {"status": "retry", "sub_status": "RETRY_SCHEDULED", "attempt_id": "attempt", "talk_ms": 0}
    said = call_completed("7", written, CALL, (AttemptFacts("Busy Line", AT),))
    assert set(said) == {*COMPLETED.split(), "event_id"}
    assert said["attempts"] == [{"status": "Busy Line", "called_on_time": "2026-08-04T10:30:00.250Z"}]
    assert (said["call_duration"], said["retry_count"], said["transcript"]) == (None, 0, [])


@pytest.mark.parametrize(
    ("status", "sub_status", "word"),
    [
        ("retry", "RETRY_SCHEDULED", "QUEUED"),
        ("failed", "RETRY_LIMIT_REACHED", "retry_limit_reached"),
        ("error", "NOT_ABLE_TO_CALL", "not_able_to_call"),
        ("cancelled", "USER_TERMINATED", "USER_TERMINATED"),
        ("completed", "ACCEPTED", "ACCEPTED"),
    ],
)
def test_events_have_the_documented_words_of_events(status: str, sub_status: str, word: str) -> None:
    written = {"status": status, "sub_status": sub_status}
    for says in (call_completed, all_processing_completed):
        assert says("7", written, CALL)["sub_status"] == word


def test_an_answered_call_has_its_duration() -> None:
    written = {"status": "completed", "sub_status": "COMPLETED", "disposition": "answered", "talk_ms": 61_400}
    assert call_completed("7", written, CALL)["call_duration"] == 61


def test_the_end_for_good_says_what_the_last_try_said_and_that_nothing_is_analysed() -> None:
    written = {"status": "failed", "sub_status": "RETRY_LIMIT_REACHED"}
    said = all_processing_completed("8", written, CALL)
    assert set(said) == {*COMPLETED.split(), "event_id", "entity_type", *ANALYSES}
    assert {name: said[name] for name in ANALYSES} == ANALYSES
    assert (said["event_type"], said["status"]) == ("all_processing_completed", "failed")


def test_call_started_has_the_documented_keys() -> None:
    said = call_started("7", {"status": "registered", "sub_status": "QUEUED"}, CALL, AT)
    assert set(said) == set(STARTED.split())
    assert (said["version"], said["called_on"], said["created_at"], said["call_sid"]) == ("1.0", None, None, None)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "https://",
        "https://user:secret@example.com/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://00000000000000177.0.0.1/",
        "http://127.0.0.0000000000001/",
        "http://0x00000000007f000001/",
        "http://[fec0::1]/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://169.254.169.254/latest",
        "http://localhost/",
        "http://10.0.0.1:8080/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://example.com/a b",
        "http://example.com/\r\nx: y",
        "http://[::1",
        "",
        "https://example.com/" + "a" * 2_048,
    ],
    ids=lambda url: url[:40].encode("unicode_escape").decode(),
)
def test_a_url_that_must_not_be_called_is_refused_with_its_field(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_url(url, allow_private=False)
    assert refused.value.field == "callback_url"


def test_public_urls_pass_and_private_ones_where_a_setting_allows_them() -> None:
    assert check_url("https://example.com:8443/hook?x=1", allow_private=False)
    assert check_url("http://127.0.0.1:9000/", allow_private=True)
    with pytest.raises(InvalidInput):
        check_url("http://a:b@127.0.0.1/", allow_private=True)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("fc00::1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, expected: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is expected
