"""Speaks to a running server over HTTP, for the command line and the demo; the standard library is enough."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from socket import gaierror
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from ringoff.domain.errors import InvalidInput

_TIMEOUT_S = 30.0


class ServerUnreachable(Exception):
    """Nobody answered, or not in HTTP. ``was_sent`` is false only when the request certainly never left."""

    def __init__(self, message: str, *, was_sent: bool) -> None:
        super().__init__(message)
        self.was_sent = was_sent


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the server, good or bad."""

    status: int
    headers: Message
    body: Any

    @property
    def message(self) -> str:
        """What the server says in words, in whichever of its shapes."""
        if not isinstance(self.body, dict):
            return str(self.body)
        error = self.body.get("error")
        words = error.get("message") if isinstance(error, dict) else None
        return str(words or self.body.get("detail") or self.body.get("message") or self.body)


class ApiClient:
    """One server and one key. Calls block; a caller with an event loop uses a thread."""

    def __init__(self, url: str, api_key: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(f"the server's URL must begin with http:// or https://, not {url!r}", field="url")
        if not api_key.isascii() or not api_key.isprintable():
            raise InvalidInput("the API key has characters that no key has", field="api_key")
        self._url = url.rstrip("/")
        self._api_key = api_key
        # A kill switch does not go through a proxy that the environment happens to name.
        is_local = parts.hostname in ("127.0.0.1", "localhost", "::1")
        self._opener: OpenerDirector = build_opener(ProxyHandler({})) if is_local else build_opener()

    def get(self, path: str) -> Reply:
        return self._send("GET", path, None, {})

    def send(self, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
        content_type = {"Content-Type": "application/json"}
        return self._send(method, path, json.dumps(body).encode(), content_type | dict(headers or {}))

    def upload(self, path: str, fields: Mapping[str, str], file_name: str, content: bytes) -> Reply:
        """A form with one file, as ``file``."""
        boundary = secrets.token_hex(16)
        lines = []
        for name, text in fields.items():
            lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{name}"', "", text]
        lines += [f"--{boundary}", f'Content-Disposition: form-data; name="file"; filename="{file_name}"']
        lines += ["Content-Type: text/csv", "", ""]
        body = "\r\n".join(lines).encode() + content + f"\r\n--{boundary}--\r\n".encode()
        return self._send("POST", path, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        request = Request(self._url + path, data=body, method=method)
        for name, text in {"X-API-KEY": self._api_key, "Accept": "application/json", **headers}.items():
            request.add_header(name, text)
        try:
            try:
                with self._opener.open(request, timeout=_TIMEOUT_S) as response:
                    return _reply(response.status, response.headers, response.read())
            except HTTPError as refusal:
                with refusal:
                    return _reply(refusal.code, refusal.headers, refusal.read())
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            was_sent = not isinstance(reason, ConnectionRefusedError | gaierror)
            raise ServerUnreachable(f"no answer from {self._url}: {reason}", was_sent=was_sent) from error


def _reply(status: int, headers: Message, content: bytes) -> Reply:
    try:
        return Reply(status, headers, json.loads(content))
    except ValueError:
        return Reply(status, headers, content.decode(errors="replace"))
