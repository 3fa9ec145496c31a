"""The TwiML that a call is created with: what Twilio does with the callee once somebody answers.

Source: https://www.twilio.com/docs/voice/twiml (Connect, Stream, Parameter, Dial, Sip, Play, Pause).
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from ringoff.domain.carrier import AnswerHandling, HandlingKind

TWIML_LENGTH_MAX: Final = 4_000
"""What a create request may carry in ``Twiml``."""
PARAMETER_LENGTH_MAX: Final = 500
"""Name and value of one stream parameter together."""
SIP_HEADERS_LENGTH_MAX: Final = 1_024
LEFT_OUT: Final = "ringoff_left_out"
"""The parameter that says how many others did not fit."""
OUR_IDS: Final = ("call_id", "attempt_id", "campaign_id", "agent_id")
_LENGTH_OF_LEFT_OUT: Final = 60
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]+")


def instructions(
    handling: AnswerHandling, parameters: Mapping[str, str], *, talk_max_s: float, report_to: str
) -> tuple[str, int]:
    """The TwiML, and how many of the parameters had no room in it.

    The ids go first and always fit. ``report_to`` hears how the way to the agent went: a media stream that breaks
    (stream-error), a second leg that is not answered (DialCallStatus).
    """
    match handling.kind:
        case HandlingKind.MEDIA_URL:
            return _stream(handling.target, parameters, report_to)
        case HandlingKind.SIP_URI:
            return _dial(handling.target, parameters, talk_max_s, report_to)
        case HandlingKind.PLAY:
            return _response(f"<Play>{_text(handling.target)}</Play>"), 0
        case HandlingKind.NONE:
            return _response(f'<Pause length="{math.ceil(talk_max_s)}"/>'), 0


def _stream(url: str, parameters: Mapping[str, str], report_to: str) -> tuple[str, int]:
    head = f"<Connect><Stream url={_attribute(url)} statusCallback={_attribute(report_to)}>"
    tail = "</Stream></Connect>"
    room = TWIML_LENGTH_MAX - len(_response(head + tail)) - _LENGTH_OF_LEFT_OUT
    inside, left_out = "", 0
    for name, value in _ids_first(parameters):
        element = f"<Parameter name={_attribute(name)} value={_attribute(value)}/>"
        if len(name) + len(value) > PARAMETER_LENGTH_MAX or len(inside) + len(element) > room:
            left_out += 1
        else:
            inside += element
    if left_out:
        inside += f'<Parameter name="{LEFT_OUT}" value="{left_out}"/>'
    return _response(head + inside + tail), left_out


def _dial(uri: str, parameters: Mapping[str, str], talk_max_s: float, report_to: str) -> tuple[str, int]:
    """Parameters go along as SIP headers in the address; only names that begin with ``X-`` pass Twilio."""
    headers, left_out = "", 0
    for name, value in _ids_first(parameters):
        header_name = "X-Ringoff-" + name.replace("_", "-")
        header = f"{header_name}={quote(value, safe='')}"
        whole = f"{headers}&{header}" if headers else header
        if not _HEADER_NAME.fullmatch(header_name) or len(whole) > SIP_HEADERS_LENGTH_MAX:
            left_out += 1
        else:
            headers = whole
    joint = "&" if "?" in uri else "?"
    sip = f"<Sip>{_text(uri + joint + headers if headers else uri)}</Sip>"
    limit = f'timeLimit="{math.ceil(talk_max_s)}"'
    return _response(f"<Dial {limit} action={_attribute(report_to)}>{sip}</Dial>"), left_out


def _ids_first(parameters: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield from ((name, parameters[name]) for name in OUR_IDS if name in parameters)
    yield from ((name, value) for name, value in parameters.items() if name not in OUR_IDS)


def _response(inside: str) -> str:
    return f"<Response>{inside}</Response>"


def _attribute(value: str) -> str:
    return quoteattr(_NOT_XML.sub("\ufffd", value))


def _text(value: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", value))
