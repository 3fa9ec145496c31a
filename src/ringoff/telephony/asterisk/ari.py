"""A thin client of Asterisk's REST interface: requests, and the one request that must know whether it has left.

Source: https://docs.asterisk.org/Asterisk_22_Documentation/API_Documentation/Asterisk_REST_Interface/. Written here
because the ARI clients on PyPI drop ``tech_cause``, which is the SIP status.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload

from ringoff.ports import Clock

REQUEST_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 3.0
KEEP_ALIVE_S: Final = 5.0
"""Asterisk closes idle connections after 15 s (http.conf); a request must not meet that."""
EVENT_BYTES_MAX: Final = 1024 * 1024
HEARTBEAT_S: Final = 10.0


class AriRefused(Exception):
    """Asterisk answered with an error."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"Asterisk says {status}: {reason}")
        self.status = status


class AriUnreachable(Exception):
    """No answer. ``has_left`` is False when the request has certainly not reached Asterisk."""

    def __init__(self, reason: str, *, has_left: bool) -> None:
        super().__init__(f"Asterisk cannot be reached: {reason}")
        self.has_left = has_left


class TooLate(Exception):
    """The deadline had passed when the request was to be written; it was not."""


class _DeadlinePayload(BytesPayload):
    """A body that looks at the clock in the step of its write: waiting for a connection comes before that.

    The header promises the length, so a request whose body is held back is none for Asterisk.
    """

    def __init__(self, body: bytes, clock: Clock, send_until: float) -> None:
        super().__init__(body, content_type="application/json")
        self._clock = clock
        self._send_until = send_until
        self.has_left = False
        self.is_late = False

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._look()
        await super().write(writer)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._look()
        await super().write_with_length(writer, content_length)

    def _look(self) -> None:
        if self.has_left:
            return
        if self._clock.monotonic() > self._send_until:
            self.is_late = True
            raise TooLate
        self.has_left = True


class AriClient:
    """REST requests and the events WebSocket of one Asterisk, as one user of its ari.conf."""

    def __init__(self, clock: Clock, url: str, username: str, password: str) -> None:
        self._clock = clock
        self._url = url
        self._credentials = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
        self._http: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def request(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Any:
        """The answer's JSON, None without one; raises ``AriRefused`` and ``AriUnreachable``."""
        content = None if body is None else BytesPayload(json.dumps(body).encode(), content_type="application/json")
        try:
            return await self._exchange(method, path, params, content)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise AriUnreachable(type(error).__name__, has_left=True) from error

    async def post_until(self, path: str, body: Mapping[str, Any], send_until: float) -> Any:
        """POST, unless ``send_until`` (monotonic) has passed when the body is written: then ``TooLate``.

        Raises ``AriUnreachable`` with ``has_left`` as it was, also for a caller that is cancelled to ask about.
        """
        content = _DeadlinePayload(json.dumps(body).encode(), self._clock, send_until)
        try:
            return await self._exchange("POST", path, None, content)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if content.is_late:
                raise TooLate from error
            raise AriUnreachable(type(error).__name__, has_left=content.has_left) from error

    async def has_channel(self, channel_id: str) -> bool:
        try:
            await self.request("GET", f"/channels/{channel_id}")
        except AriRefused as refused:
            if refused.status == 404:
                return False
            raise
        return True

    async def delete(self, path: str, *, params: Mapping[str, str] | None = None) -> None:
        """Fine if it is gone."""
        try:
            await self.request("DELETE", path, params=params)
        except AriRefused as refused:
            if refused.status != 404:
                raise

    async def open_events(self, app: str) -> aiohttp.ClientWebSocketResponse:
        """The events of one Stasis application; raises as ``request`` does."""
        return await self._open_websocket(f"/ari/events?app={app}&subscribeAll=false", EVENT_BYTES_MAX)

    async def open_media(self, connection_id: str) -> aiohttp.ClientWebSocketResponse:
        """The audio of a ``chan_websocket`` channel that waits for us."""
        return await self._open_websocket(f"/media/{connection_id}", EVENT_BYTES_MAX, protocols=("media",))

    async def _open_websocket(
        self, path: str, max_msg_size: int, protocols: tuple[str, ...] = ()
    ) -> aiohttp.ClientWebSocketResponse:
        try:
            return await self._session().ws_connect(
                self._url + path,
                protocols=protocols,
                heartbeat=HEARTBEAT_S,
                max_msg_size=max_msg_size,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
        except aiohttp.WSServerHandshakeError as error:
            raise AriRefused(error.status, "the WebSocket was refused") from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise AriUnreachable(type(error).__name__, has_left=False) from error

    async def _exchange(
        self, method: str, path: str, params: Mapping[str, str] | None, content: BytesPayload | None
    ) -> Any:
        async with self._session().request(method, f"{self._url}/ari{path}", params=params, data=content) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise AriRefused(answer.status, _reason(text))
            return json.loads(text) if text else None

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=0, keepalive_timeout=KEEP_ALIVE_S),
                timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S),
                headers={"Authorization": self._credentials},
            )
        return self._http


def _reason(text: str) -> str:
    try:
        answer = json.loads(text)
    except ValueError:
        return "no reason given"
    for name in ("message", "error"):
        if isinstance(answer, dict) and isinstance(answer.get(name), str):
            return str(answer[name])[:200]
    return "no reason given"
