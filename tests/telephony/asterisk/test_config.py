"""The configuration of an Asterisk trunk, and what is made of an agent's parameters."""

from typing import Any

import pytest

from ringoff.domain.carrier import HandlingKind
from ringoff.domain.errors import InvalidInput
from ringoff.telephony.asterisk.config import read_config
from ringoff.telephony.asterisk.handover import HEADERS_MAX, sip_headers, unfit_handling

GOOD: dict[str, Any] = {
    "url": "http://127.0.0.1:8088",
    "username": "ringoff",
    "password": "do-not-show",
    "endpoint": "PJSIP/{number}@trunk",
}


def test_defaults_are_filled_in() -> None:
    read = read_config(GOOD)
    assert read == GOOD | {"app": "ringoff", "agent_endpoint": "", "amd_context": "", "amd_on_machine": "hangup"}
    assert read_config(read) == read


def test_the_address_of_ari_itself_is_understood() -> None:
    assert read_config(GOOD | {"url": "https://pbx.example/ari/"})["url"] == "https://pbx.example"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"host": "x"}, "config"),
        ({"url": "pbx:8088"}, "config.url"),
        ({"url": "http://user:secret@pbx"}, "config.url"),
        ({"url": "http://pbx:99999"}, "config.url"),
        ({"username": ""}, "config.username"),
        ({"username": "a:b"}, "config.username"),
        ({"password": 7}, "config.password"),
        ({"password": "a\nb"}, "config.password"),
        ({"endpoint": "PJSIP/trunk"}, "config.endpoint"),
        ({"endpoint": "PJSIP/{number}@{number}"}, "config.endpoint"),
        ({"endpoint": "PJSIP/{number}@a b"}, "config.endpoint"),
        ({"app": "a b"}, "config.app"),
        ({"app": None}, "config.app"),
        ({"agent_endpoint": "PJSIP/{number}"}, "config.agent_endpoint"),
        ({"amd_context": "a b"}, "config.amd_context"),
        ({"amd_on_machine": "talk"}, "config.amd_on_machine"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_config(GOOD | change)
    assert refused.value.field == field
    assert "do-not-show" not in str(refused.value)


@pytest.mark.parametrize("key", ["url", "username", "password", "endpoint"])
def test_what_is_missing_is_named(key: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_config({name: value for name, value in GOOD.items() if name != key})
    assert refused.value.field == f"config.{key}"


def test_parameters_become_headers_that_cannot_break_out() -> None:
    headers = sip_headers({"call_id": "abc", "evil\r\nname)": "x\r\nVia: y", "empty": "", "long": "z" * 5_000})
    assert headers["PJSIP_HEADER(add,X-Ringoff-Call-Id)"] == "abc"
    assert headers["PJSIP_HEADER(add,X-Ringoff-Evil-Name)"] == "xVia: y"
    assert len(headers["PJSIP_HEADER(add,X-Ringoff-Long)"]) == 200
    assert len(headers) == 3
    assert len(sip_headers({f"p{n}": "v" for n in range(100)})) == HEADERS_MAX


@pytest.mark.parametrize(
    ("kind", "target", "is_fit"),
    [
        (HandlingKind.NONE, "", True),
        (HandlingKind.MEDIA_URL, "wss://agent.example/a?b=c", True),
        (HandlingKind.MEDIA_URL, "https://agent.example", False),
        (HandlingKind.MEDIA_URL, "ws://", False),
        (HandlingKind.SIP_URI, "sip:agent@example.com;transport=tls", True),
        (HandlingKind.SIP_URI, "tel:+1555", False),
        (HandlingKind.SIP_URI, "sip:a@b&PJSIP/0900@trunk", False),
        (HandlingKind.PLAY, "sound:hello-world", True),
        (HandlingKind.PLAY, "https://example.com/hello.wav", True),
        (HandlingKind.PLAY, "sound:a,sound:b", False),
        (HandlingKind.PLAY, "file:///etc/passwd", False),
    ],
)
def test_what_cannot_be_handed_over_is_known_before(kind: HandlingKind, target: str, is_fit: bool) -> None:
    assert (unfit_handling(kind, target, "PJSIP/agents/{uri}") is None) is is_fit


def test_a_sip_agent_needs_an_endpoint() -> None:
    assert unfit_handling(HandlingKind.SIP_URI, "sip:agent@example.com", "") is not None
