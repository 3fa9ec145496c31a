"""How the campaigns of one trunk share its pace and its channels: by weight, and never more than they have due.

Start-time fair queueing (Goyal, Vin and Cheng, 1997) with the virtual time of WF2Q+ (Bennett and Zhang, 1996) and
quanta by weight. Each campaign has a tag, which its claims move on by calls / weight; the lowest tag is served first. A
campaign that has nothing due uses nothing and saves nothing: when it comes back it starts at the virtual time, which is
where the others are. So its wait depends on how many others there are, never on how much they have due.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

WEIGHT_MIN: Final = 1
WEIGHT_MAX: Final = 100
WEIGHT_DEFAULT: Final = 10
"""Not 1, so that a campaign can also be made to matter less than all the others."""
PERCENTAGE_MAX: Final = 100.0


@dataclass(frozen=True, slots=True)
class Share:
    """What a campaign gets of its trunk beside the others."""

    weight: int = WEIGHT_DEFAULT
    """From 1 to 100: twice the weight is twice the calls while both have calls due."""
    concurrency_percentage: float = PERCENTAGE_MAX
    """Above 0 and at most 100: how many of the trunk's channels the campaign may ever use at a time."""

    def channels_max(self, trunk_channels_max: int) -> int:
        """Rounded down, and one at least: a campaign that may be dialled can be dialled."""
        if self.concurrency_percentage >= PERCENTAGE_MAX:
            return trunk_channels_max
        whole = math.floor(trunk_channels_max * self.concurrency_percentage / PERCENTAGE_MAX + 1e-9)
        return min(trunk_channels_max, max(1, whole))


DEFAULT_SHARE: Final = Share()


@dataclass(frozen=True, slots=True)
class ChannelUse(Generic[K]):
    """A trunk that has fewer free channels than its pace would fill, as it was last seen."""

    channels_max: int
    live: Mapping[K, int]
    """Live attempts by campaign."""

    def with_more(self, key: K, count: int) -> "ChannelUse[K]":
        return ChannelUse(self.channels_max, {**self.live, key: self.live.get(key, 0) + count})


class FairQueue(Generic[K]):
    """The campaigns of one trunk in the order in which they may claim. It decides; who asks it keeps the time.

    ``contend`` says who has calls due, ``order`` who goes first, ``quantum`` how much one claim may take, ``charge``
    what it took.
    """

    def __init__(self, batch_max: int) -> None:
        self._batch_max = batch_max
        self._virtual = 0.0
        self._tags: dict[K, float] = {}
        self._turns: dict[K, int] = {}
        self._weights: dict[K, int] = {}
        self._weight_sum = 0
        self._contended_sum = 0
        self._heaviest = WEIGHT_MIN
        self._turn = 0
        self._served = 0

    def contend(self, weights: Mapping[K, int]) -> None:
        """Exactly these have calls due, with these weights.

        A tag ahead of the virtual time is remembered while its campaign is away, so that coming and going gains
        nothing. Nobody gets further than ``_slack`` from the virtual time: what a number pool, a limit or a want of
        channels kept from a campaign is not made up for by starving the others later.
        """
        if self._served:
            # As if all who contended had been served at once, each by its weight.
            self._virtual += self._served / self._contended_sum
            self._served = 0
        staying = self._weights.keys() & weights.keys()
        if staying:
            self._virtual = max(self._virtual, min(self._tags[key] for key in staying))
        self._weights = dict(weights)
        self._weight_sum = self._contended_sum = sum(weights.values())
        self._heaviest = max(weights.values(), default=WEIGHT_MIN)
        slack = self._slack()
        tags = {key: tag for key, tag in self._tags.items() if key not in weights and tag > self._virtual}
        for key in weights:
            least = self._virtual - slack if key in staying else self._virtual
            tags[key] = min(max(self._tags.get(key, self._virtual), least), self._virtual + slack)
        self._tags = tags
        self._turns = {key: self._turns.get(key, 0) for key in tags}

    def order(self, use: ChannelUse[K] | None = None) -> Sequence[K]:
        """Everybody who contends: the lowest tag first, then who waited longest.

        Where channels are scarce, those that have fewer whole channels than their share come before the others: talks
        of an hour must not keep a campaign of short ones from its part of the trunk.
        """
        if use is None:
            return sorted(self._weights, key=lambda key: (self._tags[key], self._turns[key]))
        return sorted(
            self._weights, key=lambda key: (self._whole_left(key, use) < 1, self._tags[key], self._turns[key])
        )

    def quantum(self, key: K, use: ChannelUse[K] | None = None) -> int:
        """How many calls one claim of this campaign may take: ``batch_max`` for the heaviest, one at least."""
        most = max(1, self._batch_max * self._weights[key] // self._heaviest)
        if use is None or len(self._weights) == 1:
            return most
        return min(most, max(1, self._whole_left(key, use)))

    def withdraw(self, key: K) -> None:
        """The campaign can use nothing more until the next ``contend``: what it leaves is the others'."""
        self._weight_sum -= self._weights.pop(key, 0)

    def charge(self, key: K, count: int) -> None:
        """The campaign has claimed ``count`` calls."""
        self._tags[key] += count / self._weights[key]  # Before ``withdraw``.
        self._served += count
        self._turn += 1
        self._turns[key] = self._turn

    def _slack(self) -> float:
        """Two claims, in virtual time: where only weights decide, nobody gets that far from the others."""
        return 2 * (self._batch_max / self._heaviest + 1)

    def _whole_left(self, key: K, use: ChannelUse[K]) -> int:
        """How many more channels the campaign is due: the trunk's by weight among those that contend, rounded down."""
        entitled = use.channels_max * self._weights[key] / self._weight_sum
        return math.floor(entitled + 1e-9) - use.live.get(key, 0)
