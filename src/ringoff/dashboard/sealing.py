"""Numbers in addresses and hidden fields: readable by the server alone, because the page around them masks them."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from typing import Final

_TAG_BYTES: Final = 16
_SEALED_LENGTH_MAX: Final = 64


class NumberSeal:
    """Of one session: another one's addresses say nothing here.

    A number's tag is its MAC, and the tag keys what hides it (a synthetic initialisation vector): the same number is
    sealed the same way, two numbers share nothing, and nobody can make up a third.
    """

    def __init__(self, token: str) -> None:
        self._key = hashlib.sha256(f"numbers:{token}".encode()).digest()

    def seal(self, number: str) -> str:
        """As it may stand in an address. ``number`` is E.164: at most 16 characters."""
        plain = number.encode()
        tag = self._mac(b"tag", plain)
        return urlsafe_b64encode(tag + self._hidden(tag, plain)).decode().rstrip("=")

    def opened(self, sealed: str) -> str | None:
        """The number; None for what this session has not sealed."""
        if len(sealed) > _SEALED_LENGTH_MAX or not sealed.isascii():
            return None
        try:
            raw = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        except (Error, ValueError):
            return None
        tag, hidden = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        plain = self._hidden(tag, hidden)
        return plain.decode() if hmac.compare_digest(tag, self._mac(b"tag", plain)) else None

    def _hidden(self, tag: bytes, plain: bytes) -> bytes:
        stream = hmac.digest(self._key, b"stream" + tag, "sha256")
        return bytes(one ^ other for one, other in zip(plain, stream, strict=False))

    def _mac(self, label: bytes, plain: bytes) -> bytes:
        return hmac.digest(self._key, label + plain, "sha256")[:_TAG_BYTES]
