"""One call from its registration to its end, as ``client.native.timeline`` answers."""

from typing import Any

import msgspec

from ringoff.client.native_answers import Delivery, Receipt


class Contact(msgspec.Struct, kw_only=True):
    name: str = ""
    variables: dict[str, Any] = {}


class FullCall(msgspec.Struct, kw_only=True):
    call_id: str
    campaign_id: str | None = None
    agent_id: str
    agent_name: str = ""
    mobile_number: str
    contact: Contact = msgspec.field(default_factory=Contact)
    status: str
    sub_status: str | None = None
    voicemail_detected: bool = False
    talk_s: float | None = None
    registered_at: str | None = None
    last_attempt_at: str | None = None
    next_attempt_at: str | None = None
    ended_at: str | None = None


class Attempt(msgspec.Struct, kw_only=True):
    attempt_id: str
    attempt_no: int
    trunk_id: str | None = None
    trunk_name: str | None = None
    state: str
    calling_number: str | None = None
    prepared_at: str | None = None
    originated_at: str | None = None
    rang_at: str | None = None
    answered_at: str | None = None
    released_at: str | None = None
    disposition: str | None = None
    sip_status: int | None = None
    q850_cause: int | None = None
    cause_text: str | None = None


class Entry(msgspec.Struct, kw_only=True):
    at: str
    moment: str
    attempt_no: int | None = None
    event_id: str | None = None
    words: str = ""


class Timeline(msgspec.Struct, kw_only=True):
    """Everything that is known of a call; ``entries`` has it in the order of time."""

    call: FullCall
    attempts: list[Attempt] = []
    deliveries: list[Delivery] = []
    termination: Receipt | None = None
    entries: list[Entry] = []
