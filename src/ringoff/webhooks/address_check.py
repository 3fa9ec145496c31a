"""Where a webhook may go: each address is judged when it connects, so that DNS cannot change in between."""

import ipaddress
import socket
from collections.abc import Awaitable, Callable

from aiohttp.abc import AbstractResolver, ResolveResult

from ringoff.domain.webhook_url import is_public

LookUp = Callable[[str, int, socket.AddressFamily], Awaitable[list[ResolveResult]]]


class AddressRefused(OSError):
    """A host that resolves to an address where webhooks must not go. An OSError, as a failed look-up is."""


class PinnedResolver(AbstractResolver):
    """A resolver of aiohttp's connector: it connects to exactly the addresses that were judged here, or to none."""

    def __init__(self, look_up: LookUp, close: Callable[[], Awaitable[None]]) -> None:
        self._look_up = look_up
        self._close = close

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """One private address among them refuses all: a name that mixes them is an attack or a mistake."""
        found = await self._look_up(host, port, family)
        for each in found:
            address = ipaddress.ip_address(each["host"].partition("%")[0])
            if not is_public(address):
                raise AddressRefused("the host resolves to a private, loopback or link-local address")
        return found

    async def close(self) -> None:
        await self._close()
