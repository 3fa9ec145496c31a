"""One SIP dialog of ours: a thin layer over sippy's user agent that never sends a request to ring by itself."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from ringoff.domain.release_cause import ReleaseCause
from ringoff.telephony.sip.stack import (
    UA,
    CCEventConnect,
    CCEventDisconnect,
    CCEventFail,
    CCEventTry,
    CCEventUpdate,
    MsgBody,
    Stack,
    header,
)

CANCEL_PATIENCE_S: Final = 33.0
"""RFC 3261 9.1: 64*T1 after a CANCEL without a final answer the call is over; a little more for the timer's own 408."""
_NO_REPLY: Final = ReleaseCause(text="no reply")
_Q850: Final = re.compile(r"Q\.850\s*;.*?cause\s*=\s*(\d{1,3})", re.IGNORECASE)
_ORIGIN: Final = re.compile(r"^o=.*?(\r?)$", re.MULTILINE)
_HOLD_SDP: Final = (
    "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8 101\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=inactive\r\n"
)


class LegOwner(Protocol):
    """Who hears what happens to a leg. ``leg_ended`` comes once, also after ``Leg.end``."""

    def leg_progressed(self, leg: "Leg", status: int) -> None: ...
    def leg_challenged(self, leg: "Leg", cause: ReleaseCause) -> None: ...
    def leg_answered(self, leg: "Leg", offer: Any) -> None:
        """``offer`` is the other side's session description; it waits for ``accept`` when the INVITE had none."""

    def leg_updated(self, leg: "Leg", answer: Any) -> None:
        """``answer`` is the other side's to the offer of ``Leg.update``, None when it refused."""

    def leg_ended(self, leg: "Leg", cause: ReleaseCause, *, got_reply: bool) -> None: ...


class _Nobody:
    """Owns a leg that is over: the leg refers to its attempt no more, and the attempt's memory is free at once."""

    def leg_progressed(self, leg: "Leg", status: int) -> None: ...
    def leg_challenged(self, leg: "Leg", cause: ReleaseCause) -> None: ...
    def leg_answered(self, leg: "Leg", offer: Any) -> None: ...
    def leg_updated(self, leg: "Leg", answer: Any) -> None: ...
    def leg_ended(self, leg: "Leg", cause: ReleaseCause, *, got_reply: bool) -> None: ...


_NOBODY: Final = _Nobody()


@dataclass(frozen=True, slots=True)
class Invite:
    """Who is called, where, and what goes along."""

    called: str
    calling: str
    host: str
    port: int
    address: tuple[str, int]
    from_domain: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    headers: Sequence[tuple[str, str]] = ()
    uri_parameters: Mapping[str, str] = field(default_factory=dict)


class _UserAgent(UA):  # type: ignore[misc]
    leg: "Leg"

    def cleanup(self) -> None:
        """Dead, 32 s after its end: what it holds refers back to it, and would wait for the collector of cycles."""
        super().cleanup()
        self.leg.soon(self.__dict__.clear)

    def recvRequest(self, request: Any, transaction: Any) -> Any:  # noqa: N802
        try:
            return super().recvRequest(request, transaction)
        finally:
            # sippy hangs an answer on the request that refers to the request: used by now, and a cycle.
            request.__dict__.pop("sendResponse", None)

    def processChallenge(self, *challenge: Any) -> bool:  # noqa: N802
        """Keep the challenge instead of answering it: the answer is a request to ring and needs a permit.

        A challenge to a new INVITE within an answered call is answered: that rings nobody.
        """
        response, cseq, _, answer_header, _ = challenge
        if self.username is None or self.reqs[cseq].countHFs(answer_header) != 0:
            return False
        if self.leg.is_answered:
            # Later, because sippy acknowledges the challenge only when this returns.
            self.leg.soon(self._answer_in_call, challenge)
            return True
        if self.leg.challenge is not None:
            return False
        self.leg.take_challenge(challenge, _cause(response))
        return True

    def answer_challenge(self, challenge: Sequence[Any]) -> bool:
        return bool(super().processChallenge(*challenge))

    def _answer_in_call(self, challenge: Sequence[Any]) -> None:
        if self.isConnected() and not self.answer_challenge(challenge):
            self.leg.update_failed()

    def recvResponse(self, response: Any, transaction: Any) -> None:  # noqa: N802
        status = response.getSCode()[0]
        is_invite = response.getHFBody("cseq").getCSeq()[1] == "INVITE"
        if is_invite and status >= 200:
            got_reply = response is not transaction.r408
            # The stack's own 408 is no word of the carrier: what rang there, nobody knows.
            self.leg.note_final(_cause(response) if got_reply else _NO_REPLY, got_reply=got_reply)
        if is_invite and status >= 300:
            # sippy would send the ACK to the Contact; RFC 3261 17.1.1.3: it goes where the INVITE went.
            response.delHFs("contact")
            response.delHFs("record-route")
        if is_invite and self.leg.is_cancelled and status >= 200:
            if 200 <= status < 300 and self.late_media:
                transaction.ack.setBody(self.leg.hold_sdp())
            # sippy would send the BYE of a crossed answer before its ACK.
            self.leg.soon(self._after_cancel, response, transaction)
            return
        super().recvResponse(response, transaction)

    def _after_cancel(self, response: Any, transaction: Any) -> None:
        super().recvResponse(response, transaction)
        self.leg.finish()


class _Try(CCEventTry):  # type: ignore[misc]
    invite: Invite

    def onUacSetupComplete(self, agent: Any) -> None:  # noqa: N802
        """Names instead of addresses in the request's URI and in To, as it was configured; the address is the hop."""
        invite = self.invite
        agent.rTarget.host = invite.host
        agent.rTarget.other = [f"{name}={text}" for name, text in invite.uri_parameters.items()]
        agent.rUri.getUrl().host = invite.host
        if invite.from_domain:
            agent.lUri.getUrl().host = invite.from_domain


class Leg:
    """A dialog from its INVITE to its end."""

    def __init__(self, stack: Stack, owner: LegOwner) -> None:
        self.challenge: Sequence[Any] | None = None
        self.is_cancelled = False
        self.is_answered = False
        self.is_over = False
        self._stack = stack
        self._owner = owner
        self._agent: Any = None
        self._is_waiting = False
        self._final = ReleaseCause()
        self._got_reply = False
        self._offer_waits = False
        self._is_updating = False
        self._patience: asyncio.TimerHandle | None = None

    def invite(self, invite: Invite, body: Any) -> OSError | None:
        """Write the INVITE; what the kernel said when it did not take it, and then nothing more is sent."""
        self._agent = _UserAgent(
            self._stack.config, event_cb=self._heard, username=invite.username, password=invite.password,
            nh_address=invite.address, nh_transport="udp",
        )  # fmt: skip
        self._agent.leg = self
        attempt = _Try((None, invite.calling, invite.called, body, None, None))
        attempt.invite = invite
        if invite.headers:
            attempt.extra_headers = tuple(header(name, text) for name, text in invite.headers)
        self._agent.recvEvent(attempt)
        return self._check_sent()

    def answer_challenge(self) -> OSError | None:
        """Send the INVITE again with credentials, once."""
        if self.challenge is None or not self._is_waiting:
            return None
        self._is_waiting = False
        if not self._agent.answer_challenge(self.challenge):
            self._finish_now()
            return None
        return self._check_sent()

    def hold_sdp(self) -> Any:
        address, port = self._stack.address
        return MsgBody(_HOLD_SDP.format(address=address, port=port))

    def accept(self, body: Any) -> None:
        """Acknowledge the answer with our side's session description."""
        if self._offer_waits and not self.is_over:
            self._offer_waits = False
            self._agent.recvEvent(CCEventConnect((200, "OK", body)))

    def update(self, body: Any) -> None:
        """Offer another side's session description within the answered call: a new INVITE, which rings nobody.

        Its origin stays ours, one version on (RFC 3264 8): to the peer it is the same session.
        """
        address, _ = self._stack.address
        if not self.is_over:
            self._is_updating = True
            text = _ORIGIN.sub(rf"o=- 1 2 IN IP4 {address}\1", str(body), count=1)
            self._agent.recvEvent(CCEventUpdate(MsgBody(text)))

    def update_failed(self) -> None:
        self._is_updating = False
        self._owner.leg_updated(self, None)

    def end(self) -> None:
        """CANCEL or BYE, whichever fits; nothing when it is over."""
        if self.is_over or self.is_cancelled:
            return
        if self._is_waiting:
            self._finish_now()
        elif self.is_answered:
            # An answer with an offer wants its ACK, with an answer in it, before the BYE.
            self.accept(self.hold_sdp())
            self._agent.recvEvent(CCEventDisconnect())
            self._final = ReleaseCause(200, 16, "released by us")
            self.finish()
        else:
            self.is_cancelled = True
            self._agent.recvEvent(CCEventDisconnect())
            # The user agent stays behind: an answer that comes later still is acknowledged and ended.
            self._patience = asyncio.get_running_loop().call_later(CANCEL_PATIENCE_S, self.finish)

    def soon(self, call: Any, *arguments: Any) -> None:
        asyncio.get_running_loop().call_soon(call, *arguments)

    def take_challenge(self, challenge: Sequence[Any], cause: ReleaseCause) -> None:
        self.challenge, self._is_waiting = challenge, True
        self._owner.leg_challenged(self, cause)

    def note_final(self, cause: ReleaseCause, *, got_reply: bool) -> None:
        self._final, self._got_reply = cause, got_reply

    def finish(self) -> None:
        """Tell the owner, once."""
        if self.is_over:
            return
        self.is_over = True
        if self._patience is not None:
            self._patience.cancel()
        owner, self._owner = self._owner, _NOBODY
        owner.leg_ended(self, self._final, got_reply=self._got_reply)

    def _finish_now(self) -> None:
        if self._agent.state is not None and not self._agent.isDead():
            self._agent.changeState((self._agent.UaStateDead,))
        self.finish()

    def _check_sent(self) -> OSError | None:
        error = self._stack.send_error
        if error is not None:
            self.is_over, self._owner = True, _NOBODY
            self._stack.forget(self._agent.tr)
            self._agent.changeState((self._agent.UaStateDead,))
        return error

    def _heard(self, event: Any, _agent: Any) -> None:
        if self.is_over:
            return
        match event.name:
            case "CCEventRing":
                self._owner.leg_progressed(self, event.getData()[0])
            case "CCEventConnect" | "CCEventFail" | "CCEventRedirect" if self._is_updating:
                self._is_updating = False
                answer = event.getData()[2] if event.name == "CCEventConnect" else None
                self.soon(self._owner.leg_updated, self, answer)
            case "CCEventConnect" | "CCEventPreConnect":
                self.is_answered = True
                self._offer_waits = event.name == "CCEventPreConnect"
                # Later, because sippy sends the ACK only when this returns, and a BYE must not overtake it.
                self.soon(self._owner.leg_answered, self, event.getData()[2])
            case "CCEventUpdate":
                # A new INVITE within the call (hold, codec change) is refused; the call goes on as it was.
                self.soon(self._agent.recvEvent, CCEventFail((488, "Not Acceptable Here")))
            case "CCEventDisconnect":
                self._final = ReleaseCause(200, 16, "released by the other side")
                # In turn: the answer before it may have come with the same reading of the socket.
                self.soon(self.finish)
            case "CCEventFail" | "CCEventRedirect":
                self.soon(self.finish)
            case _:
                pass


def _cause(response: Any) -> ReleaseCause:
    """Status and reason phrase, and the Q.850 cause of a Reason header (RFC 3326) when there is one to be read."""
    status, reason = response.getSCode()
    q850 = None
    if response.countHFs("reason"):
        # Whatever stands in that header, the final answer counts.
        with suppress(ValueError, TypeError, AttributeError, AssertionError, IndexError):
            if found := _Q850.search(str(response.getHFBody("reason"))):
                q850 = int(found[1])
    return ReleaseCause(status, q850, str(reason))
