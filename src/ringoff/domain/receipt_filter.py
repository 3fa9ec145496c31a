"""Which receipts are looked for: newest first, a page of those that match all that is given."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ringoff.domain.identifiers import TerminationId

TEXT_LENGTH_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptFilter:
    """``None`` means no restriction; instants are aware UTC, both inside, to the millisecond of the order's id."""

    text: str | None = None
    """The beginning of the receipt's own id, or of a campaign's or an agent's; a whole number or call id that it names;
    or a part of the reason, of the key's name, or of the campaign's or agent's name, in either case of letters."""
    state: str | None = None
    level: str | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    before: TerminationId | None = None
    """Only receipts that are older than this one."""
    limit: int = 50
