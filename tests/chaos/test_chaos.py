"""The chaos run of continuous integration: 1,000 orders and more against processes that are killed again and again."""

from pathlib import Path

import pytest

from tests.chaos.checker import check
from tests.chaos.demands import demand_of
from tests.chaos.plan import Profile
from tests.chaos.run import run_chaos

# Another seed is another run; a failure prints what it found, and `make chaos SEED=…` plans the same again.
PROFILE = Profile(seed=20_260, seconds=60, answered_min=1_000, carried_out_min=300)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_no_order_is_broken_whatever_is_killed(tmp_path: Path) -> None:
    run_chaos(PROFILE, tmp_path)
    verdict = check(tmp_path, demand_of(PROFILE))
    print("\n".join(verdict.lines()))
    assert {rule: found.count for rule, found in verdict.rules.items() if found.count} == {}
    assert not verdict.troubles
    assert not verdict.shortfalls
