"""The rules that every run must keep, each as a search for what breaks it."""

from collections import Counter
from collections.abc import Callable, Iterator

from tests.chaos.evidence import Call, Evidence, Order, Registration, Selector
from tests.chaos.order_index import OrderIndex

TERMINAL = frozenset({"completed", "failed", "error", "cancelled"})
CARRIED_OUT = 200
NOTHING_TERMINABLE = 400


class Case:
    """The evidence with what several rules look up in it."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.acknowledged = [order for order in evidence.orders if order.status == CARRIED_OUT]
        self.by_id = {order.termination_id: order for order in self.acknowledged if order.termination_id}
        self.unknown = Counter(order.selector for order in evidence.orders if order.status is None)
        index = OrderIndex(self.acknowledged)
        self.bound: list[tuple[Call, Order]] = [
            (call, order) for call in evidence.calls.values() if (order := index.binding(call)) is not None
        ]
        """Each call that an acknowledged order surely covered, with the first such order."""


def dials_after_acknowledgement(case: Case) -> Iterator[str]:
    for call, order in case.bound:
        for ring in call.rings:
            if ring.at_ns > order.answered_ns:
                late_ms = (ring.at_ns - order.answered_ns) / 1e6
                yield f"call {call.call_id} left {late_ms:.1f} ms after {_named(order)}"


def covered_not_cancelled(case: Case) -> Iterator[str]:
    for call, order in case.bound:
        if trouble := _why_not_ended(case, call, order):
            yield f"call {call.call_id} ({call.status} {call.sub_status}) of {_named(order)}: {trouble}"


def _why_not_ended(case: Case, call: Call, order: Order) -> str | None:
    """Cancelled by this order or an earlier one, or on the wire for the last time before the acknowledgement."""
    was_rung_before = bool(call.rings) and call.rings[-1].at_ns < order.answered_ns
    if call.status == "cancelled":
        by = case.by_id.get(call.termination_id or "")
        return "cancelled by a later order only" if by and by.sent_ns > order.answered_ns else None
    if call.status == "error":
        if call.ended_at is not None and call.ended_at < order.answered_at:
            return None
        last = call.attempts[-1].attempt_id if call.attempts else None
        if was_rung_before and call.rings[-1].attempt_id == last:
            return None
        return "its error was written after the order, and its last attempt never left"
    if call.status in TERMINAL:
        return None if was_rung_before else "its last dial was not before the acknowledgement"
    return "still open"


def uncovered_cancelled(case: Case) -> Iterator[str]:
    evidence = case.evidence
    for call in evidence.calls.values():
        if call.status == "cancelled" and (trouble := _why_not_covered(case, call)):
            yield f"call {call.call_id} is cancelled ({call.sub_status}): {trouble}"
    given = Counter(
        receipt.selector for receipt in evidence.receipts.values() if receipt.termination_id not in case.by_id
    )
    for selector, count in given.items():
        if count > case.unknown[selector]:
            yield f"{count} receipts, {case.unknown[selector]} orders of unknown fate: {_shown(selector)}"


def _why_not_covered(case: Case, call: Call) -> str | None:
    if call.sub_status != "USER_TERMINATED" or call.termination_id is None:
        return "not by an order"
    if (order := case.by_id.get(call.termination_id)) is not None:
        if not order.selector.matches(call):
            return f"not matched by {_named(order)}"
        if call.registration is not None and call.registration.sent_ns > order.answered_ns:
            return f"registered after {_named(order)}"
        return None
    receipt = case.evidence.receipts.get(call.termination_id)
    if receipt is None or receipt.selector not in case.unknown:
        return "by an order that nobody gave"
    return None if receipt.selector.matches(call) else "not matched by its order"


def calls_lost(case: Case) -> Iterator[str]:
    found: dict[tuple[str, bool], list[Call]] = {}
    for call in case.evidence.calls.values():
        if call.registration is None:
            yield f"call {call.call_id} was registered by nobody"
        else:
            found.setdefault((call.registration.name, call.registration.is_restart), []).append(call)
        if call.status not in TERMINAL:
            yield f"call {call.call_id} is {call.status} at the end"
    for registration in case.evidence.registrations:
        if trouble := _why_not_whole(registration, found.get((registration.name, False), [])):
            yield f"{registration.name}: {trouble}"
    for restart in case.evidence.restarts.values():
        # A start that found a draft has registered nothing.
        if (calls := found.get((restart.name, True))) and (trouble := _why_not_whole(restart, calls)):
            yield f"{restart.name}, started again: {trouble}"


def _why_not_whole(registration: Registration, calls: list[Call]) -> str | None:
    if registration.answered_ns is None and not calls:
        return None
    if registration.status not in (CARRIED_OUT, None):
        return f"refused with {registration.status}, and stored"
    if Counter(call.number for call in calls) != Counter(registration.numbers):
        return f"{len(calls)} calls of {len(registration.numbers)} numbers"
    if registration.list_id and any(call.list_id != registration.list_id for call in calls):
        return "in another campaign"
    if registration.call_id and any(call.call_id != registration.call_id for call in calls):
        return "under another id"
    return None


def rung_twice(case: Case) -> Iterator[str]:
    evidence = case.evidence
    for attempt_id, count in Counter(ring.attempt_id for ring in evidence.rings).items():
        if count > 1:
            yield f"attempt {attempt_id} left {count} times"
    for ring in evidence.strays:
        yield f"call {ring.call_id} left, and does not exist"
    for call in evidence.calls.values():
        if any(ring.number != call.number for ring in call.rings):
            yield f"call {call.call_id} rang another number"
        retry_count = 0 if call.registration is None else call.registration.retry_count
        if len(call.rings) > 1 + retry_count:
            yield f"call {call.call_id} left {len(call.rings)} times with {retry_count} retries"
        if _was_rung_after_unknown_fate(call):
            yield f"call {call.call_id} left again after an attempt of unknown fate"


def _was_rung_after_unknown_fate(call: Call) -> bool:
    rung = {ring.attempt_id for ring in call.rings}
    fates = [(attempt.state == "indeterminate", attempt.attempt_id in rung) for attempt in call.attempts]
    unknown_from = next((place for place, (is_unknown, _) in enumerate(fates) if is_unknown), len(fates))
    return any(was_rung for _, was_rung in fates[unknown_from + 1 :])


def orders_forgotten(case: Case) -> Iterator[str]:
    receipts = case.evidence.receipts
    for order in case.acknowledged:
        if order.termination_id not in receipts:
            yield f"{_named(order)} has no receipt"
    counted: Counter[tuple[str, bool]] = Counter()
    for call in case.evidence.calls.values():
        if call.termination_id and (call.retry_barred or call.status == "cancelled"):
            counted[call.termination_id, call.retry_barred] += 1
    for receipt in receipts.values():
        if receipt.state != "settled":
            yield f"receipt {receipt.termination_id} is {receipt.state}"
        for what, is_barred, count in (
            ("cancelled", False, receipt.cancelled_count),
            ("barred", True, receipt.retry_barred_count),
        ):
            if count != (there := counted[receipt.termination_id, is_barred]):
                yield f"receipt {receipt.termination_id} counts {count} {what}, there are {there}"


def refused_although_terminable(case: Case) -> Iterator[str]:
    """A 400 says that nothing was pending: no call that it names was so the whole time, from sending to answer."""
    places: dict[str, list[Call]] = {}
    for call in case.evidence.calls.values():
        for key in (call.call_id, call.number, call.agent_id, call.list_id or ""):
            places.setdefault(key, []).append(call)
    for order in case.evidence.orders:
        if order.status == NOTHING_TERMINABLE:
            for call in _named_calls(order.selector, places):
                if order.selector.matches(call) and _was_pending_throughout(case, call, order):
                    yield f"call {call.call_id} was pending during {_named(order)}"


def _named_calls(selector: Selector, places: dict[str, list[Call]]) -> Iterator[Call]:
    wide = [key for key in (selector.campaign_id or selector.agent_id,) if key]
    for key in selector.call_ids or selector.mobile_numbers or wide:
        yield from places.get(key, ())


def _was_pending_throughout(case: Case, call: Call, order: Order) -> bool:
    registered_ns = None if call.registration is None else call.registration.answered_ns
    if registered_ns is None or registered_ns > order.sent_ns:
        return False
    if call.rings:
        return call.rings[0].at_ns > order.answered_ns
    by = case.by_id.get(call.termination_id or "")
    return call.status == "cancelled" and by is not None and by.sent_ns > order.answered_ns


def _named(order: Order) -> str:
    return f"the order {order.termination_id or order.status} ({order.selector.level})"


def _shown(selector: Selector) -> str:
    return f"{selector.level} {selector.agent_id or ''} {selector.campaign_id or ''}".strip()


RULES: dict[str, Callable[[Case], Iterator[str]]] = {
    "dials after the acknowledgement": dials_after_acknowledgement,
    "covered calls not cancelled": covered_not_cancelled,
    "uncovered calls cancelled": uncovered_cancelled,
    "calls lost": calls_lost,
    "numbers rung twice": rung_twice,
    "orders forgotten": orders_forgotten,
    "orders refused although terminable": refused_although_terminable,
}
