"""One attempt as Twilio tells it: what each report, in whatever order it comes, says that is new."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ringoff.domain.events import Answered, CarrierEvent, Progressed, Rang, Released
from ringoff.domain.identifiers import AttemptId
from ringoff.telephony.twilio.call_status import MACHINES, STAGE_BY_STATUS, Stage, release_cause, whole_number
from ringoff.telephony.twilio.config import TwilioTrunk


@dataclass(slots=True)
class StatusReport:
    """What a callback, a fetched call or the answer to an update says."""

    status: str
    sequence_number: int | None = None
    """Only callbacks have one."""
    sip_response_code: str = ""
    duration_s: str = ""


@dataclass(slots=True)
class TwilioCall:
    """An attempt and its call, from the step before the request until the carrier says that it is over."""

    attempt_id: AttemptId
    trunk: TwilioTrunk
    called_number: str
    calling_number: str
    sent_at: datetime
    sent_s: float
    """Monotonic, like all ``_s`` here."""
    heard_s: float
    """When it was last reported, or asked for."""
    sid: str | None = None
    """Unknown until the create is answered or the first report comes."""
    stage: Stage = Stage.QUEUED
    sequence_number: int = -1
    answered_s: float | None = None
    voicemail_detected: bool = False
    agent_failed: bool = False
    is_doomed: bool = False
    """To be ended: asked for again until the carrier says that it is over."""
    is_lost: bool = False
    """Its create was not answered: the engine has written it off, and whatever rings for it is ended."""
    looks: int = 0
    """How often a lost one was looked for."""

    @property
    def is_over(self) -> bool:
        return self.stage is Stage.OVER

    def note(self, report: StatusReport, now: datetime, now_s: float) -> Sequence[CarrierEvent]:
        """The events that this report makes: none when it is late, repeated or unknown. The first final one stays."""
        self.heard_s = now_s
        stage = STAGE_BY_STATUS.get(report.status)
        if stage is None or stage <= self.stage or self._is_late(report, stage):
            return []
        was_answered_before = self.stage is Stage.ANSWERED
        self.stage = stage
        match stage:
            case Stage.DIALLED:
                return [Progressed(self.attempt_id, now)]
            case Stage.RINGING:
                return [Rang(self.attempt_id, now)]
            case Stage.ANSWERED:
                self.answered_s = now_s
                return [Answered(self.attempt_id, now, self.voicemail_detected)]
            case _:
                return self._released(report, now, now_s, was_answered=was_answered_before)

    def _is_late(self, report: StatusReport, stage: Stage) -> bool:
        """A later report has come before it. A final one is never too late: what came before it were the wrong ones."""
        if report.sequence_number is None:
            return False
        is_late = report.sequence_number <= self.sequence_number and stage is not Stage.OVER
        self.sequence_number = max(self.sequence_number, report.sequence_number)
        return is_late

    def _released(
        self, report: StatusReport, now: datetime, now_s: float, *, was_answered: bool
    ) -> Sequence[CarrierEvent]:
        duration_s = whole_number(report.duration_s)
        events: list[CarrierEvent] = []
        if report.status == "completed" and not was_answered and not (self.is_doomed and not duration_s):
            # The report of the answer was lost or comes later. ("completed" is also what our own end of a call that
            # still rang may be called: then nobody talked.)
            was_answered = True
            events.append(Answered(self.attempt_id, now, self.voicemail_detected))
        cause = release_cause(report.status, report.sip_response_code, was_answered=was_answered)
        talk_ms = self._talk_ms(now_s, duration_s) if was_answered else 0
        events.append(
            Released(
                self.attempt_id,
                now,
                cause,
                was_answered,
                talk_ms=talk_ms,
                voicemail_detected=was_answered and self.voicemail_detected,
                agent_failed=was_answered and self.agent_failed,
            )
        )
        return events

    def _talk_ms(self, now_s: float, duration_s: int | None) -> int:
        """Our own measure, kept within the whole seconds of the carrier's: reports travel for unequal times."""
        if self.answered_s is None:
            return (duration_s or 0) * 1_000
        measured_ms = max(0, round((now_s - self.answered_s) * 1_000))
        if duration_s is None:
            return measured_ms
        return min(max(measured_ms, (duration_s - 1) * 1_000, 0), (duration_s + 1) * 1_000)

    def note_answered_by(self, word: str) -> None:
        """What machine detection found; it is passed on with the next event that can carry it."""
        if word in MACHINES:
            self.voicemail_detected = True
