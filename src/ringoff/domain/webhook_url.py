"""Which URLs may be stored for webhooks, and which addresses everybody on the Internet may be sent to."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from ringoff.domain.errors import InvalidInput

URL_CHARACTERS_MAX: Final = 2_048
HIDDEN: Final = "***"
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_NUMBER: Final = re.compile(r"0[xX]0*[0-9a-fA-F]{1,8}|00*[0-7]{0,11}|[1-9][0-9]{0,9}")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_url(url: str, *, allow_private: bool, field: str = "callback_url") -> str:
    """The URL, if it may be stored: http or https, a host, no credentials, no address that is known to be private.

    Raises ``InvalidInput`` with the field; the text is not repeated, it may hold a token.
    """
    if not url or len(url) > URL_CHARACTERS_MAX:
        raise InvalidInput(f"{field} must have 1 to {URL_CHARACTERS_MAX} characters", field=field)
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise InvalidInput(f"{field} must be ASCII without spaces or control characters", field=field)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput(f"{field} is no URL", field=field) from error
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise InvalidInput(f"{field} must be an http or https URL with a host", field=field)
    if "@" in parts.netloc:
        raise InvalidInput(f"{field} must not hold credentials; put them in headers", field=field)
    address = _literal(host)
    if not allow_private and (host.rstrip(".") == "localhost" or (address is not None and not is_public(address))):
        raise InvalidInput(f"{field} names a private, loopback or link-local address", field=field)
    return url


def without_secrets(url: str) -> str:
    """The URL for eyes: whatever may be a password or a token in it is there, and not to be read."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    user, at, host = parts.netloc.rpartition("@")
    pairs = [piece.partition("=") for piece in parts.query.split("&")] if parts.query else []
    query = "&".join(f"{name}={HIDDEN}" if equals else HIDDEN for name, equals, _value in pairs)
    netloc = f"{HIDDEN}@{host}" if at and user else host
    return parts._replace(netloc=netloc, query=query, fragment=HIDDEN if parts.fragment else "").geturl()


def is_public(address: Address) -> bool:
    """Whether everybody on the Internet means the same host by it, also when it is wrapped in an IPv6 address."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(address.packed[-4:])
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _literal(host: str) -> Address | None:
    """An address that is written out, in any spelling that a resolver would take (127.1, 0x7f000001)."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    parts = host.rstrip(".").split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    numbers = [int(part, 16 if part[:2].lower() == "0x" else 8 if part.startswith("0") else 10) for part in parts]
    if any(number > 255 for number in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(parts)):
        return None
    high = sum(number << (24 - 8 * place) for place, number in enumerate(numbers[:-1]))
    return ipaddress.IPv4Address(high + numbers[-1])
