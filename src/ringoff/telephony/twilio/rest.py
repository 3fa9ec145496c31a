"""A thin client of three of Twilio's endpoints: create a call, update one, list and fetch them.

Source: https://www.twilio.com/docs/voice/api/call-resource. Redirects are not followed, bodies are bounded, and a
request to ring is written at most once: the library repeats no POST.
"""

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from ringoff.ports import Clock
from ringoff.telephony.twilio.call_status import whole_number
from ringoff.telephony.twilio.config import TwilioTrunk

BODY_BYTES_MAX: Final = 1024 * 1024
CREATE_TIMEOUT_S: Final = 15.0
"""How long the answer to a create is waited for. Nobody waits with it: the call may be reported before."""
REQUEST_TIMEOUT_S: Final = 5.0
LIST_PAGE: Final = 200
LIST_PAGES_MAX: Final = 10
# Longer than the pause between two looks at a trunk, so that one connection is always warm: a new one with its TLS
# handshake takes longer than a permit may be old.
_KEEP_ALIVE_S: Final = 90.0
_CONNECTIONS_MAX: Final = 100


class NotReached(Exception):
    """No answer: not connected, cut off, too slow, or not HTTP."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the API; ``body`` is empty when it was no JSON object."""

    http_status: int
    body: Mapping[str, Any]

    @property
    def is_good(self) -> bool:
        return 200 <= self.http_status < 300

    @property
    def code(self) -> int | None:
        """Of an error, from Twilio's list."""
        code = self.body.get("code")
        return code if isinstance(code, int) else whole_number(str(code))

    def text(self, name: str) -> str:
        """A field as text, empty when it is not there."""
        value = self.body.get(name)
        return "" if value is None else str(value)


@dataclass(slots=True)
class SendPermit:
    """Whether a request to ring may leave, looked at in the step that writes it."""

    send_until: float
    """On ``Clock.monotonic``."""
    has_left: bool = False
    is_withdrawn: bool = False
    """Nobody waits for it any more: what has not left will not leave."""
    was_refused: bool = False
    decided: asyncio.Event = field(default_factory=asyncio.Event)
    """It was written, or never will be."""

    def take(self, now: float) -> bool:
        """Whether it may be written now; then it has left."""
        if self.is_withdrawn or now > self.send_until:
            self.was_refused = True
            return False
        self.has_left = True
        return True


class _PermitExpired(Exception):
    """Ends a request whose head is not on the wire yet either: the library writes it together with the body."""


class _PermittedForm(aiohttp.BytesPayload):
    """A form body that looks at its permit when the connection is there and the next step is the write."""

    def __init__(self, value: bytes, permit: SendPermit, clock: Clock) -> None:
        super().__init__(value, content_type="application/x-www-form-urlencoded")
        self._permit = permit
        self._clock = clock

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        transport = getattr(writer, "transport", None)
        if transport is None or transport.is_closing():
            # The carrier has closed a kept connection: nothing has left, and that is known.
            raise ConnectionResetError
        if not self._permit.take(self._clock.monotonic()):
            raise _PermitExpired
        await super().write_with_length(writer, content_length)
        self._permit.decided.set()


class TwilioRest:
    """Shared by all trunks. Make it in a running loop; ``close`` it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS_MAX, keepalive_timeout=_KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._session.close()

    async def create(self, trunk: TwilioTrunk, form: Sequence[tuple[str, str]], permit: SendPermit) -> Reply:
        """Ask for a call. ``permit`` says afterwards whether the request has left."""
        payload = _PermittedForm(urlencode(form).encode(), permit, self._clock)
        return await self._ask("POST", trunk, "/Calls.json", payload=payload, timeout_s=CREATE_TIMEOUT_S)

    async def update(self, trunk: TwilioTrunk, sid: str, status: str) -> Reply:
        """End a call: ``canceled`` while it is queued or rings, ``completed`` also while it is up."""
        payload = aiohttp.BytesPayload(
            urlencode({"Status": status}).encode(), content_type="application/x-www-form-urlencoded"
        )
        return await self._ask("POST", trunk, f"/Calls/{sid}.json", payload=payload)

    async def fetch(self, trunk: TwilioTrunk, sid: str) -> Reply:
        return await self._ask("GET", trunk, f"/Calls/{sid}.json")

    async def account(self, trunk: TwilioTrunk) -> Reply:
        return await self._ask("GET", trunk, ".json")

    async def calls(self, trunk: TwilioTrunk, filters: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
        """Calls that match, newest first, up to ten pages of 200. Raises ``NotReached`` also for an error answer."""
        found: list[Mapping[str, Any]] = []
        query = {**filters, "PageSize": str(LIST_PAGE)}
        for _ in range(LIST_PAGES_MAX):
            reply = await self._ask("GET", trunk, "/Calls.json", query=query)
            if not reply.is_good:
                raise NotReached(f"listing calls: HTTP {reply.http_status}")
            calls = reply.body.get("calls")
            found += [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
            # Only its query is taken: where the next page is, is not for an answer to say.
            query = dict(parse_qsl(urlsplit(reply.text("next_page_uri")).query))
            if not query:
                break
        return found

    async def _ask(
        self,
        method: str,
        trunk: TwilioTrunk,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        payload: aiohttp.Payload | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Reply:
        credentials = base64.b64encode(f"{trunk.account_sid}:{trunk.auth_token}".encode()).decode()
        try:
            async with self._session.request(
                method,
                trunk.account_url + path,
                params=query,
                data=payload,
                headers={"Authorization": f"Basic {credentials}", "Accept": "application/json"},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:
                return Reply(response.status, _json_object(await _bounded(response)))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # ValueError: an address or an answer that the library cannot make sense of.
            raise NotReached(_reason(error, trunk)) from error


def _reason(error: Exception, trunk: TwilioTrunk) -> str:
    """Without the library's own words: they may hold the address, and in it the number that was asked for."""
    words = getattr(error, "strerror", None)
    said = f"{type(error).__name__} ({words})" if isinstance(words, str) else type(error).__name__
    return f"{said} at {urlsplit(trunk.base_url).netloc}"


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            response.close()
            return b""
    return bytes(body)


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
