"""The form of a create request.

Source: https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource.
"""

import math
from typing import Final

import structlog

from ringoff.domain.attempt_records import OriginateRequest
from ringoff.telephony.twilio.config import TwilioTrunk
from ringoff.telephony.twilio.instructions import instructions

log = structlog.get_logger()

STATUS_EVENTS: Final = ("initiated", "ringing", "answered", "completed")
TALK_MARGIN_S: Final = 5
"""The engine ends a call that talks for too long and writes that down; Twilio's own limit is for when we are gone."""
_RING_TIMEOUT_MAX_S: Final = 600
_TIME_LIMIT_MAX_S: Final = 86_400


def create_form(trunk: TwilioTrunk, request: OriginateRequest) -> list[tuple[str, str]]:
    """Every report about the call comes to an address that names the attempt."""
    report_to = trunk.callback_url(request.attempt_id)
    twiml, left_out = instructions(
        request.handling, request.parameters, talk_max_s=request.talk_max_s, report_to=report_to
    )
    if left_out:
        log.warning("parameters of a call had no room", attempt_id=str(request.attempt_id), left_out=left_out)
    form = [
        ("To", request.called_number),
        ("From", request.calling_number),
        ("Twiml", twiml),
        ("Timeout", str(min(max(1, math.ceil(request.ring_timeout_s)), _RING_TIMEOUT_MAX_S))),
        ("TimeLimit", str(min(math.ceil(request.talk_max_s) + TALK_MARGIN_S, _TIME_LIMIT_MAX_S))),
        ("StatusCallback", report_to),
        ("StatusCallbackMethod", "POST"),
    ]
    form += [("StatusCallbackEvent", event) for event in STATUS_EVENTS]
    if trunk.machine_detection:
        # Asynchronous: the agent talks at once, and the finding comes with a report of its own.
        form += [
            ("MachineDetection", "Enable"),
            ("AsyncAmd", "true"),
            ("AsyncAmdStatusCallback", report_to),
            ("AsyncAmdStatusCallbackMethod", "POST"),
        ]
    return form
