"""Clients of Ringoff's API, and of the API that it is compatible with: ``RingoffClient`` and ``AsyncRingoffClient``."""

from ringoff.client.blocking import RingoffClient
from ringoff.client.errors import (
    BadRequest,
    ClientError,
    Conflict,
    Forbidden,
    Misused,
    NotFound,
    NothingTerminable,
    NotOffered,
    PaymentRequired,
    RateLimited,
    Refused,
    ServerFailed,
    Unauthorized,
    Unreachable,
    Unreadable,
)
from ringoff.client.event_loop import AsyncRingoffClient
from ringoff.client.exchange import Repeat, Retries

__all__ = [
    "AsyncRingoffClient",
    "BadRequest",
    "ClientError",
    "Conflict",
    "Forbidden",
    "Misused",
    "NotFound",
    "NotOffered",
    "NothingTerminable",
    "PaymentRequired",
    "RateLimited",
    "Refused",
    "Repeat",
    "Retries",
    "RingoffClient",
    "ServerFailed",
    "Unauthorized",
    "Unreachable",
    "Unreadable",
]
