"""A network of its own for one run: hosts in network namespaces, joined by bridges that can fall silent.

Nothing of it touches the machine's own interfaces: the bridges and all ends of all wires lie in namespaces that this
module makes. ``back`` joins everybody to the databases, ``front`` the clients to the API; an island is for those who
are split off. A host that cannot be heard keeps its interface and its address; its packets go nowhere and nobody tells
the other end, as when a switch dies.
"""

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

Side = Literal["back", "front"]

_PREFIX = "ringoff"
_NETNS = Path("/run/netns")
_CLONE_NEWNET = 0x4000_0000
_SUBNETS: dict[Side, str] = {"back": "10.99.1", "front": "10.99.2"}
_ISLAND = "island"
_TOOLS = ("ip", "nsenter")
_COMMAND_TIMEOUT_S = 30

_libc = ctypes.CDLL(None, use_errno=True)


class NoNetwork(Exception):
    """This machine lets us make no network namespaces."""


@dataclass(frozen=True, slots=True)
class Host:
    """A namespace and its addresses."""

    name: str
    namespace: str
    address: str
    """On the back side, where the databases are."""
    front_address: str

    @property
    def entering(self) -> Sequence[str]:
        """What a command line begins with to run here."""
        return ("nsenter", f"--net={_NETNS / self.namespace}")


class Network:
    """Made by ``a_network``; ``host`` adds hosts, ``cut`` and ``join`` change who is heard."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._hub = f"{name}-hub"
        self._hosts: dict[str, Host] = {}
        self._namespaces: list[str] = []

    def build(self) -> None:
        self._add_namespace(self._hub)
        for bridge in (*_SUBNETS, _ISLAND):
            _ip(self._hub, "link", "add", "name", bridge, "type", "bridge")
            _ip(self._hub, "link", "set", "dev", bridge, "up")

    def host(self, name: str, *sides: Side) -> Host:
        """A new host with an address on each of the ``sides``."""
        number = len(self._hosts) + 10
        host = Host(name, f"{self._name}-{name}", f"{_SUBNETS['back']}.{number}", f"{_SUBNETS['front']}.{number}")
        self._add_namespace(host.namespace)
        self._hosts[name] = host
        _ip(host.namespace, "link", "set", "dev", "lo", "up")
        for side in sides:
            port = _port(host, side)
            _ip(self._hub, "link", "add", "name", port, "type", "veth", "peer", "name", side, "netns", host.namespace)
            _ip(self._hub, "link", "set", "dev", port, "master", side, "up")
            _ip(host.namespace, "addr", "add", f"{_SUBNETS[side]}.{number}/24", "dev", side)
            _ip(host.namespace, "link", "set", "dev", side, "up")
        return host

    def cut(self, host: Host, side: Side = "back") -> None:
        """From now on nothing reaches the host, or comes from it, on this side; nobody is told. Idempotent."""
        _ip(self._hub, "link", "set", "dev", _port(host, side), "nomaster")

    def split_off(self, *hosts: Host) -> None:
        """These hear each other on the back side, and nobody else; ``join`` brings each of them back."""
        for host in hosts:
            _ip(self._hub, "link", "set", "dev", _port(host, "back"), "master", _ISLAND)

    def join(self, host: Host, side: Side = "back") -> None:
        """Undo ``cut`` and ``split_off``. Idempotent."""
        _ip(self._hub, "link", "set", "dev", _port(host, side), "master", side)

    def close(self) -> None:
        """Remove every namespace, and with them all wires and bridges. Processes in them must be gone."""
        while self._namespaces:
            _remove_namespace(self._namespaces.pop())

    def _add_namespace(self, name: str) -> None:
        _run("ip", "netns", "add", name)
        self._namespaces.append(name)


@contextmanager
def a_network() -> Iterator[Network]:
    """A network with a name of its own; raises ``NoNetwork`` where there can be none."""
    if os.geteuid() != 0:
        raise NoNetwork("network namespaces need root")
    if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        raise NoNetwork(f"missing: {', '.join(missing)} (Debian: iproute2 and util-linux)")
    _sweep()
    network = Network(f"{_PREFIX}-{os.getpid()}-{os.urandom(2).hex()}")
    with ExitStack() as ending:
        ending.callback(network.close)
        try:
            network.build()
        except subprocess.CalledProcessError as error:
            raise NoNetwork(f"network namespaces cannot be made here: {error.stderr.strip()}") from error
        yield network


@contextmanager
def standing_on(host: Host) -> Iterator[None]:
    """This thread, the threads and the processes that it starts meanwhile, open their sockets on the host."""
    with Path("/proc/thread-self/ns/net").open("rb") as home, (_NETNS / host.namespace).open("rb") as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(home.fileno())


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _port(host: Host, side: Side) -> str:
    # An interface's name has 15 characters at most.
    return f"{side[0]}-{host.name}"[:15]


def _sweep() -> None:
    """What runs have left behind whose process was killed: their names say which process that was."""
    for path in _NETNS.glob(f"{_PREFIX}-*-*"):
        pid = path.name.split("-")[1]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            for inside in _run("ip", "netns", "pids", path.name).split():
                with suppress(ProcessLookupError):
                    os.kill(int(inside), signal.SIGKILL)
            _remove_namespace(path.name)


def _remove_namespace(name: str) -> None:
    with suppress(subprocess.CalledProcessError):  # somebody else has swept it
        _run("ip", "netns", "delete", name)


def _ip(namespace: str, *arguments: str) -> None:
    _run("ip", "-n", namespace, *arguments)


def _run(*command: str) -> str:
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S, stdin=subprocess.DEVNULL
    ).stdout
