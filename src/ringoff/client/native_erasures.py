"""Erasing persons' data: what is asked and what is answered."""

import msgspec

from ringoff.client.exchange import NATIVE, Page, Repeat, Request, body_as, cursored, given, segment
from ringoff.client.methods import C, Group, Method, Walk

_ERASURES = f"{NATIVE}/erasures"


class ErasedCounts(msgspec.Struct, kw_only=True, frozen=True):
    """Rows in which something was replaced; exact once the erasure is done."""

    calls: int = 0
    attempts: int = 0
    contacts: int = 0
    events: int = 0
    words: int = 0


class Erasure(msgspec.Struct, kw_only=True):
    """One erasure, and how far it is. Of its numbers only masked ones are told."""

    erasure_id: str
    state: str
    """``ordered``, ``waiting``, ``erasing`` or ``done``."""
    percent: int = 0
    suppress: bool = True
    suppressed_count: int = 0
    masked_numbers: list[str] = []
    reason: str | None = None
    termination_id: str | None = None
    api_key_id: str | None = None
    read_count: int = 0
    counts: ErasedCounts = ErasedCounts()
    created_at: str | None = None
    begun_at: str | None = None
    ended_at: str | None = None


Erasures = list[Erasure]


class ErasureMethods(Group[C]):
    """``client.native.erasures``: every trace of a person, by number. What is erased cannot be brought back."""

    @Method
    def order(
        self, mobile_numbers: list[str], *, suppress: bool | None = None, reason: str | None = None
    ) -> Request[Erasure]:
        """End what waits for these numbers, ring them never again, erase the rest. Twice is the same as once."""
        body = given(mobile_numbers=mobile_numbers, suppress=suppress, reason=reason)
        return Request("POST", _ERASURES, body_as(Erasure), json=body, repeat=Repeat.FREELY)

    @Walk
    def list(self, *, page_size: int = 100) -> Request[Page[Erasure]]:
        """All erasures, newest first."""
        return cursored(_ERASURES, {"limit": page_size}, "erasures", Erasures)

    @Method
    def get(self, erasure_id: str) -> Request[Erasure]:
        """One erasure, and how far it is."""
        return Request("GET", f"{_ERASURES}/{segment(erasure_id)}", body_as(Erasure), repeat=Repeat.FREELY)
