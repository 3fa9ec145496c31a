"""The laws of sharing a trunk: nobody starves, weights are kept, nothing stays idle, coming and going gains nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ringoff.domain.fair_share import WEIGHT_DEFAULT, ChannelUse, FairQueue, Share

BATCH_MAX = 50
WEIGHTS = st.integers(1, 100)
ALLOWANCES = st.lists(st.integers(1, 120), min_size=1, max_size=40)


@dataclass
class Trunk:
    """Rounds as the dispatcher makes them: who contends asks once, in order, until the allowance is used up."""

    due: dict[str, int]
    weights: Mapping[str, int]
    queue: FairQueue[str] = field(default_factory=lambda: FairQueue(BATCH_MAX))
    got: Counter[str] = field(default_factory=Counter)
    claims: list[str] = field(default_factory=list)

    def round(self, allowance: int, use: ChannelUse[str] | None = None) -> int:
        """Returns what is left of the allowance."""
        self.queue.contend({key: self.weights[key] for key, count in self.due.items() if count > 0})
        for key in self.queue.order(use):
            count = min(allowance, self.queue.quantum(key, use), self.due[key])
            if count == 0:
                break
            self.queue.charge(key, count)
            self.due[key] -= count
            self.got[key] += count
            self.claims.append(key)
            allowance -= count
        return allowance

    def tick(self, allowance: int) -> int:
        """Rounds until the allowance is used up or nothing is due."""
        while allowance and any(self.due.values()):
            allowance = self.round(allowance)
        return allowance


def claim_max(weights: Mapping[str, int], key: str) -> float:
    """The largest claim of a campaign, in virtual time."""
    return max(BATCH_MAX / max(weights.values()), 1 / weights[key])


@settings(max_examples=200, deadline=None)
@given(st.lists(WEIGHTS, min_size=2, max_size=8), ALLOWANCES)
def test_while_all_have_calls_due_each_gets_by_its_weight(weights: list[int], allowances: list[int]) -> None:
    by_name = {f"c{n}": weight for n, weight in enumerate(weights)}
    trunk = Trunk(dict.fromkeys(by_name, 10**9), by_name)
    for allowance in allowances:
        trunk.round(allowance)
    # Goyal's bound, for any two: apart by one claim of each, in virtual time; and by what a round began.
    for (one, weight), (other, other_weight) in combinations(by_name.items(), 2):
        apart = abs(trunk.got[one] / weight - trunk.got[other] / other_weight)
        assert apart <= 2 * (claim_max(by_name, one) + claim_max(by_name, other))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(WEIGHTS, st.integers(0, 400)), min_size=1, max_size=8),
    st.lists(st.integers(1, 120), max_size=40),
)
def test_no_place_is_left_unused_while_anything_is_due(campaigns: list[tuple[int, int]], allowances: list[int]) -> None:
    due = {f"c{n}": count for n, (_, count) in enumerate(campaigns)}
    trunk = Trunk(due, {f"c{n}": weight for n, (weight, _) in enumerate(campaigns)})
    total = sum(trunk.due.values())
    for allowance in allowances:
        left = trunk.tick(allowance)
        assert left == 0 or not any(trunk.due.values())
    assert sum(trunk.got.values()) == min(total, sum(allowances)), "each call once"


@settings(max_examples=200, deadline=None)
@given(st.lists(WEIGHTS, min_size=1, max_size=30), ALLOWANCES, WEIGHTS)
@example(weights=[51, 51], before=[46], weight=1)
def test_a_newcomer_is_served_within_a_turn_of_each_other(weights: list[int], before: list[int], weight: int) -> None:
    by_name = {f"c{n}": w for n, w in enumerate(weights)} | {"new": weight}
    trunk = Trunk(dict.fromkeys(by_name, 10**9) | {"new": 0}, by_name)
    for allowance in before:
        trunk.round(allowance)
    trunk.claims.clear()
    trunk.due["new"] = 10
    # A claim of one call each: those that lie behind the virtual time, by what one claim may put them behind.
    behind = sum(1 + by_name[f"c{n}"] * 2 * (BATCH_MAX / max(weights) + 1) for n in range(len(weights)))
    while "new" not in trunk.claims and len(trunk.claims) <= behind:
        trunk.round(1)
    assert "new" in trunk.claims


@pytest.mark.parametrize("backlog", [100, 10_000, 10_000_000])
def test_the_wait_does_not_grow_with_the_backlog_of_the_others(backlog: int) -> None:
    trunk = Trunk({"big": backlog, "small": 0}, {"big": WEIGHT_DEFAULT, "small": WEIGHT_DEFAULT})
    for _ in range(7):
        trunk.round(5)
    trunk.claims.clear()
    trunk.due["small"] = 10
    while trunk.due["small"]:
        trunk.round(5)
    assert len(trunk.claims) <= 6


def test_one_to_three_is_one_to_three_at_any_allowance() -> None:
    for allowance in (1, 3, 30, 50, 1_000):
        trunk = Trunk({"one": 10**9, "three": 10**9}, {"one": 10, "three": 30})
        while sum(trunk.got.values()) < 20_000:
            trunk.tick(allowance)
        assert trunk.got["three"] / trunk.got["one"] == pytest.approx(3, rel=0.05)


def test_a_stream_of_newcomers_does_not_starve_who_was_there() -> None:
    weights = {"old": WEIGHT_DEFAULT} | {f"new{n}": WEIGHT_DEFAULT for n in range(2_000)}
    trunk = Trunk({"old": 10**9}, weights)
    for n in range(2_000):
        trunk.due[f"new{n}"] = 1
        trunk.round(1)
        trunk.due = {key: count for key, count in trunk.due.items() if count}
    # One new campaign for each place: beside n others it gets one place in n, so the n-th after about n * n / 2.
    assert trunk.got["old"] >= 50


def test_coming_and_going_gains_nothing() -> None:
    trunk = Trunk({"stays": 10**9, "flickers": 0}, {"stays": 10, "flickers": 10})
    for n in range(400):
        trunk.due["flickers"] = 10 if n % 2 else 0
        trunk.round(10)
    assert trunk.got["flickers"] <= trunk.got["stays"]


def test_who_was_away_saves_nothing_for_later() -> None:
    trunk = Trunk({"stays": 10**9, "away": 0}, {"stays": 10, "away": 10})
    for _ in range(1_000):
        trunk.round(10)
    trunk.due["away"] = 10**9
    trunk.got.clear()
    for _ in range(100):
        trunk.round(10)
    assert abs(trunk.got["away"] - trunk.got["stays"]) <= 2 * BATCH_MAX


def talk(trunk: Trunk, channels_max: int, lengths: Mapping[str, int], ticks: int) -> Mapping[str, float]:
    """Average channels used, when each call takes ``lengths`` ticks of a trunk whose pace is no limit."""
    ends: list[tuple[int, str]] = []
    used: Counter[str] = Counter()
    for now in range(ticks):
        ends = [(at, key) for at, key in ends if at > now]
        while free := channels_max - len(ends):
            before = trunk.got.copy()
            trunk.round(free, ChannelUse(channels_max, Counter(key for _, key in ends)))
            new = trunk.got - before
            ends += [(now + lengths[key], key) for key in new.elements()]
            if not new:
                break
        if now >= ticks // 2:
            used.update(key for _, key in ends)
    return {key: used[key] / (ticks - ticks // 2) for key in trunk.weights}


def test_long_talks_leave_short_ones_their_channels() -> None:
    trunk = Trunk({"long": 10**6, "short": 10**6}, {"long": 10, "short": 10})
    used = talk(trunk, 20, {"long": 100, "short": 2}, 1_000)
    assert used["short"] == pytest.approx(10, abs=1)
    assert used["long"] == pytest.approx(10, abs=1)


def test_channels_follow_weights_and_what_one_leaves_goes_to_the_others() -> None:
    trunk = Trunk({"one": 10**6, "three": 10**6}, {"one": 10, "three": 30})
    used = talk(trunk, 40, {"one": 7, "three": 13}, 600)
    assert used["one"] == pytest.approx(10, abs=1.5)
    assert used["three"] == pytest.approx(30, abs=1.5)
    alone = talk(Trunk({"one": 10**6, "three": 0}, {"one": 10, "three": 30}), 40, {"one": 7, "three": 13}, 100)
    assert alone["one"] == 40


def test_more_campaigns_than_channels_take_turns() -> None:
    weights = {f"c{n}": WEIGHT_DEFAULT for n in range(50)}
    trunk = Trunk(dict.fromkeys(weights, 10**6), weights)
    talk(trunk, 4, dict.fromkeys(weights, 5), 1_000)
    assert max(trunk.got.values()) - min(trunk.got[key] for key in weights) <= 2


def test_the_lightest_is_not_starved_of_channels() -> None:
    trunk = Trunk({"heavy": 10**6, "light": 10**6}, {"heavy": 100, "light": 1})
    talk(trunk, 10, {"heavy": 3, "light": 3}, 2_000)
    assert trunk.got["light"] >= sum(trunk.got.values()) / 101 / 2


@pytest.mark.parametrize(
    ("percentage", "channels", "most"), [(100, 7, 7), (50, 7, 3), (1, 50, 1), (1, 1_000, 10), (99, 1, 1), (30, 0, 0)]
)
def test_a_share_of_the_channels_is_rounded_down_and_one_at_least(percentage: int, channels: int, most: int) -> None:
    assert Share(concurrency_percentage=percentage).channels_max(channels) == most


def test_a_claim_is_by_weight_and_one_at_least() -> None:
    queue: FairQueue[str] = FairQueue(BATCH_MAX)
    queue.contend({"heavy": 100, "half": 50, "light": 1})
    names: Sequence[str] = ("heavy", "half", "light")
    assert [queue.quantum(name) for name in names] == [50, 25, 1]
    use = ChannelUse(15, {"heavy": 4, "half": 1})
    assert [queue.quantum(name, use) for name in names] == [5, 3, 1]
    queue.contend({"light": 1})
    assert queue.quantum("light", use) == BATCH_MAX
