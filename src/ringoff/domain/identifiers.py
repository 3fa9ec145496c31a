"""Names for the identifiers that cross boundaries, so that a type checker keeps them apart."""

from datetime import datetime, timedelta
from typing import Final, NewType
from uuid import UUID

WorkspaceId = NewType("WorkspaceId", UUID)
ApiKeyId = NewType("ApiKeyId", UUID)
AgentId = NewType("AgentId", UUID)
TrunkId = NewType("TrunkId", UUID)
NumberId = NewType("NumberId", UUID)
NumberPoolId = NewType("NumberPoolId", UUID)
CampaignId = NewType("CampaignId", UUID)
CallId = NewType("CallId", UUID)
AttemptId = NewType("AttemptId", UUID)
TerminationId = NewType("TerminationId", UUID)
SessionId = NewType("SessionId", UUID)
ErasureId = NewType("ErasureId", UUID)
OwnerId = NewType("OwnerId", UUID)
"""One running dispatcher process; new at each start."""

FIRST_ID: Final = UUID(int=0)
BEYOND_EVERY_ID: Final = UUID(int=2**128 - 1)
_MS_MAX: Final = 2**48 - 1
_MS: Final = timedelta(milliseconds=1)


def first_id_at(at: datetime) -> UUID:
    """The smallest time-ordered id (RFC 9562, version 7) of the millisecond of an aware instant."""
    ms = min(max(int(at.timestamp() * 1000), 0), _MS_MAX)
    return UUID(int=ms << 80 | 0x7 << 76 | 0x8 << 60)


def id_range(start_at: datetime | None, end_at: datetime | None, below: UUID | None) -> tuple[UUID, UUID]:
    """The first id inside, and the first one beyond, of what was made between two instants and is below an id."""
    lowest = FIRST_ID if start_at is None else first_id_at(start_at)
    # The last millisecond belongs to the range, with all of its ids. Nothing is beyond the year 9999.
    last = None if end_at is None or end_at.year == 9999 else first_id_at(end_at + _MS)
    return lowest, min((bound for bound in (last, below) if bound is not None), default=BEYOND_EVERY_ID)
