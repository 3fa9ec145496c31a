"""Finds the order that binds a call: of all that surely covered it, the one that was acknowledged first."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from tests.chaos.evidence import Call, Order, Selector


class _Queue:
    """Orders with the same selector, by the time at which they were sent."""

    def __init__(self) -> None:
        self._orders: list[Order] = []
        self._sent: list[int] = []
        self._first_answered: list[Order] = []
        """The one answered first from each place on."""

    def add(self, order: Order) -> None:
        self._orders.append(order)

    def close(self) -> None:
        self._orders.sort(key=lambda order: order.sent_ns)
        self._sent = [order.sent_ns for order in self._orders]
        first: Order | None = None
        for order in reversed(self._orders):
            if first is None or order.answered_ns < first.answered_ns:
                first = order
            self._first_answered.append(first)
        self._first_answered.reverse()

    def first_after(self, at_ns: int) -> Order | None:
        place = bisect_right(self._sent, at_ns)
        return self._first_answered[place] if place < len(self._orders) else None


class OrderIndex:
    """Acknowledged orders by what they name."""

    def __init__(self, acknowledged: Iterable[Order]) -> None:
        self._wide: dict[tuple[str, str], _Queue] = {}
        self._narrow: dict[tuple[str, str], list[Order]] = {}
        for order in acknowledged:
            self._add(order, order.selector)
        for queue in self._wide.values():
            queue.close()

    def _add(self, order: Order, selector: Selector) -> None:
        keys: list[tuple[str, str]] = []
        if selector.call_ids is not None:
            keys = [("call", call_id) for call_id in selector.call_ids]
        elif selector.mobile_numbers is not None:
            keys = [("number", number) for number in selector.mobile_numbers]
        elif selector.campaign_id is not None and selector.agent_id is not None:
            keys = [("campaign", selector.campaign_id)]
        elif selector.campaign_id is not None:
            self._wide.setdefault(("campaign", selector.campaign_id), _Queue()).add(order)
        elif selector.agent_id is not None:
            self._wide.setdefault(("agent", selector.agent_id), _Queue()).add(order)
        for key in keys:
            self._narrow.setdefault(key, []).append(order)

    def binding(self, call: Call) -> Order | None:
        """Only calls whose registration was acknowledged before the order was sent are surely covered."""
        registered_ns = None if call.registration is None else call.registration.answered_ns
        if registered_ns is None:
            return None
        return min(self._covering(call, registered_ns), key=lambda order: order.answered_ns, default=None)

    def _covering(self, call: Call, registered_ns: int) -> Iterator[Order]:
        campaign = ("campaign", call.list_id or "")
        for key in (("agent", call.agent_id), campaign):
            if (queue := self._wide.get(key)) and (order := queue.first_after(registered_ns)):
                yield order
        for key in (("call", call.call_id), ("number", call.number), campaign):
            for order in self._narrow.get(key, ()):
                if order.sent_ns > registered_ns and order.selector.matches(call):
                    yield order
