"""Signatures of outgoing webhooks by the Standard Webhooks specification 1.0 (standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from ringoff.domain.errors import InvalidInput

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
KEY_BYTES_MIN = 24
KEY_BYTES_MAX = 64


def secret_of(key: bytes) -> str:
    """The text of a key as the subscriber stores it: ``whsec_`` and base64."""
    return SECRET_PREFIX + base64.b64encode(key).decode("ascii")


def key_of(secret: str) -> bytes:
    """The key in a secret's text; ``InvalidInput`` without repeating it: it is a secret."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("signing_secret must be whsec_ and base64", field="signing_secret") from error
    if not secret.startswith(SECRET_PREFIX) or not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        raise InvalidInput(
            f"signing_secret must be whsec_ and the base64 of {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes",
            field="signing_secret",
        )
    return key


def signed_headers(key: bytes, event_id: str, sent_at_s: int, body: bytes) -> Mapping[str, str]:
    """The three headers of one try. The id stays the same; the time (Unix seconds) is this try's."""
    content = b".".join((event_id.encode("ascii"), str(sent_at_s).encode("ascii"), body))
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode("ascii")
    return {"webhook-id": event_id, "webhook-timestamp": str(sent_at_s), "webhook-signature": f"v1,{signature}"}
