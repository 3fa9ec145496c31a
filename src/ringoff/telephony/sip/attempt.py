"""One attempt on a SIP trunk: the callee's leg, the agent's leg, and what the engine hears of them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from ringoff.domain.attempt_records import OriginateRequest
from ringoff.domain.carrier import HandlingKind
from ringoff.domain.events import Answered, CarrierEvent, PermitWanted, Progressed, Rang, Released
from ringoff.domain.release_cause import ReleaseCause
from ringoff.ports import Clock
from ringoff.telephony.sip.leg import Invite, Leg
from ringoff.telephony.sip.stack import Stack


class SipAttempt:
    """Third party call control, RFC 3725 flow I: the callee's offer goes to the agent, the agent's answer back in ACK.

    With ``offer_in_invite`` flow III: the callee is invited with an inactive offer and acknowledged at once; then the
    agent is invited without one, and what it offers goes to the callee in a new INVITE within the call.

    ``gateways`` are the invitations to try in this order, ``agent`` the one for the agent's leg (None: nobody).
    """

    def __init__(
        self,
        request: OriginateRequest,
        stack: Stack,
        clock: Clock,
        report: Callable[[CarrierEvent], None],
        *,
        gateways: Sequence[Invite],
        agent: Invite | None,
        agent_answer_timeout_s: float,
        offer_in_invite: bool,
    ) -> None:
        self.request = request
        self.is_over = False
        self._stack = stack
        self._clock = clock
        self._report = report
        self._gateways = list(gateways)
        self._agent_invite = agent
        self._agent_answer_timeout_s = agent_answer_timeout_s
        self._offer_in_invite = offer_in_invite
        self._callee = Leg(stack, self)
        self._agent: Leg | None = None
        self._agent_timer: asyncio.TimerHandle | None = None
        self._waits_for_gateway: ReleaseCause | None = None
        self._has_progressed = False
        self._has_rung = False
        self._answered_s: float | None = None
        self._is_released_by_us = False
        self._agent_failed = False

    def send(self) -> OSError | None:
        """Write the INVITE to the next gateway: the step before which the clock was looked at."""
        self._waits_for_gateway = None
        self._callee = Leg(self._stack, self)
        has_offer = self._offer_in_invite or self.request.handling.kind is not HandlingKind.SIP_URI
        return self._callee.invite(self._gateways.pop(0), self._callee.hold_sdp() if has_offer else None)

    def resume(self) -> OSError | None:
        if self._waits_for_gateway is not None:
            return self.send()
        return self._callee.answer_challenge()

    def release(self) -> None:
        self._is_released_by_us = True
        if self._waits_for_gateway is not None:
            self._over(self._waits_for_gateway)
        else:
            self._callee.end()

    def leg_progressed(self, leg: Leg, status: int) -> None:
        if leg is not self._callee or self._answered_s is not None:
            return
        if status == 180 and not self._has_rung:
            self._has_rung = True
            self._report(Rang(self.request.attempt_id, self._clock.now()))
        elif not (self._has_progressed or self._has_rung):
            self._has_progressed = True
            self._report(Progressed(self.request.attempt_id, self._clock.now()))

    def leg_challenged(self, leg: Leg, cause: ReleaseCause) -> None:
        if leg is self._callee:
            self._report(PermitWanted(self.request.attempt_id, self._clock.now(), f"challenged: {cause.sip_status}"))
        else:
            leg.end()

    def leg_answered(self, leg: Leg, offer: Any) -> None:
        if leg is not self._callee:
            self._agent_answered(offer)
            return
        if leg.is_over:
            return
        self._answered_s = self._clock.monotonic()
        self._report(Answered(self.request.attempt_id, self._clock.now()))
        if self._agent_invite is not None:
            self._call_agent(self._agent_invite, offer)

    def leg_updated(self, leg: Leg, answer: Any) -> None:
        if leg is not self._callee or self._agent is None:
            return
        if answer is None:
            self._agent_gone()
        else:
            self._stop_agent_timer()
            self._agent.accept(answer)

    def leg_ended(self, leg: Leg, cause: ReleaseCause, *, got_reply: bool) -> None:
        if leg is not self._callee:
            self._agent_gone()
        elif self._may_try_next(cause, got_reply=got_reply):
            self._waits_for_gateway = cause
            reason = f"next gateway after {cause.sip_status}" if got_reply else "next gateway: no reply"
            self._report(PermitWanted(self.request.attempt_id, self._clock.now(), reason))
        else:
            self._over(cause)

    def _call_agent(self, invite: Invite, offer: Any) -> None:
        self._agent = Leg(self._stack, self)
        body = None if self._offer_in_invite else offer
        if offer is None or self._agent.invite(invite, body) is not None:
            self._agent_gone()
            return
        self._agent_timer = asyncio.get_running_loop().call_later(self._agent_answer_timeout_s, self._agent_gone)

    def _agent_answered(self, description: Any) -> None:
        if not self._offer_in_invite:
            self._stop_agent_timer()
            self._callee.accept(description)
        elif description is None:
            self._agent_gone()
        else:
            # The agent's time goes on until the callee has taken its offer.
            self._callee.update(description)

    def _agent_gone(self) -> None:
        """Refused, silent or hung up: nobody is left to talk with the callee."""
        self._stop_agent_timer()
        if not self.is_over:
            self._agent_failed = not self._is_released_by_us
            self._callee.end()

    def _stop_agent_timer(self) -> None:
        if self._agent_timer is not None:
            self._agent_timer.cancel()
            self._agent_timer = None

    def _may_try_next(self, cause: ReleaseCause, *, got_reply: bool) -> bool:
        if not self._gateways or self._has_rung or self._answered_s is not None or self._is_released_by_us:
            return False
        return not got_reply or 500 <= (cause.sip_status or 0) < 600

    def _over(self, cause: ReleaseCause) -> None:
        if self.is_over:
            return
        self.is_over = True
        self._stop_agent_timer()
        if self._agent is not None:
            self._agent.end()
        now_s = self._clock.monotonic()
        was_answered = self._answered_s is not None
        self._report(
            Released(
                self.request.attempt_id,
                self._clock.now(),
                cause,
                was_answered,
                talk_ms=max(0, round((now_s - (self._answered_s or now_s)) * 1_000)) if was_answered else 0,
                agent_failed=was_answered and self._agent_failed,
            )
        )
