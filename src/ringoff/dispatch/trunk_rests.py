"""Which trunks take no call before an instant that is known, so that nobody asks the database about them until then.

Only a memory of what the database has said: whoever asks again later than needed loses time, never exactness.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ringoff.domain.identifiers import TrunkId
from ringoff.ports import Clock


@dataclass(frozen=True, slots=True)
class _Rest:
    until: float
    """Monotonic."""
    awaits_channel: bool


class TrunkRests:
    """Of one dispatcher."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rests: dict[TrunkId, _Rest] = {}

    def rest(self, trunk_id: TrunkId, seconds: float, *, awaits_channel: bool) -> None:
        """``awaits_channel``: a call that ends on this trunk ends the rest, too."""
        self._rests[trunk_id] = _Rest(self._clock.monotonic() + seconds, awaits_channel)

    def channels_freed(self, trunk_ids: Collection[TrunkId]) -> bool:
        """Whether a trunk that waited for this may be asked again."""
        awaited = [t for t in trunk_ids if (rest := self._rests.get(t)) is not None and rest.awaits_channel]
        for trunk_id in awaited:
            del self._rests[trunk_id]
        return bool(awaited)

    def forget(self) -> None:
        """Ask about every trunk again."""
        self._rests.clear()

    def resting(self) -> Sequence[TrunkId]:
        """Now; what has rested long enough is forgotten."""
        now = self._clock.monotonic()
        self._rests = {trunk_id: rest for trunk_id, rest in self._rests.items() if rest.until > now}
        return list(self._rests)

    def wait_s(self, at_most_s: float) -> float:
        """Seconds until the first rest is over."""
        now = self._clock.monotonic()
        return min([at_most_s, *(max(0.0, rest.until - now) for rest in self._rests.values())])
