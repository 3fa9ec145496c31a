"""One client's kept HTTP connection, which says what became of a request when the server dies."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from ringoff.clock import SystemClock

_TIMEOUT_S = 30.0
_IDLE_S = 2.0
"""The server closes what is idle for longer than a few seconds, and a request that meets that has no answer."""
_BOUNDARY = "a-part-of-a-chaos-upload"

_clock = SystemClock()


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` is None when the request may have been carried out and nobody knows: no answer, or a 5xx."""

    status: int | None
    headers: Message
    body: Any
    sent_ns: int
    answered_ns: int
    answered_at: float

    @property
    def words(self) -> str:
        return f"{self.status} {self.body}"


class NeverSent(Exception):
    """Nobody listened: the request did not leave."""


class Line:
    """For one thread. Finds the server again after each of its restarts."""

    def __init__(self, address: "Address", key: str) -> None:
        self._address = address
        self._key = key
        self._http: HTTPConnection | None = None
        self._url = ""
        self._used_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        content = None if body is None else json.dumps(body).encode()
        return self._send(method, path, content, {"Content-Type": "application/json"} | dict(headers or {}))

    def upload(self, path: str, fields: Mapping[str, str], csv: bytes) -> Answer:
        parts = [
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
            for name, text in fields.items()
        ]
        disposition = 'form-data; name="file"; filename="list.csv"'
        parts.append(f"--{_BOUNDARY}\r\nContent-Disposition: {disposition}\r\nContent-Type: text/csv\r\n\r\n".encode())
        content = b"".join([*parts, csv, f"\r\n--{_BOUNDARY}--\r\n".encode()])
        return self._send("POST", path, content, {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"})

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def _send(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        http = self._connected()
        sent_ns = _clock.monotonic_ns()
        try:
            http.request(method, path, content, {"X-API-KEY": self._key} | dict(headers))
            response = http.getresponse()
            text = response.read()
            answered_ns, answered_at = _clock.monotonic_ns(), _clock.now().timestamp()
            self._used_at = _clock.monotonic()
        except (OSError, HTTPException):
            self.close()
            return Answer(None, Message(), None, sent_ns, _clock.monotonic_ns(), _clock.now().timestamp())
        with suppress(ValueError):
            text = json.loads(text)
        status = None if response.status >= 500 else response.status
        return Answer(status, response.headers, text, sent_ns, answered_ns, answered_at)

    def _connected(self) -> HTTPConnection:
        is_idle = _clock.monotonic() - self._used_at > _IDLE_S
        if self._http is None or is_idle or self._url != self._address.url:
            self.close()
            self._url = self._address.url
            http = HTTPConnection(urlsplit(self._url).netloc, timeout=_TIMEOUT_S)
            try:
                http.connect()
            except OSError as error:
                raise NeverSent from error
            self._http = http
        return self._http


class Address:
    """Where the server listens; it changes with each restart."""

    def __init__(self, url: str) -> None:
        self.url = url
