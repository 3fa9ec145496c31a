"""What proves that a report comes from Twilio: a keyed hash over the public address and the sorted form fields.

Source: https://www.twilio.com/docs/usage/security#validating-requests.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit


def signature(auth_token: str, url: str, fields: Iterable[tuple[str, str]]) -> str:
    """HMAC-SHA1 in base64 over the address, then each name and value, sorted; a pair that comes twice counts once."""
    text = url + "".join(name + value for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def is_signed(auth_token: str, url: str, fields: Iterable[tuple[str, str]], given: str) -> bool:
    """Whether ``given``, the ``X-Twilio-Signature`` of a request, fits the public address with or without its port.

    Twilio's own validators accept both: some of its senders write the default port, some leave out any.
    """
    pairs, shown = list(fields), given.encode("utf-8", "replace")
    fits = [hmac.compare_digest(signature(auth_token, at, pairs).encode(), shown) for at in _addresses(url)]
    return any(fits)


def _addresses(url: str) -> list[str]:
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return [urlunsplit(parts._replace(netloc=netloc)) for netloc in (host, f"{host}:{port}")]
