"""One attempt that this process has put on the wire, until it is settled."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ringoff.domain.attempt_records import ClaimedCall, DialWork, SettleEntry
from ringoff.domain.call_config import CallConfig
from ringoff.domain.events import Answered, CarrierEvent, Rang, Released
from ringoff.domain.release_cause import Disposition, Outcome, ReleaseCause, classify
from ringoff.domain.retry_policy import next_step


class Phase(StrEnum):
    SENT = "sent"
    RINGING = "ringing"
    ANSWERED = "answered"


class OurRelease(StrEnum):
    """Why we, and not the carrier, ended the attempt."""

    RING_TIMEOUT = "ring timeout"
    MAX_LENGTH = "maximum call length"
    SILENCE = "nothing came back"


@dataclass(slots=True)
class LiveAttempt:
    """What the dialer remembers of one request; the database keeps the rest."""

    work: DialWork
    claimed: ClaimedCall
    deadline: float
    """Monotonic; what is due then depends on the phase."""
    phase: Phase = Phase.SENT
    is_permit_over: bool = False
    """The permit's transaction has ended; until then events wait in ``early``."""
    early: list[CarrierEvent] = field(default_factory=list)
    rang_at: datetime | None = None
    answered_at: datetime | None = None
    voicemail_detected: bool = False
    our_release: OurRelease | None = None

    @property
    def config(self) -> CallConfig:
        return self.claimed.call_config or self.work.call_config

    def note(self, event: Rang | Answered, now: float, ring_timeout_s: float) -> None:
        if isinstance(event, Rang):
            if self.phase is Phase.SENT:
                self.phase, self.rang_at, self.deadline = Phase.RINGING, event.at, now + ring_timeout_s
        elif self.phase is not Phase.ANSWERED:
            self.phase, self.answered_at = Phase.ANSWERED, event.at
            self.voicemail_detected = event.voicemail_detected
            self.deadline = now + self.config.max_call_length_s

    def outcome_of(self, released: Released) -> Outcome:
        was_answered = released.was_answered or self.phase is Phase.ANSWERED
        return Outcome(
            disposition=classify(
                released.cause,
                was_answered=was_answered,
                ring_timed_out=self.our_release is OurRelease.RING_TIMEOUT,
            ),
            cause=released.cause,
            talk_ms=released.talk_ms,
            voicemail_detected=released.voicemail_detected or self.voicemail_detected,
            max_length_reached=self.our_release is OurRelease.MAX_LENGTH,
        )

    def settle_entry(self, outcome: Outcome, released_at: datetime, now: datetime) -> SettleEntry:
        step = next_step(
            outcome,
            self.config.retry,
            self.config.window,
            self.claimed.retries_used,
            self.claimed.congestion_count,
            now,
        )
        answered_at = self.answered_at
        if answered_at is None and outcome.disposition is Disposition.ANSWERED:
            answered_at = released_at
        return SettleEntry(
            workspace_id=self.work.workspace_id,
            campaign_id=self.work.campaign_id,
            attempt_id=self.claimed.attempt_id,
            call_id=self.claimed.call_id,
            outcome=outcome,
            rang_at=self.rang_at,
            answered_at=answered_at,
            released_at=released_at,
            status=step.status,
            sub_status=step.sub_status,
            next_attempt_at=step.next_attempt_at,
            spends_retry=step.spends_retry,
        )


NOTHING_CAME_BACK = Outcome(Disposition.INDETERMINATE, ReleaseCause(text="nothing came back"))
SENT_OR_NOT = Outcome(Disposition.INDETERMINATE, ReleaseCause(text="the request may or may not have left"))
