"""The part of the seam that keeps what carriers report over HTTP, until the process that owns the attempt takes it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ringoff.domain.carrier import CarrierCallback, TrunkSpec
from ringoff.domain.identifiers import AttemptId, OwnerId, TrunkId, WorkspaceId


class CallbackStore(Protocol):
    """What carriers post to our HTTP server, from whichever process hears it to the one that owns the attempt."""

    async def trunk(self, trunk_id: TrunkId) -> TrunkSpec | None:
        """The trunk that a report names, of whatever workspace: the report is verified with what is in its config."""

    async def add_callback(
        self,
        workspace_id: WorkspaceId,
        trunk_id: TrunkId,
        attempt_id: AttemptId,
        *,
        sequence_number: int | None,
        fields: Mapping[str, str],
        fingerprint: bytes,
    ) -> bool:
        """Keep a verified report for the attempt's owner, and wake it; one that waits already is kept once.

        False when the trunk has no such attempt.
        """

    async def callbacks_of(self, owner_id: OwnerId, count_max: int) -> Sequence[CarrierCallback]:
        """Take up to ``count_max`` reports about attempts of this process, oldest first; they are gone with it."""
