"""The run of continuous integration: one fault of each kind on many hosts; `make multihost` makes all of them."""

from pathlib import Path

import pytest

from tests.chaos.checker import check
from tests.multihost.disks import NoDisks
from tests.multihost.network import NoNetwork
from tests.multihost.run import demand_of, profile_of, run_multihost

# A process, a stall, a partition, a disk, and a fail-over in which the old primary lives on with a dispatcher.
FAULTS = ("dispatcher killed", "dispatcher stopped", "API cut off", "tables full", "primary split off")
# Another seed is another run; a failure prints what it found, and `make multihost SEED=…` plans the same again.
PROFILE = profile_of(seed=20_261, seconds=30)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_order_is_broken_whichever_host_dies(tmp_path: Path) -> None:
    try:
        run_multihost(PROFILE, tmp_path, faults=FAULTS)
    except (NoNetwork, NoDisks) as reason:
        pytest.skip(str(reason))
    verdict = check(tmp_path, demand_of(PROFILE, FAULTS))
    print("\n".join(verdict.lines()))
    assert {rule: found.count for rule, found in verdict.rules.items() if found.count} == {}
    assert not verdict.troubles
    assert not verdict.shortfalls
