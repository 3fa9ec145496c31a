"""The same seed plans the same run, and a short run has every kind of crash in it."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import pytest

from tests.chaos import plan
from tests.chaos.plan import CRASHES, ORDER_LEVELS, Profile

ROLES: dict[str, Callable[[Profile], Iterator[Any]]] = {
    "orders": partial(plan.orders, thread=2),
    "uploads": plan.uploads,
    "calls": plan.calls,
    "heavy orders": plan.heavy_orders,
    "crashes": plan.crashes,
}


@pytest.mark.parametrize("role", ROLES)
def test_a_seed_is_a_plan(role: str) -> None:
    first, again, other = (list(islice(ROLES[role](Profile(seed=seed, seconds=60)), 50)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_the_first_crashes_are_one_of_each_kind() -> None:
    first = islice(plan.crashes(Profile(seed=3, seconds=60)), len(CRASHES))
    assert {draw.what for draw in first} == set(CRASHES)


def test_every_kind_of_order_is_given() -> None:
    drawn = {draw.level for draw in islice(plan.orders(Profile(seed=3, seconds=60), 0), 1_000)}
    assert drawn == set(ORDER_LEVELS)


def test_a_calm_profile_kills_nothing() -> None:
    assert not list(plan.crashes(Profile(seed=3, seconds=60, crash_pause_s=None)))
