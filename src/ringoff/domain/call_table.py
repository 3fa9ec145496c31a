"""A table of one campaign's calls, newest first, that is turned over in both directions at the cost of a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ringoff.domain.identifiers import CallId, CampaignId
from ringoff.domain.records import CallRow


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTableFilter:
    """What a page shows; ``None`` is no restriction. Instants are aware UTC, both inside, of the registration.

    At most one of ``below`` and ``above`` is given.
    """

    campaign_id: CampaignId
    status: str | None = None
    """Effective."""
    sub_status: str | None = None
    called_number: str | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    below: CallId | None = None
    """Only older calls than this one."""
    above: CallId | None = None
    """Only newer calls than this one, the oldest of them."""
    limit: int = 50

    @property
    def is_scanned(self) -> bool:
        """No index has its rows: calls are looked at one by one, so many for each page."""
        return self.sub_status is not None or self.called_number is not None

    def shows(self, call: CallRow) -> bool:
        """Whether the call belongs into the table, by its effective status."""
        return (
            self.status in (None, call.status)
            and self.sub_status in (None, call.sub_status)
            and self.called_number in (None, call.called_number)
        )


@dataclass(frozen=True, slots=True)
class FoundCalls:
    """Ids in the direction of the walk, and where it has stopped short of the end; None when it came to the end."""

    call_ids: Sequence[CallId]
    stopped_at: CallId | None


@dataclass(frozen=True, slots=True)
class CallTablePage:
    """A page may have few rows, or none, and go on: so many calls were looked at that it was time for an answer."""

    calls: Sequence[CallRow]
    """Newest first."""
    newer: CallId | None
    """For ``above`` of the page before; None when there is none."""
    older: CallId | None
    """For ``below`` of the next page; None when there is none."""
