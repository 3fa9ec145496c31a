"""The network that the runs stand on: who is heard, who falls silent, and that nothing is left of it."""

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.multihost.network import Host, Network, NoNetwork, a_network, standing_on
from tests.support.processes import until

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
    """Whether a connection is accepted there, not by silence; one that is refused, or has no route, is an error."""
    try:
        with socket.create_connection((address, PORT), timeout=SILENT_S):
            return True
    except TimeoutError:
        return False
    except OSError as error:
        if error.errno == errno.EHOSTUNREACH:  # nobody said so: its address was asked for, and nobody answered
            return False
        raise


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


def test_who_is_split_off_together_hears_the_other(network: Network) -> None:
    outside, first, second = (network.host(name, "back") for name in ("outside", "first", "second"))
    network.split_off(first, second)
    with listening(second):
        with standing_on(first):
            assert knock(second, second.address)
        with standing_on(outside):
            assert not knock(second, second.address)
            network.join(second)
            # Whoever was not found is looked for again after a second.
            until(lambda: knock(second, second.address), "it is heard again", poll_s=0.2)


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
