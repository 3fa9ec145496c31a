"""Names for the identifiers that cross boundaries, so that a type checker keeps them apart."""

from typing import NewType
from uuid import UUID

WorkspaceId = NewType("WorkspaceId", UUID)
ApiKeyId = NewType("ApiKeyId", UUID)
AgentId = NewType("AgentId", UUID)
TrunkId = NewType("TrunkId", UUID)
NumberId = NewType("NumberId", UUID)
CampaignId = NewType("CampaignId", UUID)
CallId = NewType("CallId", UUID)
AttemptId = NewType("AttemptId", UUID)
TerminationId = NewType("TerminationId", UUID)
OwnerId = NewType("OwnerId", UUID)
"""One running dispatcher process; new at each start."""
