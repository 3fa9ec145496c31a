"""Names for the identifiers that cross boundaries, so that a type checker keeps them apart."""

from datetime import datetime
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
OwnerId = NewType("OwnerId", UUID)
"""One running dispatcher process; new at each start."""

FIRST_ID: Final = UUID(int=0)
BEYOND_EVERY_ID: Final = UUID(int=2**128 - 1)
_MS_MAX: Final = 2**48 - 1


def first_id_at(at: datetime) -> UUID:
    """The smallest time-ordered id (RFC 9562, version 7) of the millisecond of an aware instant."""
    ms = min(max(int(at.timestamp() * 1000), 0), _MS_MAX)
    return UUID(int=ms << 80 | 0x7 << 76 | 0x8 << 60)
