"""What a run will try, drawn from its seed alone: the same seed plans the same run, whatever the timing makes of it.

A draw says how to choose ("one of the newest campaigns, 12 of its numbers"), not what: which campaigns there are by
then depends on timing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

ORDER_LEVELS: Mapping[str, float] = {
    "calls": 25,
    "campaign": 6,
    "campaign numbers": 30,
    "numbers": 25,
    "agent": 2,
    "agent and campaign": 1.5,
    "campaign and calls": 7,
    "agent and numbers": 6,
    "all four": 6,
}
"""How often, relatively. Each order for a campaign or an agent takes a target from all others, so they are few."""
CRASHES: Mapping[str, int] = {
    "server killed": 4,
    "dispatcher killed": 4,
    "database killed": 2,
    "dispatcher stopped for longer than its lease": 2,
    "server and database killed": 1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How a run is made. Pauses are means, in seconds."""

    seed: int
    seconds: float
    answered_min: int = 0
    carried_out_min: int = 0
    """The run goes on until so many orders were answered and carried out, at most for four times ``seconds``."""
    cps_max: float = 350.0
    """Always used up: so many that two cores are busy, so few that orders find something left to end."""
    dispatchers: int = 2
    agents: int = 10
    order_threads: int = 4
    order_pause_s: float = 0.06
    order_levels: Mapping[str, float] = field(default_factory=lambda: ORDER_LEVELS)
    campaigns_spared: int = 3
    """So many campaigns are left to narrow orders: the wide ones end them faster than they can be uploaded."""
    upload_pause_s: float = 0.4
    upload_numbers_max: int = 1_000
    call_pause_s: float = 0.12
    has_heavy_numbers: bool = True
    crash_pause_s: float | None = 3.5
    """None kills nothing."""
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderDraw:
    """One order. ``recency`` chooses among what there is: 0 is the newest."""

    level: str
    recency: float
    count: int
    choice_seed: int
    is_sent_again: bool
    """If nobody knows what became of it."""
    pause_s: float


@dataclass(frozen=True, slots=True)
class UploadDraw:
    agent: float
    first_number: int
    count: int
    retry_count: int
    is_large: bool
    """Uploaded as a list that is verified after the answer."""
    is_started: bool
    is_looked_up: bool
    """Whether its call ids are read afterwards, so that orders can name them."""
    pause_s: float


@dataclass(frozen=True, slots=True)
class CallDraw:
    agent: float
    number: int
    retry_count: int
    pause_s: float


@dataclass(frozen=True, slots=True)
class HeavyDraw:
    """One order for numbers that have very many calls."""

    narrowed_by: str
    agent: float
    pause_s: float


@dataclass(frozen=True, slots=True)
class CrashDraw:
    what: str
    dispatcher: float
    pause_s: float


NUMBER_SPACE = 10_000
"""So few that most numbers are in several campaigns at a time."""


def orders(profile: Profile, thread: int) -> Iterator[OrderDraw]:
    dice = _dice(profile, "orders", thread)
    levels, weights = list(profile.order_levels), list(profile.order_levels.values())
    while True:
        yield OrderDraw(
            level=dice.choices(levels, weights)[0],
            recency=dice.random() ** 2,
            count=min(100, 1 + int(dice.expovariate(1 / 12))),
            choice_seed=dice.getrandbits(32),
            is_sent_again=dice.random() < 0.5,
            pause_s=_pause(dice, profile.order_pause_s),
        )


def uploads(profile: Profile) -> Iterator[UploadDraw]:
    dice = _dice(profile, "uploads")
    while True:
        yield UploadDraw(
            agent=dice.random(),
            first_number=dice.randrange(NUMBER_SPACE),
            count=dice.randint(20, profile.upload_numbers_max),
            retry_count=dice.randint(0, 3),
            is_large=dice.random() < 0.25,
            is_started=dice.random() < 0.95,
            is_looked_up=dice.random() < 0.6,
            pause_s=_pause(dice, profile.upload_pause_s),
        )


def calls(profile: Profile) -> Iterator[CallDraw]:
    dice = _dice(profile, "calls")
    while True:
        yield CallDraw(
            dice.random(), dice.randrange(NUMBER_SPACE), dice.randint(0, 3), _pause(dice, profile.call_pause_s)
        )


def heavy_orders(profile: Profile) -> Iterator[HeavyDraw]:
    """The rare one that nothing narrows ends the pile that makes the numbers heavy; it is then piled up again."""
    dice = _dice(profile, "heavy orders")
    kinds = ("campaign", "campaign", "agent and campaign", "agent", "agent", "nothing")
    while True:
        for narrowed_by in dice.sample(kinds, len(kinds)):
            yield HeavyDraw(narrowed_by, dice.random(), 0.1 + dice.random())


def crashes(profile: Profile) -> Iterator[CrashDraw]:
    """Every kind once before the dice decide, so that a short run has all of them."""
    if profile.crash_pause_s is None:
        return
    dice = _dice(profile, "crashes")
    kinds, weights = list(CRASHES), list(CRASHES.values())
    first = dice.sample(kinds, len(kinds))
    while True:
        what = first.pop() if first else dice.choices(kinds, weights)[0]
        yield CrashDraw(what, dice.random(), profile.crash_pause_s * (0.4 + 1.2 * dice.random()))


def numbers(first: int, count: int) -> list[str]:
    """Possible Indian numbers, all ending in 0: the simulated carrier's mix decides what becomes of them."""
    return [f"+91{9_000_000_000 + 10 * ((first + offset) % NUMBER_SPACE)}" for offset in range(count)]


HEAVY_NUMBERS = [f"+91{9_500_000_000 + 10 * offset}" for offset in range(100)]


def _dice(profile: Profile, role: str, thread: int = 0) -> Random:
    return Random(f"{profile.seed}/{role}/{thread}")


def _pause(dice: Random, mean_s: float) -> float:
    return min(dice.expovariate(1 / mean_s), 8 * mean_s)
