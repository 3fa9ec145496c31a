"""Which attempts the driver knows, by attempt and by the carrier's id, and what becomes of what is said about them."""

import re
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

import structlog

from ringoff.domain.attempt_records import ExpiredAttempt
from ringoff.domain.events import Placed
from ringoff.domain.identifiers import AttemptId
from ringoff.ports import Clock
from ringoff.telephony.twilio.config import TwilioTrunk
from ringoff.telephony.twilio.report_queue import ReportQueue
from ringoff.telephony.twilio.rest import Reply
from ringoff.telephony.twilio.twilio_call import StatusReport, TwilioCall

log = structlog.get_logger()

FINISHED_MAX: Final = 10_000
"""Calls that are over and are remembered, so that a late report about one is known to be late."""
STRAYS_MAX: Final = 1_000
_SID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def is_sid(text: str) -> bool:
    """Whether it can be put into an address as the id of a call."""
    return _SID.fullmatch(text) is not None


class CallBook:
    """Calls by attempt; and strays: calls that ring for an attempt that nobody waits for, known by their id alone."""

    def __init__(self, clock: Clock, reports: ReportQueue) -> None:
        self._clock = clock
        self._reports = reports
        self._by_attempt: dict[AttemptId, TwilioCall] = {}
        self._strays: OrderedDict[str, TwilioCall] = OrderedDict()
        self._finished: OrderedDict[str, None] = OrderedDict()

    def __iter__(self) -> Iterator[TwilioCall]:
        """All, strays too; a copy, so that they may end meanwhile."""
        return iter([*self._by_attempt.values(), *self._strays.values()])

    def add(self, call: TwilioCall) -> None:
        self._by_attempt[call.attempt_id] = call

    def adopt(self, attempt: ExpiredAttempt) -> None:
        """A call of another process, which is gone; ``InvalidInput`` when its trunk cannot be read."""
        if attempt.attempt_id in self._by_attempt:
            return
        sid, now_s = attempt.driver_call_id, self._clock.monotonic()
        self.add(
            TwilioCall(
                attempt.attempt_id, TwilioTrunk.of(attempt.trunk), attempt.called_number, attempt.calling_number,
                attempt.sent_at, now_s, now_s, sid=sid if sid and is_sid(sid) else None, is_lost=True,
            )
        )  # fmt: skip

    def of(self, attempt_id: AttemptId) -> TwilioCall | None:
        return self._by_attempt.get(attempt_id)

    def learn_sid(self, call: TwilioCall, sid: str) -> None:
        """By the answer to its create, or by a report that overtook it."""
        if call.sid is None:
            call.sid = sid
            if not call.is_lost:
                self._reports.put(Placed(call.attempt_id, self._clock.now(), sid))

    def forget(self, call: TwilioCall) -> None:
        """It never rang, or nothing more can be learnt about it."""
        if self._by_attempt.get(call.attempt_id) is call:
            self._by_attempt.pop(call.attempt_id)
        if call.sid is not None:
            self._strays.pop(call.sid, None)

    def clear(self) -> None:
        self._by_attempt.clear()
        self._strays.clear()

    def knows(self, sid: str) -> bool:
        """Whether it is a call of ours, live or over."""
        return sid in self._finished or any(call.sid == sid for call in self)

    def is_finished(self, sid: str) -> bool:
        return sid in self._finished

    def add_stray(self, attempt_id: AttemptId, trunk: TwilioTrunk, sid: str) -> TwilioCall | None:
        """A call to be ended whose attempt is over or never was; None when that is under way."""
        if sid in self._strays:
            return None
        now_s = self._clock.monotonic()
        stray = TwilioCall(
            attempt_id, trunk, "", "", self._clock.now(), now_s, now_s, sid=sid, is_doomed=True, is_lost=True
        )
        self._strays[sid] = stray
        if len(self._strays) > STRAYS_MAX:
            dropped, _ = self._strays.popitem(last=False)
            log.error("too many stray calls: one is given up", call_sid=dropped)
        return stray

    def note(self, call: TwilioCall, report: StatusReport) -> None:
        """Pass on what is new in a report. A lost call says nothing: its attempt was written off."""
        events = call.note(report, self._clock.now(), self._clock.monotonic())
        if not call.is_lost:
            self._reports.put(*events)
        if call.is_over:
            self.forget(call)
            if call.sid is not None:
                self._finished[call.sid] = None
                if len(self._finished) > FINISHED_MAX:
                    self._finished.popitem(last=False)

    def note_reply(self, call: TwilioCall, reply: Reply) -> None:
        """The same from the call's resource, as a create, a fetch or an update answers it."""
        answered_by = reply.text("answered_by")
        if answered_by:
            call.note_answered_by(answered_by)
        self.note(call, StatusReport(reply.text("status"), duration_s=reply.text("duration")))
