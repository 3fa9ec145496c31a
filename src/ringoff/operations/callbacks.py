"""Keep what a carrier posted about one attempt, for the process that dialled it."""

import hashlib
from collections.abc import Mapping

from ringoff.domain.carrier import TrunkSpec
from ringoff.domain.errors import NotFound
from ringoff.domain.identifiers import AttemptId, TrunkId
from ringoff.ports import Store

_SEQUENCE_MAX = 2**31 - 1


async def callback_trunk(store: Store, trunk_id: TrunkId, driver: str) -> TrunkSpec:
    """The trunk that a report names, with what verifies it. ``NotFound`` unless it is one of that driver."""
    async with store.transaction() as tx:
        trunk = await tx.callbacks.trunk(trunk_id)
    if trunk is None or trunk.driver != driver:
        raise NotFound("Not found")
    return trunk


async def keep_callback(
    store: Store, trunk: TrunkSpec, attempt_id: AttemptId, fields: Mapping[str, str], sequence_number: str
) -> None:
    """Only what was verified. The same report twice is kept once; ``NotFound`` when it is no attempt of the trunk."""
    lines = (f"{len(name)}:{name}{len(value)}:{value}" for name, value in sorted(fields.items()))
    fingerprint = hashlib.sha256("".join(lines).encode()).digest()
    async with store.transaction() as tx:
        is_known = await tx.callbacks.add_callback(
            trunk.workspace_id,
            trunk.trunk_id,
            attempt_id,
            sequence_number=_number(sequence_number),
            fields=fields,
            fingerprint=fingerprint,
        )
    if not is_known:
        raise NotFound("Not found")


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    return min(int(text), _SEQUENCE_MAX)
