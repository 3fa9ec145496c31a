"""How a dial attempt ended: what the wire said (release cause) and our word for it (disposition)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Disposition(StrEnum):
    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    UNWANTED = "unwanted"
    INVALID_NUMBER = "invalid_number"
    CONGESTION = "congestion"
    NETWORK_FAILURE = "network_failure"
    TRUNK_REFUSED = "trunk_refused"
    AGENT_FAILED = "agent_failed"
    """Answered, but nobody took the call: the agent refused, hung or went away."""
    CANCELLED = "cancelled"
    INDETERMINATE = "indeterminate"


TEXT_LENGTH_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class ReleaseCause:
    """What the wire said, kept always: SIP status (RFC 3261), Q.850 cause, and the carrier's own text."""

    sip_status: int | None = None
    q850_cause: int | None = None
    text: str = ""

    def __post_init__(self) -> None:
        # What a carrier sends is not ours to trust: it must fit the record, whatever it is.
        for name, most in (("sip_status", 999), ("q850_cause", 127)):
            code = getattr(self, name)
            if code is not None and not 0 <= code <= most:
                object.__setattr__(self, name, None)
        object.__setattr__(self, "text", _recordable(self.text))


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished attempt: the disposition, the cause behind it, and the answered time."""

    disposition: Disposition
    cause: ReleaseCause
    talk_ms: int = 0
    voicemail_detected: bool = False
    max_length_reached: bool = False
    was_terminated: bool = False
    """An order asked for its release."""
    is_put_back: bool = False
    """Ended by us before it could ring: the call waits as if it had not been tried."""


_BY_SIP_STATUS: Final[Mapping[int, Disposition]] = {
    401: Disposition.TRUNK_REFUSED,
    403: Disposition.TRUNK_REFUSED,
    404: Disposition.INVALID_NUMBER,
    407: Disposition.TRUNK_REFUSED,
    408: Disposition.NO_ANSWER,
    410: Disposition.INVALID_NUMBER,
    480: Disposition.NO_ANSWER,
    484: Disposition.INVALID_NUMBER,
    486: Disposition.BUSY,
    487: Disposition.NO_ANSWER,
    503: Disposition.CONGESTION,
    600: Disposition.BUSY,
    603: Disposition.REJECTED,
    604: Disposition.INVALID_NUMBER,
    607: Disposition.UNWANTED,
    608: Disposition.UNWANTED,
}

_BY_Q850_CAUSE: Final[Mapping[int, Disposition]] = {
    1: Disposition.INVALID_NUMBER,
    16: Disposition.NO_ANSWER,  # cleared normally, but it was not answered
    17: Disposition.BUSY,
    18: Disposition.NO_ANSWER,
    19: Disposition.NO_ANSWER,
    20: Disposition.NO_ANSWER,
    21: Disposition.REJECTED,
    22: Disposition.INVALID_NUMBER,
    28: Disposition.INVALID_NUMBER,
    31: Disposition.NO_ANSWER,  # "normal, unspecified"; RFC 3398 maps it to 480
    34: Disposition.CONGESTION,
    42: Disposition.CONGESTION,
}
_Q850_MAX: Final = 127

# What Twilio's REST API, and those that copy it, answer instead of making a call: by error code, then by HTTP status.
# Source: https://www.twilio.com/docs/api/errors.
_BY_API_CODE: Final[Mapping[int, Disposition]] = {
    10001: Disposition.TRUNK_REFUSED,  # account is not active
    10004: Disposition.CONGESTION,  # call concurrency limit exceeded
    20003: Disposition.TRUNK_REFUSED,  # authentication
    20005: Disposition.TRUNK_REFUSED,  # account not active
    20006: Disposition.TRUNK_REFUSED,  # access denied
    20008: Disposition.TRUNK_REFUSED,  # test credentials cannot do this
    20429: Disposition.CONGESTION,  # too many requests
    # The number is not one that can be rung.
    21211: Disposition.INVALID_NUMBER,  # invalid 'To' number
    21214: Disposition.INVALID_NUMBER,  # 'To' number cannot be reached
    21217: Disposition.INVALID_NUMBER,  # number does not appear to be valid
    # The account may not ring this number, and the trunk works on: the country is off, it is blocked, or not verified
    # on a trial account. Nothing changes by trying again.
    21215: Disposition.REJECTED,
    21216: Disposition.REJECTED,
    21219: Disposition.REJECTED,
    # The calling number is not this account's: the same for every call of the campaign. Calls are put back and the
    # trunk is stopped with an alarm, which beats a campaign that fails as a whole.
    21210: Disposition.TRUNK_REFUSED,
    21212: Disposition.TRUNK_REFUSED,
}
_BY_API_STATUS: Final[Mapping[int, Disposition]] = {
    401: Disposition.TRUNK_REFUSED,
    403: Disposition.TRUNK_REFUSED,
    404: Disposition.TRUNK_REFUSED,  # no such account at this address
    429: Disposition.CONGESTION,
    503: Disposition.CONGESTION,
}

# What a CANCEL of ours brings back: 487, sometimes 408, from some carriers nothing at all.
_AFTER_CANCEL: Final = frozenset({None, 408, 487})
_RATE_LIMIT_TEXT: Final = re.compile(r"\b(?:cps|concurren\w*|limit\w*|rates?|too many|throttl\w*)\b", re.IGNORECASE)


def classify(
    cause: ReleaseCause,
    *,
    was_answered: bool,
    ring_timed_out: bool = False,
    we_cancelled: bool = False,
    agent_failed: bool = False,
) -> Disposition:
    """Our word for what the wire said. The SIP status decides; the Q.850 cause speaks only where there is none.

    ``we_cancelled`` and ``ring_timed_out`` name the reason of a CANCEL of ours. A final answer that crossed it on the
    wire (a 486, say) is still what happened and wins. ``agent_failed``: it was answered, but nobody took the call.
    """
    if was_answered and agent_failed:
        return Disposition.AGENT_FAILED
    if was_answered:
        return Disposition.ANSWERED
    if cause.sip_status in _AFTER_CANCEL and (we_cancelled or ring_timed_out):
        return Disposition.CANCELLED if we_cancelled else Disposition.NO_ANSWER
    if cause.sip_status is not None:
        return _by_sip_status(cause.sip_status, cause.text)
    return _by_q850_cause(cause.q850_cause)


def classify_api_refusal(http_status: int, code: int | None) -> Disposition:
    """Our word for a call that a REST API refused to make: nothing left, so there is no status of the wire."""
    by_code = None if code is None else _BY_API_CODE.get(code)
    return by_code or _BY_API_STATUS.get(http_status, Disposition.NETWORK_FAILURE)


def _by_sip_status(status: int, text: str) -> Disposition:
    if known := _BY_SIP_STATUS.get(status):
        return known
    match status // 100:
        case 2:
            return Disposition.ANSWERED
        case 5 if _RATE_LIMIT_TEXT.search(text):
            return Disposition.CONGESTION
        case 3 | 4 | 5:
            # A redirect nobody followed, a request the far side could not read, a broken server: perhaps better later.
            return Disposition.NETWORK_FAILURE
        case 6:
            # Refused wherever the callee can be reached.
            return Disposition.REJECTED
        case _:
            # Only provisional answers: the last word never came.
            return Disposition.INDETERMINATE


def _by_q850_cause(cause: int | None) -> Disposition:
    if cause is None or not 0 < cause <= _Q850_MAX:
        return Disposition.INDETERMINATE
    # The rest are routes, resources, services, protocols: 2, 3, 27, 38, 41 and the like.
    return _BY_Q850_CAUSE.get(cause, Disposition.NETWORK_FAILURE)


def _recordable(text: str) -> str:
    """Without what a database refuses (NUL, lone surrogates), and no longer than a reason phrase needs to be."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")[:TEXT_LENGTH_MAX]
