"""A line that loses packets: a UDP relay that drops a share of them each way, by a seeded dice."""

import asyncio
from collections.abc import Callable
from random import Random
from types import TracebackType
from typing import Self

_HOST = "127.0.0.1"
_CLIENTS_MAX = 64
_REMEMBERED_MAX = 200_000

Address = tuple[str, int]


class LossyRelay:
    """Entered, it sends on what comes to ``listen_port`` to ``target_port``, and the answers back; on 127.0.0.1.

    ``loss_share`` of the packets, from 0 to 1, is dropped each way. Each direction has a dice of its own, so that the
    n-th packet of a direction has the same fate in every run. Each client has a socket of its own towards the target.
    A SIP peer must have the relay in its route (Record-Route), otherwise ACK and BYE go around it.
    """

    def __init__(self, *, listen_port: int, target_port: int, loss_share: float, seed: int) -> None:
        self.forward = _Direction(loss_share, Random(f"{seed} forward"))
        self.back = _Direction(loss_share, Random(f"{seed} back"))
        self._listen = (_HOST, listen_port)
        self._target = (_HOST, target_port)
        self._transport: asyncio.DatagramTransport | None = None
        self._upstream: dict[Address, asyncio.DatagramTransport] = {}
        self._opening: dict[Address, asyncio.Task[None]] = {}

    @property
    def listen_port(self) -> int:
        return self._listen[1]

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Port(self._from_client), self._listen)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._opening.values():
            task.cancel()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        for transport in (self._transport, *self._upstream.values()):
            if transport is not None:
                transport.close()
        # The transports close their sockets in the loop's next turn.
        await asyncio.sleep(0)

    def words(self) -> str:
        return f"forward: {self.forward.words()}; back: {self.back.words()}"

    def _from_client(self, packet: bytes, client: Address) -> None:
        if client in self._upstream:
            self._send_on(packet, client)
        elif client not in self._opening and len(self._opening) < _CLIENTS_MAX:
            # A packet that comes while this is being opened is lost, as on any line.
            self._opening[client] = asyncio.create_task(self._open(client, packet))

    async def _open(self, client: Address, packet: bytes) -> None:
        def take(answer: bytes, _from: Address) -> None:
            if self._transport is not None and self.back.passes(answer):
                self._transport.sendto(answer, client)

        loop = asyncio.get_running_loop()
        self._upstream[client], _ = await loop.create_datagram_endpoint(lambda: _Port(take), remote_addr=self._target)
        self._send_on(packet, client)

    def _send_on(self, packet: bytes, client: Address) -> None:
        if self.forward.passes(packet):
            self._upstream[client].sendto(packet)


class _Direction:
    """``offered_count`` packets came, ``dropped_count`` of them went no further, ``repeated_count`` had come before."""

    def __init__(self, loss_share: float, dice: Random) -> None:
        self.offered_count = 0
        self.dropped_count = 0
        self.repeated_count = 0
        self._loss_share = loss_share
        self._dice = dice
        self._seen: set[int] = set()

    def passes(self, packet: bytes) -> bool:
        self.offered_count += 1
        mark = hash(packet)
        self.repeated_count += mark in self._seen
        if len(self._seen) < _REMEMBERED_MAX:
            self._seen.add(mark)
        is_dropped = self._dice.random() < self._loss_share
        self.dropped_count += is_dropped
        return not is_dropped

    def words(self) -> str:
        return f"{self.offered_count} packets, {self.dropped_count} dropped, {self.repeated_count} retransmissions"


class _Port(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, Address], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._take(data, addr)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there for now: the packet is lost."""
