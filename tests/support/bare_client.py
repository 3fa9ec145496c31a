"""A client of PostgreSQL that can stop anywhere in a conversation, which a driver never shows."""

import socket
import struct
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

_PROTOCOL: Final = 196_608
_TIMEOUT_S: Final = 30


class BareClient:
    """Over the Unix socket of a server that trusts it, spoken by hand (PostgreSQL's frontend/backend protocol 3.0)."""

    def __init__(self, dsn: str, **settings: str) -> None:
        parts = urlsplit(dsn)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_TIMEOUT_S)
        self._socket.connect(f"{query['host']}/.s.PGSQL.{query['port']}")
        startup = {"user": query["user"], "database": parts.path.lstrip("/"), **settings}
        words = b"".join(word.encode() + b"\0" for pair in startup.items() for word in pair) + b"\0"
        self._socket.sendall(struct.pack("!ii", len(words) + 8, _PROTOCOL) + words)
        self.pid = 0
        self._read_until(b"Z")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def run(self, statement: str) -> None:
        """One that answers with little."""
        self.ask(statement)
        self._read_until(b"Z")

    def ask(self, statement: str) -> None:
        """Without taking the answer."""
        self._send(b"Q", statement.encode() + b"\0")

    def parse(self, statement: str) -> None:
        """Without arguments, and without ending the exchange: as a driver does with a statement that is new to it."""
        self._send(b"P", b"\0" + statement.encode() + b"\0" + struct.pack("!h", 0))
        self._send(b"D", b"S\0")
        self._send(b"H", b"")
        self._read_until(b"T")

    def end_exchange(self) -> None:
        self._send(b"S", b"")
        self._read_until(b"Z")

    def begin_copy(self, table: str) -> None:
        self.ask(f"COPY {table} FROM STDIN")
        self._read_until(b"G")

    def copy(self, piece: bytes) -> None:
        self._send(b"d", piece)

    def _send(self, kind: bytes, body: bytes) -> None:
        self._socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def _read_until(self, wanted: bytes) -> None:
        while True:
            head = self._read(5)
            body = self._read(struct.unpack("!i", head[1:])[0] - 4)
            if head[:1] == b"K":
                (self.pid,) = struct.unpack("!i", body[:4])
            assert head[:1] != b"E", body
            if head[:1] == wanted:
                return

    def _read(self, count: int) -> bytes:
        read = b""
        while len(read) < count:
            piece = self._socket.recv(count - len(read))
            assert piece, "the server has ended the session"
            read += piece
        return read
