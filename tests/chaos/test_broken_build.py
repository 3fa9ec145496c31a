"""A build whose gate takes no lock is caught by the checker; the same build with its lock is not."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chaos.builds import NO_LOCK, PROGRAM, SLOW_SEND, Patch, build
from tests.chaos.checker import Verdict, check
from tests.chaos.exercise import Demand
from tests.chaos.plan import Profile
from tests.chaos.run import run_chaos

# Orders for whole campaigns and agents only: the ones that meet permits on nothing but the lock.
HUNT = Profile(
    seed=11,
    seconds=12,
    carried_out_min=15,
    dispatchers=1,
    cps_max=1_000,
    order_threads=2,
    order_pause_s=0.4,
    order_levels={"campaign": 6, "agent": 1, "agent and campaign": 2},
    campaigns_spared=1,
    upload_pause_s=0.1,
    upload_numbers_max=400,
    has_heavy_numbers=False,
    crash_pause_s=None,
    # As long as a place in the pace lives by default, a slowed sender on a busy machine would miss too many.
    settings={"slot_ttl_ms": "1000"},
)
DEMAND = Demand(carried_out=10, while_dialled=5, dials=500)


def hunted(tmp_path: Path, patches: Sequence[Patch]) -> Verdict:
    for name in ("build", "evidence"):
        (tmp_path / name).mkdir()
    environment = build(tmp_path / "build", patches)
    run_chaos(HUNT, tmp_path / "evidence", program=PROGRAM, environment=environment)
    verdict = check(tmp_path / "evidence", DEMAND)
    print("\n".join(verdict.lines()))
    assert not verdict.shortfalls
    return verdict


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_gate_without_its_lock_is_caught(tmp_path: Path) -> None:
    verdict = hunted(tmp_path, [NO_LOCK, SLOW_SEND])
    assert verdict.count("dials after the acknowledgement") > 0
    assert not verdict.is_clean


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_same_build_with_its_lock_is_clean(tmp_path: Path) -> None:
    verdict = hunted(tmp_path, [SLOW_SEND])
    assert verdict.is_clean
