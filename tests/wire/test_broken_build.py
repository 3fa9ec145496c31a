"""A build without the permit's lock puts covered INVITEs on the wire, and the checker sees them."""

from pathlib import Path

import pytest

from tests.chaos import builds
from tests.support import sipp
from tests.wire import capture
from tests.wire.checker import check
from tests.wire.run import run_wire

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sipp.is_installed(), reason=sipp.WHY_NOT),
    pytest.mark.skipif(not capture.is_allowed(), reason=capture.WHY_NOT),
]


# The orders that meet permits on nothing but the lock.
_WIDE = {"campaign": 8, "agent": 1}


@pytest.mark.timeout(300)
async def test_a_build_without_the_lock_is_caught(tmp_path: Path) -> None:
    environment = builds.build(tmp_path / "build", [builds.NO_LOCK, builds.SLOW_SEND])
    await run_wire(
        tmp_path,
        seconds=25,
        orders_min=40,
        seed=20_260,
        levels=_WIDE,
        slot_ttl_ms="1000",
        program=builds.PROGRAM,
        environment=environment,
    )
    verdict = check(tmp_path)
    print("\n".join(verdict.lines()))
    assert verdict.after_acknowledgement
