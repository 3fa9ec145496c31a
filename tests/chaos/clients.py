"""The clients of a run: each is a thread that follows its part of the plan until the run is over."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from itertools import count, islice
from threading import Event
from typing import Any

from ringoff.clock import SystemClock
from tests.acceptance.client import CALLING_NUMBER, COMPATIBLE, csv_of
from tests.chaos import plan
from tests.chaos.journal import Journal
from tests.chaos.line import Address, Answer, Line, NeverSent
from tests.chaos.plan import HEAVY_NUMBERS, HeavyDraw, OrderDraw, Profile, UploadDraw
from tests.chaos.targets import KnownCampaign, Targets

TERMINATE = f"{COMPATIBLE}/campaign/terminate"
NOTHING = "No terminable calls found for the specified parameters"
_SOMETHING_IS_DOWN_S = 0.2
_FIRST_UPLOADS = 5
_LOOKS_AT_A_LIST = 20
_BETWEEN_LOOKS_S = 0.1
_HEAVY_PILE = 23
"""Campaigns with each of the 100 heavy numbers: more than the 2,000 open calls up to which rows are updated."""

_clock = SystemClock()


class Clients:
    """What every thread shares. The methods ``give_orders`` … each run in a thread of their own."""

    def __init__(
        self, profile: Profile, journal: Journal, targets: Targets, address: Address, key: str, over: Event
    ) -> None:
        self._profile = profile
        self._journal = journal
        self._targets = targets
        self._address = address
        self._key = key
        self._over = over
        self._names = count()
        self._uploads = plan.uploads(profile)

    def loops(self) -> list[Callable[[], None]]:
        """What the threads run, each with a line of its own."""
        loops: list[Callable[[Line], None]] = [self.upload, self.call]
        if self._profile.has_heavy_numbers:
            loops.append(self.give_heavy_orders)
        loops += [partial(self.give_orders, thread) for thread in range(self._profile.order_threads)]
        return [partial(self._with_line, loop) for loop in loops]

    def _with_line(self, loop: Callable[[Line], None]) -> None:
        with Line(self._address, self._key) as line:
            loop(line)

    def give_orders(self, thread: int, line: Line) -> None:
        for draw in plan.orders(self._profile, thread):
            if self._is_over_after(draw.pause_s):
                return
            body = self._targets.selector(draw)
            if body is not None:
                self._give(line, body, draw)

    def _give(self, line: Line, body: Mapping[str, Any], draw: OrderDraw) -> None:
        key = f"order {next(self._names)}"
        answer = self.order(line, body, key)
        if answer is not None and answer.status is None and draw.is_sent_again:
            answer = self.order(line, body, key, first=answer)
        if answer is not None and answer.status is not None:
            self._targets.forget(body)

    def begin(self) -> None:
        """The first uploads, before anything is disturbed: from the first order on there is something to end."""
        with Line(self._address, self._key) as line:
            if self._profile.has_heavy_numbers:
                self._pile_up(line)
            for draw in islice(self._uploads, _FIRST_UPLOADS):
                self._upload(line, draw)

    def upload(self, line: Line) -> None:
        for draw in self._uploads:
            if self._is_over_after(draw.pause_s):
                return
            self._upload(line, draw)

    def _upload(self, line: Line, draw: UploadDraw) -> None:
        numbers = plan.numbers(draw.first_number, draw.count)
        campaign = self.save(line, self._targets.agent(draw.agent), numbers, draw.retry_count, is_large=draw.is_large)
        if campaign is not None:
            self._put_to_use(line, campaign, draw)

    def _put_to_use(self, line: Line, campaign: KnownCampaign, draw: UploadDraw) -> None:
        if draw.is_large:
            # From the answer on orders may name it, and shall.
            self._targets.add_campaign(campaign)
            self._wait_for_verification(line, campaign)
        if draw.is_looked_up:
            path = f"{COMPATIBLE}/calling/history?limit=200&bulk_list_id={campaign.list_id}"
            answer = self._send(line, "GET", path)
            if answer is not None and answer.status == 200:
                campaign.call_ids = [call["id"] for call in answer.body["calls"]]
        if draw.is_started:
            self.start(line, campaign)
        if not draw.is_large:
            self._targets.add_campaign(campaign)

    def _wait_for_verification(self, line: Line, campaign: KnownCampaign) -> None:
        """Not for ever: what is not ready in time is started when the run is over."""
        for _ in range(_LOOKS_AT_A_LIST):
            answer = self._send(line, "GET", f"{COMPATIBLE}/campaign/upload-status/{campaign.list_id}")
            if answer is not None and answer.status == 200 and answer.body["percent"] == 100:
                return
            if self._is_over_after(_BETWEEN_LOOKS_S):
                return

    def call(self, line: Line) -> None:
        for draw in plan.calls(self._profile):
            if self._is_over_after(draw.pause_s):
                return
            self._call(line, self._targets.agent(draw.agent), plan.numbers(draw.number, 1)[0], draw.retry_count)

    def _call(self, line: Line, agent_id: str, number: str, retry_count: int) -> None:
        name = f"call {next(self._names)}"
        body = {
            "name": name,
            "mobile_number": number,
            "agent_id": agent_id,
            "from_number": CALLING_NUMBER,
            "call_config": _call_config(retry_count),
        }
        answer = self._send(line, "POST", f"{COMPATIBLE}/calling/outbound/individual", body)
        if answer is None:
            return
        call_id = answer.body["data"]["call_id"] if answer.status == 200 else None
        self._register(name, agent_id, [number], retry_count, answer, call_id=call_id)
        if call_id is not None:
            self._targets.add_call(call_id)

    def give_heavy_orders(self, line: Line) -> None:
        """Dial one more campaign of the numbers that are piled up, and end those numbers there or everywhere."""
        for draw in plan.heavy_orders(self._profile):
            dialled = self.save(line, self._targets.agent(draw.agent), HEAVY_NUMBERS, 2)
            if dialled is None:
                continue
            self.start(line, dialled)
            if self._is_over_after(draw.pause_s):
                return
            self.order(line, _heavy_order(draw, dialled), f"order {next(self._names)}")
            if draw.narrowed_by == "nothing":
                self._pile_up(line)

    def _pile_up(self, line: Line) -> None:
        """Drafts of an agent of their own, which other orders leave alone."""
        pile = 0
        while pile < _HEAVY_PILE and not self._is_over_after(0):
            pile += self.save(line, self._targets.heavy_agent_id, HEAVY_NUMBERS, 1) is not None

    def save(
        self, line: Line, agent_id: str, numbers: Sequence[str], retry_count: int, *, is_large: bool = False
    ) -> KnownCampaign | None:
        name, now = f"list {next(self._names)}", _clock.now()
        fields = {
            "agent_id": agent_id,
            "campaign_name": name,
            "country_code": "+91",
            "variables_map": json.dumps({"mobile_number": "Mobile Number", "callee_name": "Name"}),
            "call_config": json.dumps(_call_config(retry_count)),
            "campaign_start_time": f"{now:%d/%m/%Y, %H:%M}",
            "campaign_end_time": f"{now + timedelta(days=2):%d/%m/%Y, %H:%M}",
        }
        route, id_field = ("upload-csv", "bulk_list_id") if is_large else ("save", "list_id")
        answer = self._patiently(lambda: line.upload(f"{COMPATIBLE}/campaign/{route}", fields, csv_of(numbers)))
        if answer is None:
            return None
        list_id = answer.body[id_field] if answer.status == 200 else None
        self._register(name, agent_id, numbers, retry_count, answer, list_id=list_id)
        return None if list_id is None else KnownCampaign(list_id, agent_id, numbers)

    def start(self, line: Line, campaign: KnownCampaign) -> None:
        """Whatever becomes of it: what was not started by then is started when the run is over.

        An order may have been faster: then this starts the campaign again, with new calls of all its numbers.
        """
        body = {"agent_id": campaign.agent_id, "list_id": campaign.list_id, "from_numbers": [CALLING_NUMBER]}
        answer = self._send(line, "POST", f"{COMPATIBLE}/campaign/start", body)
        if answer is not None:
            self._journal.start(
                campaign.list_id, sent_ns=answer.sent_ns, answered_ns=answer.answered_ns, status=answer.status
            )

    def _register(
        self,
        name: str,
        agent_id: str,
        numbers: Sequence[str],
        retry_count: int,
        answer: Answer,
        *,
        list_id: str | None = None,
        call_id: str | None = None,
    ) -> None:
        if answer.status not in {200, None}:
            self._journal.trouble(f"{name} was refused: {answer.words}")
        self._journal.registration(
            name,
            agent_id=agent_id,
            numbers=numbers,
            retry_count=retry_count,
            sent_ns=answer.sent_ns,
            answered_ns=answer.answered_ns,
            status=answer.status,
            list_id=list_id,
            call_id=call_id,
        )

    def order(self, line: Line, body: Mapping[str, Any], key: str, first: Answer | None = None) -> Answer | None:
        """Give one order under a key; None when nobody listened.

        After a ``first`` that was not answered, under the same key: what comes back may be the answer to that one.
        """
        answer = self._patiently(lambda: line.send("PATCH", TERMINATE, body, {"Idempotency-Key": key}))
        if answer is None:
            return None
        is_replayed = answer.headers.get("Idempotency-Replayed") == "true"
        if is_replayed and first is None:
            self._journal.trouble(f"a new order was answered with an old one's answer: {key}")
        is_expected = answer.status in {200, None} or (answer.status == 400 and answer.body == {"detail": NOTHING})
        if not is_expected:
            self._journal.trouble(f"an order was refused: {answer.words}")
        self._journal.order(
            body,
            sent_ns=first.sent_ns if first is not None and is_replayed else answer.sent_ns,
            answered_ns=answer.answered_ns,
            answered_at=answer.answered_at,
            status=answer.status,
            is_replayed=is_replayed,
            termination_id=answer.headers.get("X-Termination-Id") if answer.status == 200 else None,
        )
        return answer

    def _send(self, line: Line, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer | None:
        """None when nobody listened."""
        return self._patiently(lambda: line.send(method, path, body))

    def _patiently(self, send: Callable[[], Answer]) -> Answer | None:
        """While something is down, a moment between the tries."""
        try:
            answer = send()
        except NeverSent:
            answer = None
        if answer is None or answer.status is None:
            self._over.wait(_SOMETHING_IS_DOWN_S)
        return answer

    def _is_over_after(self, pause_s: float) -> bool:
        return self._over.wait(pause_s)


def _call_config(retry_count: int) -> dict[str, Any]:
    retry = {"retry_count": retry_count, "retry_busy": 0, "retry_not_picked": 0, "retry_failed": 0}
    return {"call_time": {"timezone": "UTC"}, "call_retry_config": retry}


def _heavy_order(draw: HeavyDraw, dialled: KnownCampaign) -> dict[str, Any]:
    narrowing: dict[str, dict[str, Any]] = {
        "campaign": {"campaign_id": dialled.list_id},
        "agent and campaign": {"agent_id": dialled.agent_id, "campaign_id": dialled.list_id},
        "agent": {"agent_id": dialled.agent_id},
        "nothing": {},
    }
    return {"mobile_numbers": HEAVY_NUMBERS, **narrowing[draw.narrowed_by]}
