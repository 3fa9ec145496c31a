"""Twilio's words for the state of a call, and what they say of an attempt.

Source: https://www.twilio.com/docs/voice/api/call-resource#call-status-values and, for SipResponseCode,
https://www.twilio.com/docs/voice/api/call-resource#statuscallback.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from ringoff.domain.release_cause import ReleaseCause


class Stage(IntEnum):
    """Where a call is; it never goes back."""

    QUEUED = 0
    """Taken, and waiting for its turn in Twilio's own pace."""
    DIALLED = 1
    RINGING = 2
    ANSWERED = 3
    OVER = 4


STAGE_BY_STATUS: Final[Mapping[str, Stage]] = {
    "queued": Stage.QUEUED,
    "initiated": Stage.DIALLED,
    "ringing": Stage.RINGING,
    "in-progress": Stage.ANSWERED,
    "answered": Stage.ANSWERED,
    "completed": Stage.OVER,
    "busy": Stage.OVER,
    "no-answer": Stage.OVER,
    "canceled": Stage.OVER,
    "failed": Stage.OVER,
}
# Twilio says these words where it has no SIP status. Q.850: 16 normal clearing, 17 user busy, 19 no answer, 127
# interworking, which stands for a failure that nobody explains.
_Q850_BY_STATUS: Final[Mapping[str, int]] = {
    "completed": 16,
    "busy": 17,
    "no-answer": 19,
    "canceled": 16,
    "failed": 127,
}
# How DialCallStatus says that the second leg, to the agent, did not come up.
LEG_FAILED: Final = frozenset({"busy", "no-answer", "failed", "canceled"})
MACHINES: Final = frozenset({"machine_start", "machine_end_beep", "machine_end_silence", "machine_end_other", "fax"})


def release_cause(status: str, sip_response_code: str, *, was_answered: bool) -> ReleaseCause:
    """Of a final status. A SIP status that contradicts it (a 200 of a call that nobody answered) is left out."""
    sip_status = whole_number(sip_response_code)
    if was_answered:
        # An answered call was a 200; what the field holds then is the answer to INVITE, if anything.
        return ReleaseCause(200, 16, status)
    if sip_status is not None and 300 <= sip_status <= 699:
        return ReleaseCause(sip_status, None, status)
    return ReleaseCause(None, _Q850_BY_STATUS.get(status), status)


def whole_number(text: str) -> int | None:
    """A number that a carrier wrote, if it is one and not absurd."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
