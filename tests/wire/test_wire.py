"""The promise on packets: a real server, a real SIP carrier, and what the kernel saw between them."""

from pathlib import Path

import pytest

from tests.support import sipp
from tests.wire import capture
from tests.wire.checker import check
from tests.wire.run import run_wire

pytestmark = [
    pytest.mark.skipif(not sipp.is_installed(), reason=sipp.WHY_NOT),
    pytest.mark.skipif(not capture.is_allowed(), reason=capture.WHY_NOT),
]


@pytest.mark.timeout(200)
async def test_no_covered_invite_leaves_after_an_acknowledgement(tmp_path: Path) -> None:
    await _judged(tmp_path, seconds=10, orders_min=100)


@pytest.mark.slow
@pytest.mark.timeout(500)
async def test_a_thousand_orders(tmp_path: Path) -> None:
    await _judged(tmp_path, seconds=60, orders_min=1_000)


async def _judged(directory: Path, *, seconds: float, orders_min: int) -> None:
    carrier = await run_wire(directory, seconds=seconds, orders_min=orders_min, seed=20_260)
    dropped = sipp.dropped(directory / "sipp")
    verdict = check(directory, dropped)
    print("\n".join(verdict.lines()), carrier)
    assert verdict.is_clean, verdict.lines()
    assert verdict.orders >= orders_min
    assert verdict.invites > 20 * seconds
    assert verdict.latencies_ns, "no hang-up met a live call: the run proves too little"
    for level, (orders, hangups) in verdict.by_level.items():
        assert orders > hangups > 0, f"{level}: {orders} orders, {hangups} with hang-up"
    assert verdict.up_at_end == [], "the carrier had calls up while the server still ran"
    assert verdict.dropped == len(dropped), "the carrier dropped a call that we had not cancelled"
    expected = {"SuccessfulCall": verdict.calls - verdict.dropped, "FailedCall": verdict.dropped}
    assert carrier == expected, sipp.why_failed(directory / "sipp")
