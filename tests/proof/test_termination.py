"""The model in docs/proof keeps every promise in every interleaving, and each mutant of it breaks the one it should."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.proof.spin import Verdict, check, missing_tools

MODEL = Path(__file__).parents[2] / "docs" / "proof" / "termination.pml"

BY_CAMPAIGN, BY_MANY_NUMBERS, BY_ROWS = "TerminateCampaign", "TerminateManyNumbers", "TerminateRows"
PAIRS = [(BY_CAMPAIGN, BY_CAMPAIGN), (BY_CAMPAIGN, BY_ROWS), (BY_CAMPAIGN, BY_MANY_NUMBERS), (BY_ROWS, BY_ROWS)]

PROMISE_1 = "promise_1_no_dial_after_the_acknowledgement"
PROMISE_2 = "promise_2_no_retry"
PROMISE_3 = "promise_3_every_covered_call_is_cancelled"
PROMISE_3_NO_OTHER = "promise_3_no_other_call_is_cancelled"
PROMISE_5 = "promise_5_unknown_fate_is_never_dialled_again"
PROMISE_6 = "promise_6_a_call_is_counted_once"
SETTLED = "in_the_end_everything_is_settled"
NUMBERS = {PROMISE_1: 1, PROMISE_2: 2, PROMISE_3: 3, PROMISE_3_NO_OTHER: 3, PROMISE_5: 5, PROMISE_6: 6, SETTLED: 7}

NOT_INSTALLED = "; ".join(f"{tool} is not installed" for tool in missing_tools()) + " (`make proof` installs it)"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(missing_tools()), reason=NOT_INSTALLED),
]

Check = Callable[..., Verdict]


@pytest.fixture
def checked(tmp_path: Path) -> Check:
    def run(title: str, orders: Sequence[str], *macros: str, shortest: bool = False) -> Verdict:
        first, second = orders
        defined = [f"FIRST_ORDER={first}", f"SECOND_ORDER={second}", *macros]
        verdict = check(MODEL, tmp_path, defined, shortest=shortest)
        print(f"\n  {title:<44} {verdict}")
        return verdict

    return run


@pytest.mark.parametrize("orders", PAIRS, ids=" and ".join)
def test_every_interleaving_keeps_the_promises(checked: Check, orders: Sequence[str]) -> None:
    verdict = checked(" and ".join(orders), orders)
    assert verdict.errors == 0, f"{verdict.broken}\n{verdict.trail}"
    assert verdict.is_complete
    exercised = {"Dispatcher", "Rescuer", *orders}
    if set(orders) == {BY_CAMPAIGN, BY_MANY_NUMBERS}:
        exercised.add("Sweeper")
    assert {name: verdict.unreached[name] for name in exercised} == {name: [] for name in exercised}


@pytest.mark.parametrize(
    ("mutant", "broken"),
    [
        ("NO_PERMIT_LOCK", PROMISE_1),
        ("STALE_SNAPSHOT", PROMISE_1),
        ("NO_ROW_CHECK", PROMISE_1),
        ("NO_PERMIT_TTL", PROMISE_1),
        ("NO_SETTLE_RULE", PROMISE_2),
        ("NO_BAR", PROMISE_2),
        ("RESCUE_UNLOCKED", PROMISE_3),
        ("LOST_PERMIT_UNLOCKED", PROMISE_3),
        ("REDIAL_UNKNOWN", PROMISE_5),
        ("SWEEP_WIDE", PROMISE_3_NO_OTHER),
        ("ACKNOWLEDGE_EARLY", PROMISE_1),
        ("CLOSE_EARLY", SETTLED),
        ("COUNT_WITH_ORDER", PROMISE_6),
    ],
)
def test_without_one_of_its_rules_a_promise_breaks(checked: Check, mutant: str, broken: str) -> None:
    """Also a test of the model: one in which nothing can go wrong would prove nothing."""
    verdict = checked(mutant, (BY_CAMPAIGN, BY_ROWS), mutant, f"ONLY={NUMBERS[broken]}", shortest=True)
    assert verdict.errors > 0
    assert verdict.broken == broken
    assert verdict.trail
