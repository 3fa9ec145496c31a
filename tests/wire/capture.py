"""Reads every UDP packet between Ringoff and the carrier from the loopback device, with the kernel's own time of it."""

import json
import os
import socket
import struct
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

WHY_NOT = "a raw packet socket needs root on Linux"
_ETH_P_IP = 0x0800
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_BUFFER_BYTES = 64 * 1024 * 1024
_LINK_BYTES, _UDP_BYTES, _UDP = 14, 8, 17
_POLL_S = 0.2


def is_allowed() -> bool:
    return hasattr(socket, "AF_PACKET") and os.geteuid() == 0


class Capture:
    """While it is entered, each SIP message to or from ``port`` is a line of ``path``; the last line counts losses.

    The time is CLOCK_REALTIME in nanoseconds (SO_TIMESTAMPNS, socket(7)). A socket for IP alone sees what arrives and
    not what leaves, so that a packet on loopback is seen once (packet(7)).
    """

    def __init__(self, path: Path, port: int) -> None:
        self._path = path
        self._port = port
        self._over = Event()
        self._thread = Thread(target=self._read, name="capture")
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_IP))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind(("lo", _ETH_P_IP))
        self._socket.settimeout(_POLL_S)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _read(self) -> None:
        with self._path.open("w", encoding="utf-8") as lines:
            while not self._over.is_set():
                try:
                    packet, ancillary, _flags, _address = self._socket.recvmsg(65_536, 256)
                except TimeoutError:
                    continue
                line = self._line(packet)
                if line is not None:
                    seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
                    lines.write(json.dumps({"at_ns": seconds * 1_000_000_000 + nanoseconds, **line}) + "\n")
            counted = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
            lines.write(json.dumps({"lost": struct.unpack("II", counted)[1]}) + "\n")

    def _line(self, packet: bytes) -> dict[str, str | bool] | None:
        header_bytes = (packet[_LINK_BYTES] & 15) * 4
        if packet[_LINK_BYTES + 9] != _UDP:
            return None
        udp = packet[_LINK_BYTES + header_bytes :]
        source, target = struct.unpack("!HH", udp[:4])
        if self._port not in (source, target):
            return None
        head = udp[_UDP_BYTES:].partition(b"\r\n\r\n")[0].decode(errors="replace")
        return {"is_to_carrier": target == self._port, "head": head}
