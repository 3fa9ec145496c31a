"""What a SIP trunk's configuration may say."""

from typing import Any
from uuid import uuid4

import pytest

from ringoff.domain.carrier import TrunkSpec
from ringoff.domain.errors import InvalidInput
from ringoff.domain.identifiers import TrunkId, WorkspaceId
from ringoff.telephony.sip.config import config_of, read_config

GATEWAY = {"host": "sip.example.net"}


def test_defaults_are_filled_in_and_read_again_the_same() -> None:
    known = read_config({"gateways": [GATEWAY]})
    assert known["gateways"] == [
        {"host": "sip.example.net", "port": 5060, "username": None, "password": None, "weight": 1}
    ]
    assert known["options_interval_s"] == 30
    assert read_config(known) == known


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "config.gateways"),
        ({"gateways": []}, "config.gateways"),
        ({"gateways": [GATEWAY], "tls": True}, "config.tls"),
        ({"gateways": [GATEWAY, {"host": ""}]}, "config.gateways[1].host"),
        ({"gateways": [{"host": "a\r\nb"}]}, "config.gateways[0].host"),
        ({"gateways": [{"host": "a", "port": 0}]}, "config.gateways[0].port"),
        ({"gateways": [{"host": "a", "username": "b"}]}, "config.gateways[0]"),
        ({"gateways": [{"host": "a", "username": 'b"', "password": "c"}]}, "config.gateways[0].username"),
        ({"gateways": [{**GATEWAY, "weight": 0}]}, "config.gateways[0].weight"),
        ({"gateways": [GATEWAY, {**GATEWAY, "weight": 101}]}, "config.gateways[1].weight"),
        ({"gateways": [{**GATEWAY, "weight": 1.5}]}, "config.gateways[0].weight"),
        ({"gateways": [{**GATEWAY, "weight": True}]}, "config.gateways[0].weight"),
        ({"gateways": [GATEWAY], "options_interval_s": -1}, "config.options_interval_s"),
        ({"gateways": [GATEWAY], "p_asserted_identity": 1}, "config.p_asserted_identity"),
        ({"gateways": [GATEWAY], "offer_in_invite": "yes"}, "config.offer_in_invite"),
        ({"gateways": [GATEWAY], "local_port": "x"}, "config.local_port"),
    ],
)
def test_what_is_wrong_is_named(config: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_config(config)
    assert refused.value.field == field


def test_passwords_are_not_shown() -> None:
    known = read_config({"gateways": [{**GATEWAY, "username": "alice", "password": "hunter2"}]})
    trunk = TrunkSpec(WorkspaceId(uuid4()), TrunkId(uuid4()), "sip", known)
    assert "hunter2" not in repr(config_of(trunk)) + repr(trunk)
