"""One run: `ringoff up` on a SIP trunk to sipp, campaigns and orders over HTTP, and what passed between."""

import asyncio
import json
from collections import deque
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from threading import Event, Lock, Thread
from typing import Any

from ringoff.clock import SystemClock
from tests.acceptance.client import COMPATIBLE, Client, csv_of
from tests.chaos.line import Address, Answer, Line
from tests.support.processes import ServerProcess, until
from tests.support.sipp import Sipp, free_port, running_sipp
from tests.wire.capture import Capture
from tests.wire.checker import CAPTURE, JOURNAL

_CPS = 100
_CALLING_NUMBER = "+12025550177"
_CHANNELS = 5_000
_NUMBERS = 100
_AGENTS = 8
_NEWEST = 10
_HANG_UP_SHARE = 0.4
_UPLOAD_PAUSE_S = 0.4
_ORDER_PAUSE_S = 0.02
_LONGER_AT_MOST = 4
_CLEAR_WITHIN_S = 30.0
_MISSING_FIRST = 0.3
"""How often an order is one of a kind that was not acknowledged yet."""
# One in ten rings until our CANCEL, one is up until our BYE, the others are busy: see sipp_scenario.
_PREFIXES = ("+7900", "+1200", *(["+3360"] * 8))
LEVELS: Mapping[str, int] = {"numbers": 30, "campaign numbers": 30, "calls": 25, "campaign": 13, "agent": 2}
_clock = SystemClock()


async def run_wire(
    directory: Path, *, seconds: float, orders_min: int, seed: int, levels: Mapping[str, int] = LEVELS, **server: Any
) -> dict[str, int]:
    """Leave capture and journal in ``directory``; what sipp counted in the whole run.

    The capture ends when sipp has no call up, after the last hang-ups and while the server still runs, so that stopping
    it is not what ended a call. Fails if one stays up.

    Goes on until so many orders were acknowledged, at most for four times ``seconds``.
    """
    port = free_port()
    timeout_s = int(_LONGER_AT_MOST * seconds) + 150
    async with running_sipp(directory / "sipp", port=port, timeout_s=timeout_s) as sipp:
        await asyncio.to_thread(_drive, directory, sipp, seconds, orders_min, (seed, levels), server)
        return await sipp.finished()


def _drive(
    directory: Path,
    sipp: Sipp,
    seconds: float,
    orders_min: int,
    choice: tuple[int, Mapping[str, int]],
    options: dict[str, Any],
) -> None:
    with (
        ServerProcess(shows_logs=False, log_level="warning", **options) as server,
        (directory / JOURNAL).open("w", encoding="utf-8") as journal,
        Capture(directory / CAPTURE, sipp.port),
    ):
        run = _Run(server, sipp.port, *choice, journal)
        uploads = Thread(target=run.upload_until_over, name="uploads")
        uploads.start()
        try:
            run.give_orders(_clock.monotonic() + seconds, _clock.monotonic() + _LONGER_AT_MOST * seconds, orders_min)
        finally:
            run.over.set()
            uploads.join()
        until(run.hang_up_all, "the end of every call, by hang-ups", _CLEAR_WITHIN_S)
        counted = sipp.rows_count()
        # What it counts next may have been begun before the last hang-up.
        until(partial(_is_clear, sipp, counted + 2), "that sipp has no call up", _CLEAR_WITHIN_S)
        assert server.process.exit_code is None


def _is_clear(sipp: Sipp, rows_min: int) -> bool:
    return sipp.rows_count() >= rows_min and sipp.up_count() == 0


class _Run:
    def __init__(self, server: ServerProcess, port: int, seed: int, levels: Mapping[str, int], journal: Any) -> None:
        self.over = Event()
        self._client = Client(server)
        self._server = server
        self._journal = journal
        self._dice = Random(seed)
        self._levels = levels
        self._lock = Lock()
        self._numbers = count()
        self._known: list[dict[str, Any]] = []
        self._newest: deque[dict[str, Any]] = deque(maxlen=_NEWEST)
        self._acknowledged = 0
        self._missing = [(level, is_hangup) for level in levels for is_hangup in (False, True)]
        config = {"gateways": [{"host": "127.0.0.1", "port": port}], "options_interval_s": 0}
        trunk = {"name": "sipp", "driver": "sip", "cps_max": _CPS, "channels_max": _CHANNELS, "config": config}
        answer = server.http.post("/api/v1/trunks", json=trunk)
        assert answer.status_code == 201, answer.text
        number = {"number": _CALLING_NUMBER, "trunk_id": answer.json()["trunk_id"]}
        answer = server.http.post("/api/v1/numbers", json=number)
        assert answer.status_code == 201, answer.text
        self._agents = [self._client.another_agent() for _ in range(_AGENTS)]

    def upload_until_over(self) -> None:
        for turn in count():
            if self.over.wait(_UPLOAD_PAUSE_S):
                return
            agent_id = self._agents[turn % _AGENTS]
            numbers = [f"{_PREFIXES[n % len(_PREFIXES)]}{n:07}" for n in self._next_numbers()]
            campaign_id = self._client.upload(csv_of(numbers), agent_id=agent_id)["list_id"]
            start = {"agent_id": agent_id, "list_id": campaign_id, "from_numbers": [_CALLING_NUMBER]}
            self._start(start)
            started_ns = _now_ns()
            # Of each number the newest: an order that came between upload and start has ended the calls of the draft,
            # and the start has registered new ones. To end an old one again covers nothing.
            newest = {call["to_number"]: call["id"] for call in sorted(self._client.history(campaign_id), key=_id_of)}
            calls = {call_id: number for number, call_id in newest.items()}
            campaign = {"campaign_id": campaign_id, "agent_id": agent_id, "numbers": numbers, "started_ns": started_ns}
            self._write({"kind": "campaign", **campaign})
            with self._lock:
                self._newest.append({**campaign, "calls": calls})
                self._known.append(campaign)

    def _start(self, body: dict[str, Any]) -> None:
        """An order for the agent that comes while a start is under way wins; our client insists."""
        answer = self._server.http.post(f"{COMPATIBLE}/campaign/start", json=body)
        while answer.status_code == 400 and "terminated while it was being started" in answer.text:
            answer = self._server.http.post(f"{COMPATIBLE}/campaign/start", json=body)
        assert answer.status_code == 200, answer.text

    def give_orders(self, until: float, at_most: float, orders_min: int) -> None:
        with Line(Address(self._server.url), self._server.key) as line:
            while (now := _clock.monotonic()) < until or (self._acknowledged < orders_min and now < at_most):
                Event().wait(self._dice.expovariate(1 / _ORDER_PAUSE_S))
                with self._lock:
                    newest = list(self._newest)
                if newest:
                    self._order_one_of(line, newest)

    def hang_up_all(self) -> bool:
        """One campaign after the other, so that each hang-up is a small one; whether nothing was left.

        Only those with a call that could still ring or talk: an order that ends nothing proves nothing.
        """
        left = [campaign for campaign in self._known if self._is_open(campaign["campaign_id"])]
        with Line(Address(self._server.url), self._server.key) as line:
            for campaign in left:
                self._order(line, "campaign", {"campaign_id": campaign["campaign_id"]}, [], is_hangup=True)
        return not left

    def _is_open(self, campaign_id: str) -> bool:
        return any(self._client.status_count(campaign_id, status) for status in ("registered", "retry", "ongoing"))

    def _order_one_of(self, line: Line, campaigns: list[dict[str, Any]]) -> None:
        if self._missing and self._dice.random() < _MISSING_FIRST:
            level, is_hangup = self._dice.choice(self._missing)
        else:
            level = self._dice.choices(list(self._levels), list(self._levels.values()))[0]
            is_hangup = self._dice.random() < _HANG_UP_SHARE
        self._order(line, level, *self._selector(level, self._dice.choice(campaigns)), is_hangup=is_hangup)

    def _selector(self, level: str, campaign: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        some = self._dice.sample(campaign["numbers"], self._dice.randint(1, 12))
        if level == "agent":
            return {"agent_id": campaign["agent_id"]}, []
        if level == "campaign":
            return {"campaign_id": campaign["campaign_id"]}, []
        if level == "calls":
            ids = self._dice.sample(sorted(campaign["calls"]), 8)
            return {"call_ids": ids}, [campaign["calls"][call_id] for call_id in ids]
        narrowed = {"campaign_id": campaign["campaign_id"]} if level == "campaign numbers" else {}
        return {**narrowed, "mobile_numbers": some}, []

    def _order(self, line: Line, level: str, selector: dict[str, Any], numbers: list[str], *, is_hangup: bool) -> None:
        sent_ns = _now_ns()
        if is_hangup:
            answer = line.send("POST", "/api/v1/terminations", {**selector, "ongoing": "hangup"})
        else:
            answer = line.send("PATCH", f"{COMPATIBLE}/campaign/terminate", selector)
        if _is_acknowledged(answer):
            self._acknowledged += 1
            if (level, is_hangup) in self._missing:
                self._missing.remove((level, is_hangup))
            order = {"selector": selector, "numbers_of_calls": numbers, "is_hangup": is_hangup, "sent_ns": sent_ns}
            self._write({"kind": "order", **order, "acknowledged_ns": int(answer.answered_at * 1e6) * 1_000})

    def _next_numbers(self) -> Iterator[int]:
        return (next(self._numbers) for _ in range(_NUMBERS))

    def _write(self, record: dict[str, Any]) -> None:
        with self._lock:
            self._journal.write(json.dumps(record) + "\n")
            self._journal.flush()


def _is_acknowledged(answer: Answer) -> bool:
    """A 400, 404 or 409 says that nothing was left to end."""
    assert answer.status in {200, 202, 400, 404, 409}, answer.words
    return answer.status in {200, 202}


def _id_of(call: Mapping[str, Any]) -> str:
    return str(call["id"])


def _now_ns() -> int:
    return int(_clock.now().timestamp() * 1e6) * 1_000
