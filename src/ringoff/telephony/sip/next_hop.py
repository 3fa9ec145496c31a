"""Where the requests of a dialog go when its peer gave a name, looked up without stopping the loop."""

import asyncio
import ipaddress
import re
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

LOOKUP_MAX_S: Final = 2.0
"""An answer waits this long for its name at most: the caller hears nothing until our ACK."""
_FRESH_S: Final = 60.0
_FAILURE_FRESH_S: Final = 5.0
_NAMES_MAX: Final = 256
_LOOKUPS_MAX: Final = 64
_HELD_FOR_CALL_MAX: Final = 8

_ANSWER: Final = re.compile(rb"SIP/2\.0 2\d\d ")
_FOLD: Final = re.compile(r"\r?\n[ \t]+")
_CALL_ID: Final = re.compile(r"^(?:call-id|i)[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_TO_INVITE: Final = re.compile(r"^cseq[ \t]*:[ \t]*\d+[ \t]+INVITE", re.IGNORECASE | re.MULTILINE)
_ROUTES: Final = re.compile(r"^record-route[ \t]*:(.*)", re.IGNORECASE | re.MULTILINE)
_CONTACT: Final = re.compile(r"^(?:contact|m)[ \t]*:(.*)", re.IGNORECASE | re.MULTILINE)
_URI: Final = re.compile(r"sips?:(?:[^@<>,\s]*@)?([^\s:;,<>?\[\]]+|\[[^\]]*\])(?::(\d{1,5}))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NamedHop:
    """The next hop that an answer names: the call it belongs to, the host name, the port."""

    call_id: str
    host: str
    port: int


def named_hop(packet: bytes) -> NamedHop | None:
    """The next hop of a 2xx to an INVITE when it is a name, None when it is an address or nothing of the kind.

    RFC 3261 12.1.2: the last Record-Route is the first hop of the route set; without one it is the Contact.
    """
    if not _ANSWER.match(packet):
        return None
    head = _head(packet)
    call_id = _CALL_ID.search(head)
    if call_id is None or not _TO_INVITE.search(head):
        return None
    uris = _URI.findall(",".join(_ROUTES.findall(head)))[-1:] or _URI.findall(",".join(_CONTACT.findall(head)))[:1]
    if not uris or is_address(uris[0][0]):
        return None
    host, port = uris[0]
    return NamedHop(call_id[1], host.lower(), int(port or 5060))


def call_id_of(packet: bytes) -> str | None:
    found = _CALL_ID.search(_head(packet))
    return found[1] if found else None


def is_address(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


async def lookup(host: str) -> str | None:
    """The first IPv4 address of a name, or None, also after ``LOOKUP_MAX_S``: our sockets speak IPv4 only."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LOOKUP_MAX_S):
            found = await loop.getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        # TimeoutError is an OSError.
        return None
    return str(found[0][4][0]) if found else None


class NextHops:
    """Holds an answer with a name in it until the name is known, then hands it on; the order of a call is kept.

    ``is_ours`` tells whether a Call-ID is one of ours, so that a stranger's packets cause no look-up and no memory.
    What cannot be resolved, in ``LOOKUP_MAX_S`` or at all, goes to where the answer came from.
    """

    def __init__(
        self, is_ours: Callable[[str], bool], look_up: Callable[[str], Awaitable[str | None]] = lookup
    ) -> None:
        self._is_ours = is_ours
        self._look_up = look_up
        # Bounded by the dialogs of the stack, see forget; a dialog has few answers to an INVITE.
        self._addresses: dict[str, dict[str, tuple[str, int]]] = {}
        self._names: OrderedDict[str, tuple[str | None, float]] = OrderedDict()
        self._held: dict[str, list[Callable[[], None]]] = {}
        self._lookups: set[asyncio.Task[None]] = set()

    def holds(self, packet: bytes, source: tuple[str, int], deliver: Callable[[], None]) -> bool:
        """Whether the packet waits; ``deliver`` is then called later."""
        if self._held and self._joins(packet, deliver):
            return True
        hop = named_hop(packet)
        if hop is None or not self._is_ours(hop.call_id):
            return False
        known, fresh_until = self._names.get(hop.host, (None, 0.0))
        if asyncio.get_running_loop().time() < fresh_until or len(self._lookups) >= _LOOKUPS_MAX:
            self._note(hop, known, source)
            return False
        self._held[hop.call_id] = [deliver]
        task = asyncio.create_task(self._find(hop, source), name="sip next hop")
        self._lookups.add(task)
        task.add_done_callback(self._lookups.discard)
        return True

    def address(self, call_id: str, host: str) -> tuple[str, int] | None:
        return self._addresses.get(call_id, {}).get(host.lower())

    def forget(self, call_id: str) -> None:
        self._addresses.pop(call_id, None)

    def close(self) -> None:
        for task in self._lookups:
            task.cancel()
        self._held.clear()

    def _joins(self, packet: bytes, deliver: Callable[[], None]) -> bool:
        waiting = self._held.get(call_id_of(packet) or "")
        if waiting is None:
            return False
        if len(waiting) < _HELD_FOR_CALL_MAX:
            waiting.append(deliver)
        return True

    async def _find(self, hop: NamedHop, source: tuple[str, int]) -> None:
        try:
            # Around whatever look-up was given.
            async with asyncio.timeout(LOOKUP_MAX_S):
                found = await self._look_up(hop.host)
        except TimeoutError:
            found = None
        fresh_s = _FAILURE_FRESH_S if found is None else _FRESH_S
        self._names[hop.host] = (found, asyncio.get_running_loop().time() + fresh_s)
        self._names.move_to_end(hop.host)
        if len(self._names) > _NAMES_MAX:
            self._names.popitem(last=False)
        if self._is_ours(hop.call_id):
            self._note(hop, found, source)
        for deliver in self._held.pop(hop.call_id, ()):
            deliver()

    def _note(self, hop: NamedHop, found: str | None, source: tuple[str, int]) -> None:
        is_usable = found is not None and 0 < hop.port <= 65_535
        self._addresses.setdefault(hop.call_id, {})[hop.host] = (str(found), hop.port) if is_usable else source


def _head(packet: bytes) -> str:
    return _FOLD.sub(" ", packet.partition(b"\r\n\r\n")[0].decode(errors="replace"))
