"""Where the server is and how it is spoken to, for both clients: its address, the key, time limits, proxies."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from ringoff import __version__
from ringoff.client.errors import Misused, Unreachable
from ringoff.client.exchange import ANSWER_BYTES_MAX, COMPATIBLE, Reply, Request, text_or_json

CONNECT_TIMEOUT_S: Final = 5.0
TIMEOUT_S: Final = 30.0
LONG_TIMEOUT_S: Final = 600.0
"""Between two bytes, where the server reads or writes a whole file."""

_LOCAL: Final = ("127.0.0.1", "localhost", "::1")
# The server closes an idle connection after some seconds. A request that crosses that would have an unknown fate.
_KEEPALIVE_EXPIRY_S: Final = 2.0
# What is raised before the first byte of a request has left.
_NEVER_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Address:
    """A server and a key, as they were given and found to be possible."""

    url: str
    """Without the prefix of the compatible routes, which every path has itself."""
    api_key: str
    is_local: bool

    def options(self, timeout_s: float) -> dict[str, Any]:
        """What both kinds of HTTP clients are made with."""
        return {
            "base_url": self.url,
            "headers": {
                "X-API-KEY": self.api_key,
                "Accept": "application/json",
                "User-Agent": f"ringoff-client/{__version__}",
            },
            "timeout": httpx2.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
            "limits": httpx2.Limits(keepalive_expiry=_KEEPALIVE_EXPIRY_S),
            # A kill switch does not go through a proxy that the environment happens to name.
            "trust_env": not self.is_local,
        }

    def unreachable(self, error: httpx2.RequestError) -> Unreachable:
        """What a broken exchange is for the caller, or an answer that cannot be unpacked."""
        reason = str(error) or type(error).__name__
        failed = Unreachable(f"no answer from {self.url}: {reason}", was_sent=not isinstance(error, _NEVER_SENT))
        failed.__cause__ = error
        return failed


def address(url: str, api_key: str) -> Address:
    """Accepts the address of the server, or of its compatible routes; ``Misused`` when it cannot be one."""
    try:
        parts = urlsplit(url)
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL) as error:
        raise Misused(f"the server's URL cannot be read: {error}", field="url") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misused(f"the server's URL must begin with http:// or https://, not {url!r}", field="url")
    if parts.query or parts.fragment:
        raise Misused("the server's URL must end with its path", field="url")
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise Misused("the API key has characters that no key has", field="api_key")
    return Address(url.rstrip("/").removesuffix(COMPATIBLE), api_key, parts.hostname in _LOCAL)


def parameters(request: Request[Any]) -> Mapping[str, Any]:
    """What both kinds of HTTP clients build a request from; the body of an upload is theirs to add."""
    built: dict[str, Any] = {
        "method": request.method,
        "url": request.path,
        "params": request.query_pairs or None,
        "headers": request.headers,
        "content": request.body,
    }
    if request.is_long:
        built["timeout"] = httpx2.Timeout(LONG_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    return built


def is_file(request: Request[Any], response: httpx2.Response) -> bool:
    """Whether the answer goes to the request's sink; one in JSON says something else than the file."""
    return (
        request.sink is not None
        and response.is_success
        and not response.headers.get("content-type", "").startswith("application/json")
    )


def reply_of(response: httpx2.Response, chunks: Iterable[bytes], streamed_bytes: int | None = None) -> Reply:
    """The answer from what was read of it."""
    headers = {name.lower(): text for name, text in response.headers.items()}
    return Reply(response.status_code, headers, text_or_json(b"".join(chunks)), streamed_bytes)


class Kept:
    """The parts of an answer that is kept in memory, up to a limit; ``httpx2.ReadError`` beyond it."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self._bytes = 0

    def add(self, chunk: bytes) -> None:
        self._bytes += len(chunk)
        if self._bytes > ANSWER_BYTES_MAX:
            raise httpx2.ReadError(f"the answer has more than {ANSWER_BYTES_MAX} bytes")
        self.chunks.append(chunk)
