"""The network that the runs stand on: who is heard, who falls silent, and that nothing is left of it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.multihost.network import Host, Network, NoNetwork, a_network, standing_on

PORT = 4_000
SILENT_S = 0.5


@pytest.fixture
def network() -> Iterator[Network]:
    try:
        with a_network() as network:
            yield network
    except NoNetwork as reason:
        pytest.skip(str(reason))


def knock(there: Host, address: str) -> bool:
    """Whether a connection is accepted there; one that is refused, or that cannot be routed, is an error."""
    try:
        with socket.create_connection((address, PORT), timeout=SILENT_S):
            return True
    except TimeoutError:
        return False


def listening(host: Host) -> socket.socket:
    with standing_on(host):
        return socket.create_server(("0.0.0.0", PORT), backlog=16)


def test_hosts_hear_each_other_until_they_are_cut(network: Network) -> None:
    client, server = network.host("client", "back", "front"), network.host("server", "back", "front")
    with listening(server), standing_on(client):
        assert knock(server, server.address)
        network.cut(server)
        assert not knock(server, server.address), "silence, and no refusal"
        assert knock(server, server.front_address), "the other side is as it was"
        network.join(server)
        assert knock(server, server.address)


def test_a_host_without_a_side_is_not_on_it(network: Network) -> None:
    client, server = network.host("client", "back"), network.host("server", "back", "front")
    with listening(server), standing_on(client):
        assert knock(server, server.address)
        with pytest.raises(OSError, match="unreachable"):
            knock(server, server.front_address)


def test_nothing_is_left(network: Network) -> None:
    host = network.host("passing", "back")
    there = Path("/run/netns") / host.namespace
    assert there.exists()
    network.close()
    assert not there.exists()
