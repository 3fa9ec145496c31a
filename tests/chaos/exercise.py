"""How much a run has really tried: an empty run keeps every rule, so too little of it is a failure too."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.chaos.rules import CARRIED_OUT, NOTHING_TERMINABLE, Case

JUST_BEFORE_NS = 1_000_000_000
"""An order met its calls being dialled if one of them left within this time before the acknowledgement."""
_FENCED_TOGETHER = 3
"""Rows that are cancelled one by one do not end at one instant."""

LEVELS = ("agent", "calls", "campaign", "campaign numbers", "numbers", "mixed")
ANSWERS = {CARRIED_OUT: "200", NOTHING_TERMINABLE: "400", None: "unknown"}


@dataclass(frozen=True, slots=True)
class Demand:
    """The least that a run must have done."""

    answered: int = 0
    carried_out: int = 0
    carried_out_of_each_level: int = 0
    while_dialled: int = 0
    dials: int = 0
    retries: int = 0
    number_fences: int = 0
    crashes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exercise:
    """What was counted."""

    orders: Counter[tuple[str, str]]
    while_dialled: int
    dials: int
    retries: int
    number_fences: int
    retries_barred: int
    registrations: Counter[str]
    endings: Counter[str]
    crashes: Counter[str]

    def shortfalls(self, demand: Demand) -> Iterator[str]:
        """What was demanded and not reached."""
        counts = [
            ("orders answered", self.answered("200") + self.answered("400"), demand.answered),
            ("orders carried out", self.answered("200"), demand.carried_out),
            ("orders while their calls were dialled", self.while_dialled, demand.while_dialled),
            ("dials", self.dials, demand.dials),
            ("dials that were retries", self.retries, demand.retries),
            ("orders by a fence on numbers", self.number_fences, demand.number_fences),
        ]
        counts += [(f"crashes: {what}", self.crashes[what], least) for what, least in demand.crashes.items()]
        counts += [
            (f"orders carried out, level {level}", self.orders[level, "200"], demand.carried_out_of_each_level)
            for level in LEVELS
        ]
        for what, count, least in counts:
            if count < least:
                yield f"{what}: {count}, at least {least} are needed"

    def answered(self, answer: str) -> int:
        return sum(count for (_, given), count in self.orders.items() if given == answer)

    def lines(self) -> Iterator[str]:
        """For people."""
        for level in LEVELS:
            counts = ", ".join(f"{self.orders[level, answer]:5} {answer}" for answer in ("200", "400", "unknown"))
            yield f"orders {level:17} {counts}"
        yield f"orders while their calls were dialled: {self.while_dialled}"
        yield f"orders by a fence on numbers: {self.number_fences}; on a campaign or an agent: {self._fences()}"
        yield f"dials: {self.dials}, {self.retries} of them retries; retries barred by an order: {self.retries_barred}"
        yield f"registrations: {_listed(self.registrations)}"
        yield f"calls in the end: {_listed(self.endings)}"
        yield f"crashes: {_listed(self.crashes)}"

    def _fences(self) -> int:
        return self.orders["agent", "200"] + self.orders["campaign", "200"]


def measure(case: Case) -> Exercise:
    evidence = case.evidence
    calls = evidence.calls.values()
    return Exercise(
        orders=Counter((order.selector.level, ANSWERS[order.status]) for order in evidence.orders),
        while_dialled=_while_dialled(case),
        dials=len(evidence.rings),
        retries=sum(max(0, len(call.rings) - 1) for call in calls),
        number_fences=_number_fences(case),
        retries_barred=sum(call.retry_barred for call in calls),
        registrations=Counter(
            "acknowledged" if registration.answered_ns else "unknown or refused"
            for registration in evidence.registrations
        ),
        endings=Counter(call.status for call in calls),
        crashes=evidence.crashes,
    )


def _while_dialled(case: Case) -> int:
    rings, calls = case.evidence.rings, case.evidence.calls
    moments = [ring.at_ns for ring in rings]
    count = 0
    for order in case.acknowledged:
        first = bisect_left(moments, order.answered_ns - JUST_BEFORE_NS)
        last = bisect_right(moments, order.answered_ns)
        covered = (calls.get(rings[place].call_id) for place in range(first, last))
        count += any(call is not None and order.selector.matches(call) for call in covered)
    return count


def _number_fences(case: Case) -> int:
    """Orders by numbers whose calls ended at one instant: the fence's."""
    ended: dict[str, Counter[float]] = {}
    for call in case.evidence.calls.values():
        if call.status == "cancelled" and call.termination_id and call.ended_at and not call.retry_barred:
            ended.setdefault(call.termination_id, Counter())[call.ended_at] += 1
    return sum(
        receipt.selector.mobile_numbers is not None
        and receipt.selector.call_ids is None
        and max(ended.get(receipt.termination_id, Counter()).values(), default=0) >= _FENCED_TOGETHER
        for receipt in case.evidence.receipts.values()
    )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none"
