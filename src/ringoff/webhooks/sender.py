"""One request to a subscriber, with every bound that keeps a bad one from hurting: time, size, address, redirects."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import aiohttp
import yarl
from aiohttp.resolver import ThreadedResolver

from ringoff.domain.errors import InvalidInput
from ringoff.domain.webhook_url import check_url
from ringoff.ports import Clock
from ringoff.webhooks.address_check import AddressRefused, LookUp, PinnedResolver

EXCERPT_BYTES_MAX = 1_024
"""So much of an answer is read and kept; the rest is never taken from the wire."""
_KEEP_ALIVE_S = 1.0
"""Shorter than servers wait: one that closes a connection just when it is used again costs a try."""


@dataclass(frozen=True, slots=True)
class Try:
    """How one request ended: ``status`` is None when there was no answer, and ``excerpt`` says why."""

    status: int | None
    latency_ms: int
    excerpt: str

    @property
    def is_delivered(self) -> bool:
        """Any 2xx."""
        return self.status is not None and 200 <= self.status < 300


class Sender:
    """A pool of connections to subscribers. Use it as ``async with``."""

    def __init__(
        self,
        clock: Clock,
        *,
        timeout_s: float,
        allow_private: bool,
        connections_max: int,
        look_up: LookUp | None = None,
    ) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        self._allow_private = allow_private
        threaded = ThreadedResolver()
        resolver = threaded if allow_private else PinnedResolver(look_up or threaded.resolve, threaded.close)
        self._session = aiohttp.ClientSession(
            # No DNS cache: a name is judged in the very look-up that is connected to.
            connector=aiohttp.TCPConnector(
                resolver=resolver, use_dns_cache=False, limit=connections_max, keepalive_timeout=_KEEP_ALIVE_S
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            auto_decompress=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Try:
        """Never raises for what the other side does; a redirect is an answer like any other that is not 2xx."""
        began = self._clock.monotonic()
        status: int | None = None
        try:
            # Again, as stored: aiohttp asks no resolver for an address that is written out.
            check_url(url, allow_private=self._allow_private)
            response = await self._session.request(
                method, yarl.URL(url, encoded=True), headers=dict(headers), data=body, allow_redirects=False
            )
            try:
                status = response.status
                excerpt = (await response.content.read(EXCERPT_BYTES_MAX)).decode("utf-8", "replace")
                if response.content.at_eof():
                    response.release()
            finally:
                # What is not at its end is cut; a connection that was given back stays.
                response.close()
        except (TimeoutError, aiohttp.ClientError, OSError, ssl.SSLError, InvalidInput, ValueError) as error:
            excerpt = self._why(error)
        latency_ms = round((self._clock.monotonic() - began) * 1_000)
        return Try(status, latency_ms, excerpt.replace("\x00", "")[:EXCERPT_BYTES_MAX])

    def _why(self, error: Exception) -> str:
        """In our words: those of the library may repeat the URL, which may hold a token."""
        if isinstance(error, TimeoutError):
            return f"no answer within {self._timeout_s:g} s"
        if isinstance(error, InvalidInput):
            return error.message
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, AddressRefused):
                return str(cause)
            cause = cause.__cause__
        return f"no answer: {type(error).__name__}"
