"""The SIP stack (sippy) on our own socket and our own loop: all that touches its untyped, unexported parts.

sippy brings an event loop that blocks a thread and sends from three more. Neither is needed: here its socket is read by
asyncio and written at once, so that a request has left when the call that sends it returns, and its timers are played
from asyncio. Nothing else of the product knows that sippy has a loop.
"""

import asyncio
import errno
import socket
from _thread import get_ident
from collections.abc import Callable
from hashlib import md5
from typing import Any, Final

import sippy.Core.EventDispatcher
import sippy.SipMsg
import sippy.SipTransactionManager
import sippy.UacStateRinging
import sippy.UacStateTrying
import structlog
from sippy.CCEvents import CCEventConnect, CCEventDisconnect, CCEventFail, CCEventTry, CCEventUpdate
from sippy.MsgBody import MsgBody
from sippy.Network_server import Remote_address
from sippy.SipHeader import SipHeader
from sippy.SipRequest import SipRequest
from sippy.SipURL import SipURL
from sippy.Time.MonoTime import MonoTime
from sippy.Time.Timeout import Timeout
from sippy.UA import UA
from sippy.Udp_server import Udp_server_opts

from ringoff.telephony.sip.next_hop import NextHops, call_id_of, is_address

log = structlog.get_logger()

_TICK_S: Final = 0.01
"""How often timers are looked at: far below the shortest SIP timer (T1, 500 ms)."""
_READS_MAX: Final = 50
"""Packets taken in one turn of the loop, so that a flood does not hold up everybody else."""
_PACKETS_REMEMBERED_MAX: Final = 20_000
_STRANGERS_MAX: Final = 5_000
"""Requests to us that are remembered for their half a minute; beyond it only those of our own calls are heard."""
_TIMER_B_S: Final = 32.0
_OPEN_STATES: Final = (sippy.SipTransactionManager.TRYING, sippy.SipTransactionManager.RINGING)
_RECEIVE_BYTES: Final = 4 * 2**20
_SO_RCVBUFFORCE: Final = 33
"""socket(7); the module has no name for it. Elsewhere than on Linux it is refused."""
_ED: Final = sippy.Core.EventDispatcher.ED2


def _log_trouble(message: str, **_: object) -> None:
    # sippy's own prints the packet, with the numbers in it, to standard output.
    log.warning("a SIP packet or timer was not understood", reason=message.split(" from ", maxsplit=1)[0])


def _say_nothing(*_: object, **__: object) -> None:
    """In place of sippy's print: it prints whole packets to standard output, with the numbers in them."""


for _module in (sippy.SipTransactionManager, sippy.SipMsg, sippy.UacStateTrying, sippy.UacStateRinging):
    vars(_module)["print"] = _say_nothing
sippy.SipTransactionManager.dump_exception = _log_trouble
sippy.Core.EventDispatcher.dump_exception = _log_trouble


class _NoLog:
    def write(self, *_: object, **__: object) -> None:
        """sippy logs whole messages; phone numbers and credentials are in them."""


class _Socket:
    """What sippy takes for its UDP server: one non-blocking socket."""

    transport = "udp"

    def __init__(self, _stack: dict[str, Any], options: Any) -> None:
        self.uopts = options.getCopy()
        self.send_error: OSError | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        _widen(self._socket)
        try:
            self._socket.bind(self.uopts.laddress)
        except OSError:
            # It is tried again every few seconds: nothing may be left of it.
            self._socket.close()
            raise
        self.uopts.laddress = self._socket.getsockname()
        self._loop: asyncio.AbstractEventLoop | None = None

    def listen(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._read)

    def getSIPaddr(self) -> tuple[tuple[str, int], str]:  # noqa: N802
        return self.uopts.laddress, self.transport

    def addr2str(self, _address: object) -> str:
        return self.transport

    def send_to(self, data: str | bytes, address: tuple[str, int]) -> None:
        """Written when this returns; what the kernel refused is kept in ``send_error``."""
        packet = data if isinstance(data, bytes) else data.encode()
        self.send_error = None
        try:
            if not is_address(address[0]):
                # Looking it up here would stop the loop; NextHops has done so for each dialog.
                raise OSError(errno.EHOSTUNREACH, "a name that was not looked up")
            self._socket.sendto(packet, (address[0], int(address[1])))
        except OSError as error:
            self.send_error = error

    def shutdown(self) -> None:
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _read(self) -> None:
        for _ in range(_READS_MAX):
            try:
                packet, address = self._socket.recvfrom(65_536)
            except BlockingIOError:
                return
            except OSError:
                # An ICMP "unreachable" for something we sent: its retransmission or time-out will tell.
                continue
            self.uopts.data_callback(packet, Remote_address(address, self.transport), self, MonoTime())


def _widen(udp: socket.socket) -> None:
    """Room for the answers to a burst of ours; without the right to go beyond the system's limit, up to that."""
    try:
        udp.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BYTES)
    except OSError:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)


class _OneSocket:
    """In place of sippy's choice among many sockets, which probes ports and leaves a socket open."""

    def __init__(self, stack: dict[str, Any], receive: Callable[..., None], _server: object, _options: object) -> None:
        options = Udp_server_opts((stack["_sip_address"], stack["_sip_port"]), receive)
        self._only = _Socket(stack, options)

    def getServer(self, _address: object, *, is_local: bool = False) -> _Socket:  # noqa: ARG002, N802
        return self._only

    def rotateCache(self) -> None:  # noqa: N802
        """Nothing is remembered for each address."""

    def shutdown(self) -> None:
        self._only.shutdown()


sippy.SipTransactionManager.local4remote = _OneSocket


class _Transactions(sippy.SipTransactionManager.SipTransactionManager):  # type: ignore[misc]
    def __init__(self, *arguments: Any) -> None:
        self.hops = NextHops(lambda call_id: call_id in (self.req_consumers or ()))
        super().__init__(*arguments)

    def newTransaction(self, msg: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        """sippy 2.5.0 compares the transport of a Contact with "udp" and dies of "UDP": RFC 3261 7.3.1 says any case.

        This stack speaks UDP only, so it is always that.
        """
        address, _transport = msg.getTarget()
        if not is_address(address[0]):
            address = self.hops.address(_call_id(msg), address[0]) or address
        msg.setTarget((address, "udp"))
        return super().newTransaction(msg, *args, **kwargs)

    def transmitReq(self, transaction: Any, msg: Any, address: tuple[str, int], *cached: Any) -> None:  # noqa: N802
        """The ACK: to the looked up next hop of a 2xx; that of any other answer goes where its INVITE went."""
        if not is_address(address[0]):
            address = self.hops.address(_call_id(msg), address[0]) or transaction.address
        super().transmitReq(transaction, msg, address, *cached)

    def unregConsumer(self, consumer: Any, call_id: str) -> None:  # noqa: N802
        self.hops.forget(call_id)
        super().unregConsumer(consumer, call_id)

    def handleIncoming(self, *packet: Any) -> None:  # noqa: N802
        if not self.hops.holds(packet[0], packet[1].address, lambda: self._take(*packet)):
            self._take(*packet)

    def shutdown(self) -> None:
        self.hops.close()
        super().shutdown()

    def _take(self, *packet: Any) -> None:
        if self.l1rcache is None:
            # Closed while the packet waited.
            return
        if len(self.l1rcache) > _PACKETS_REMEMBERED_MAX:
            self.rCachePurge()
        if len(self.tserver) >= _STRANGERS_MAX and call_id_of(packet[0]) not in self.req_consumers:
            return
        try:
            super().handleIncoming(*packet)
        except Exception as error:  # noqa: BLE001 - a packet from anywhere must not end the stack; its text has numbers
            log.warning("a SIP packet was dropped", error=type(error).__name__, length=len(packet[0]))
            self._forget_request(packet[0])
            self._wind_up(call_id_of(packet[0]))

    def _forget_request(self, packet: bytes) -> None:
        """A request that could not be answered: its transaction may have lost the timer that would end it."""
        newest = next(reversed(self.tserver.values()), None)
        if newest is None or newest.checksum != md5(packet, usedforsecurity=False).digest():
            return
        for name in ("teA", "teD", "teE", "teF", "teG"):
            if (timer := getattr(newest, name, None)) is not None:
                timer.cancel()
        self.tserver.pop(newest.tid, None)
        newest.cleanup()

    def _wind_up(self, call_id: str | None) -> None:
        """sippy stops a request's timers before it has read the whole answer: without them it would wait for ever."""
        if call_id not in self.req_consumers:
            return
        for transaction in self.tclient.values():
            is_open = transaction.tid[0] == call_id and transaction.state in _OPEN_STATES
            if is_open and transaction.teA is None and transaction.teB is None:
                transaction.teB = Timeout(self.timerB, _TIMER_B_S, 1, transaction)


class Stack:
    """One socket with its transactions. Use it from one loop only; ``Timers`` must be running."""

    def __init__(self, local_address: str, local_port: int) -> None:
        self.config: dict[str, Any] = {
            "_sip_address": local_address, "_sip_port": local_port, "_sip_logger": _NoLog(),
        }  # fmt: skip
        self.transactions = _Transactions(self.config, _answer_stranger)
        self.config["_sip_tm"] = self.transactions
        self._socket: _Socket = self.transactions.l4r.getServer(None)
        self._socket.listen()

    @property
    def address(self) -> tuple[str, int]:
        return self._socket.getSIPaddr()[0]

    @property
    def send_error(self) -> OSError | None:
        return self._socket.send_error

    def open_transactions(self) -> int:
        return len(self.transactions.tclient) + len(self.transactions.tserver)

    def forget(self, transaction: Any) -> None:
        """End a client transaction whose request could not be written, so that no copy of it follows."""
        for timer in (transaction.teA, transaction.teB):
            if timer is not None:
                timer.cancel()
        self.transactions.tclient.pop(transaction.tid, None)
        transaction.cleanup()

    def options(self, host: str, address: tuple[str, int], answered: Callable[[int], None]) -> None:
        """Send OPTIONS (RFC 3261 11); ``answered`` gets the status of the answer, 408 when none came in 32 s."""
        request = SipRequest(
            method="OPTIONS", ruri=SipURL(host=host, port=address[1], transport="udp"), target=(address, "udp"),
        )  # fmt: skip
        request.getHFBody("from").genTag()
        self.transactions.newTransaction(request, resp_cb=lambda response: answered(response.getSCode()[0]))

    def close(self) -> None:
        self.transactions.shutdown()


def _call_id(msg: Any) -> str:
    return str(msg.getHFBody("call-id"))


def _answer_stranger(request: Any, _transaction: Any) -> tuple[Any, None, None]:
    if request.getHFBody("to").getTag() is not None:
        return request.genResponse(481, "Call/Transaction Does Not Exist"), None, None
    if request.getMethod() == "OPTIONS":
        return request.genResponse(200, "OK"), None, None
    return request.genResponse(501, "Not Implemented"), None, None


def header(name: str, text: str) -> Any:
    """A header that keeps the spelling of its name; sippy's own writes X-ringoff-name."""
    made = SipHeader(s=f"{name}: {text}")
    made.body.getCanName = lambda *_: name
    return made


class Timers:
    """Plays sippy's timers from the running loop. The timers belong to the process: whoever is last clears them."""

    _users = 0

    def __init__(self) -> None:
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self._next is None:
            Timers._users += 1
            _ED.my_ident = get_ident()
            self._tick()

    def stop(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None
            Timers._users -= 1
            if Timers._users == 0:
                _ED.tlisteners, _ED.twasted = [], 0

    def _tick(self) -> None:
        self._next = asyncio.get_running_loop().call_later(_TICK_S, self._tick)
        _ED.last_ts = MonoTime()
        _ED.dispatchTimers()


__all__ = [
    "UA",
    "CCEventConnect",
    "CCEventDisconnect",
    "CCEventFail",
    "CCEventTry",
    "CCEventUpdate",
    "MsgBody",
    "Stack",
    "Timers",
    "header",
]
