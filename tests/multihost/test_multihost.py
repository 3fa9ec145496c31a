"""The runs of continuous integration on many hosts: a fault of each kind, and a set-up that cannot keep the promise."""

from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from tests.chaos.checker import Verdict, check
from tests.chaos.plan import Profile
from tests.multihost.disks import NoDisks
from tests.multihost.faults import FAULTS, Fault
from tests.multihost.network import NoNetwork
from tests.multihost.run import demand_of, profile_of, run_multihost
from tests.multihost.stage import Stage
from tests.support.processes import until

# A process, a stall, a partition, a disk, and a fail-over in which the old primary lives on with a dispatcher.
KINDS = ("dispatcher killed", "dispatcher stopped", "API cut off", "tables full", "primary split off")
CHOSEN = {name: FAULTS[name] for name in KINDS}
# Another seed is another run; a failure prints what it found, and `make multihost SEED=…` plans the same again.
PROFILE = profile_of(seed=20_261, seconds=30)


def judged(directory: Path, profile: Profile, faults: Mapping[str, Fault]) -> Verdict:
    try:
        run_multihost(profile, directory, faults=faults)
    except (NoNetwork, NoDisks) as reason:
        pytest.skip(str(reason))
    verdict = check(directory, demand_of(profile, faults))
    print("\n".join(verdict.lines()))
    return verdict


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_order_is_broken_whichever_host_dies(tmp_path: Path) -> None:
    verdict = judged(tmp_path, PROFILE, CHOSEN)
    assert {rule: found.count for rule, found in verdict.rules.items() if found.count} == {}
    assert not verdict.troubles
    assert not verdict.shortfalls


def primary_and_api_split_off_unconfirmed(stage: Stage, dice: Random) -> None:
    """Nobody waits for the standby: what the API acknowledges beside the old primary, the new one never hears of."""
    databases, network = stage.installation.databases, stage.installation.network
    databases.primary.configure(waits_for="")
    side = [databases.host_of(databases.primary), stage.installation.api.host]
    network.split_off(*side)
    acknowledged = stage.acknowledged_count()
    until(lambda: stage.acknowledged_count() > acknowledged + 5, "orders are acknowledged", 60.0)
    databases.promote()
    databases.standby.remove()
    for host in side:
        network.join(host)
    stage.wait_until_ready()
    databases.start_again_as_standby()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_standby_that_nobody_waits_for_is_caught(tmp_path: Path) -> None:
    verdict = judged(tmp_path, PROFILE, {"unconfirmed": primary_and_api_split_off_unconfirmed})
    assert verdict.count("orders forgotten") > 0
