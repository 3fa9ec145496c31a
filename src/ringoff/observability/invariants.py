"""The rules that hold at every commit, checked by tests and by ``ringoff doctor``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ringoff.ports import Store

_SHOWN_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class BrokenInvariant:
    """A rule by its name, and up to ten of the ids that break it."""

    name: str
    broken_ids: Sequence[str]


async def broken_invariants(store: Store) -> Sequence[BrokenInvariant]:
    """Check every rule on one snapshot each; an empty answer is health."""
    broken = []
    async with store.transaction() as tx:
        for name in tx.invariants.names():
            ids = await tx.invariants.broken(name, _SHOWN_MAX)
            broken.append(BrokenInvariant(name, ids))
    return [rule for rule in broken if rule.broken_ids]
