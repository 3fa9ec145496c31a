"""One attempt that this process has put on the wire, until it is settled."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from ringoff.domain.attempt_records import ClaimedCall, DialWork, SettleEntry
from ringoff.domain.call_config import CallConfig
from ringoff.domain.events import Answered, CarrierEvent, Progressed, Rang, Released
from ringoff.domain.identifiers import TerminationId
from ringoff.domain.release_cause import Disposition, Outcome, ReleaseCause, classify
from ringoff.domain.retry_policy import next_step
from ringoff.observer_port import AttemptEnd


class Phase(StrEnum):
    SENT = "sent"
    PROGRESSING = "progressing"
    """The carrier has it (100, 183), and has not said that it rings."""
    RINGING = "ringing"
    ANSWERED = "answered"


class OurRelease(StrEnum):
    """Why we, and not the carrier, ended the attempt."""

    RING_TIMEOUT = "ring timeout"
    MAX_LENGTH = "maximum call length"
    SILENCE = "nothing came back"
    TERMINATED = "terminated"
    """An order asked for it."""


@dataclass(slots=True)
class LiveAttempt:
    """What the dialer remembers of one request; the database keeps the rest."""

    work: DialWork
    claimed: ClaimedCall
    deadline: float
    """Monotonic; what is due then depends on the phase."""
    sent_at: float = 0.0
    """Monotonic."""
    phase: Phase = Phase.SENT
    is_permit_over: bool = False
    """The permit's transaction has ended; until then events wait in ``early``."""
    is_permit_lost: bool = False
    """Its commit was not confirmed: the call may still be pending in the database."""
    is_waiting: bool = False
    """Its driver has asked for a second permit and sends nothing until then."""
    early: list[CarrierEvent] = field(default_factory=list)
    rang_at: datetime | None = None
    answered_at: datetime | None = None
    is_answer_written: bool = False
    voicemail_detected: bool = False
    our_release: OurRelease | None = None
    hung_up_by: TerminationId | None = None
    originated_at: datetime | None = None
    place: object = None
    """What the observer gave when the request had left."""

    @property
    def config(self) -> CallConfig:
        return self.claimed.call_config or self.work.call_config

    def note(self, event: Progressed | Rang | Answered, now: float, ring_timeout_s: float) -> None:
        deadline = self.deadline
        if isinstance(event, Progressed):
            if self.phase is Phase.SENT:
                self.phase, deadline = Phase.PROGRESSING, now + ring_timeout_s
        elif isinstance(event, Rang):
            if self.phase in {Phase.SENT, Phase.PROGRESSING}:
                self.phase, self.rang_at, deadline = Phase.RINGING, event.at, now + ring_timeout_s
        elif self.phase is not Phase.ANSWERED:
            self.phase, self.answered_at = Phase.ANSWERED, event.at
            self.voicemail_detected = event.voicemail_detected
            deadline = now + self.config.max_call_length_s
        if self.our_release is None:
            # What crosses our release gets no new time: the grace for its confirmation runs on.
            self.deadline = deadline

    def outcome_of(self, released: Released) -> Outcome:
        was_answered = released.was_answered or self.phase is Phase.ANSWERED
        return Outcome(
            disposition=released.disposition
            or classify(
                released.cause,
                was_answered=was_answered,
                ring_timed_out=self.our_release is OurRelease.RING_TIMEOUT,
                we_cancelled=self.our_release is OurRelease.TERMINATED,
                agent_failed=released.agent_failed and self.our_release is None,
            ),
            cause=released.cause,
            talk_ms=released.talk_ms,
            voicemail_detected=released.voicemail_detected or self.voicemail_detected,
            max_length_reached=self.our_release is OurRelease.MAX_LENGTH,
            was_terminated=self.our_release is OurRelease.TERMINATED,
        )

    def unconfirmed(self, now: datetime) -> Outcome:
        """What we write down when we released the attempt a grace ago and the carrier has not confirmed."""
        if self.our_release is OurRelease.MAX_LENGTH:
            talk_ms = self.config.max_call_length_s * 1_000
            cause = ReleaseCause(text="released by us, not confirmed")
            return Outcome(Disposition.ANSWERED, cause, talk_ms, max_length_reached=True)
        cause = ReleaseCause(text=f"{self.our_release}, not confirmed")
        was_terminated = self.our_release is OurRelease.TERMINATED
        if self.answered_at is None:
            if self.phase is Phase.PROGRESSING and not was_terminated:
                # It had it, and we do not know what became of it there: it may ring on.
                return Outcome(Disposition.INDETERMINATE, cause)
            disposition = Disposition.CANCELLED if was_terminated else Disposition.NO_ANSWER
            return Outcome(disposition, cause, was_terminated=was_terminated)
        # An answer that crossed our release was one: nobody is rung again who has answered.
        talk_ms = max(0, round((now - self.answered_at).total_seconds() * 1_000))
        return Outcome(Disposition.ANSWERED, cause, talk_ms, was_terminated=was_terminated)

    def end(self, entry: SettleEntry) -> AttemptEnd:
        """For the observer, once it is written."""
        return AttemptEnd(
            attempt_id=entry.attempt_id,
            call_id=entry.call_id,
            campaign_id=entry.campaign_id,
            driver=self.work.trunk.driver,
            outcome=entry.outcome,
            originated_at=self.originated_at,
            rang_at=entry.rang_at,
            answered_at=entry.answered_at,
            released_at=entry.released_at,
            place=self.place,
        )

    def settle_entry(self, outcome: Outcome, released_at: datetime, now: datetime) -> SettleEntry:
        step = next_step(
            outcome,
            replace(self.config.retry, retry_agent_failed=self.work.handling.is_failure_retried),
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
            hung_up_by=self.hung_up_by,
            is_answer_new=answered_at is not None and not self.is_answer_written,
        )


NOTHING_CAME_BACK = Outcome(Disposition.INDETERMINATE, ReleaseCause(text="nothing came back"))
SENT_OR_NOT = Outcome(Disposition.INDETERMINATE, ReleaseCause(text="the request may or may not have left"))
