"""Ends calls: those that are released, those that nobody waits for, and those whose create was not answered."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import structlog

from ringoff.telephony.twilio.call_book import CallBook, is_sid
from ringoff.telephony.twilio.call_status import STAGE_BY_STATUS, Stage
from ringoff.telephony.twilio.rest import NotReached, TwilioRest
from ringoff.telephony.twilio.twilio_call import StatusReport, TwilioCall

log = structlog.get_logger()

LOST_LOOKS_S: Final = (2.0, 5.0, 15.0, 30.0, 60.0)
"""When a lost call is looked for, counted from its request. Its first report, which names its attempt, mostly comes
earlier."""
CLOCK_SKEW_S: Final = 30.0
"""How far Twilio's clock may be from ours."""


class CallEnder:
    """Each method does one round and may be called again; none raises for what the carrier answers."""

    def __init__(self, rest: TwilioRest, book: CallBook) -> None:
        self._rest = rest
        self._book = book

    async def end(self, call: TwilioCall) -> bool:
        """``canceled`` while it rings, ``completed`` once it is up. False when the carrier was not reached.

        An error 21220 says that the call is in another state than we thought: it ended, or it was answered meanwhile.
        """
        if call.sid is None or call.is_over:
            return True
        try:
            is_up = call.stage is Stage.ANSWERED
            reply = await self._rest.update(call.trunk, call.sid, "completed" if is_up else "canceled")
            if not reply.is_good:
                log.info("a call was not in the state to be ended", call_sid=call.sid, code=reply.code)
                reply = await self._rest.fetch(call.trunk, call.sid)
                if reply.http_status == 404:
                    self._unknown_to_carrier(call)
                    return True
            if reply.is_good:
                self._book.note_reply(call, reply)
            # An answer that crossed the cancel: it must not talk to nobody.
            if not is_up and call.stage is Stage.ANSWERED:
                reply = await self._rest.update(call.trunk, call.sid, "completed")
                if reply.is_good:
                    self._book.note_reply(call, reply)
        except NotReached as error:
            log.warning("a call could not be ended yet", call_sid=call.sid, reason=str(error))
            return False
        return True

    async def ask(self, call: TwilioCall) -> None:
        """Fetch a call of which nothing was heard for a while."""
        if call.sid is None:
            return
        try:
            reply = await self._rest.fetch(call.trunk, call.sid)
        except NotReached as error:
            log.warning("a call could not be asked for", call_sid=call.sid, reason=str(error))
            return
        if reply.is_good:
            self._book.note_reply(call, reply)
        elif reply.http_status == 404:
            self._unknown_to_carrier(call)
        else:
            log.warning("a call could not be asked for", call_sid=call.sid, http_status=reply.http_status)

    async def look_for(self, call: TwilioCall) -> None:
        """Find and end the call of a create that was not answered.

        A listing does not say which attempt a call is of. So: same called and calling number, made at the time of the
        request, not a call that we know, and the only one of the kind. Where there are several, none is touched: any
        report names its attempt, and then it is ended.
        """
        try:
            listed = await self._rest.calls(call.trunk, {"To": call.called_number, "From": call.calling_number})
        except NotReached as error:
            log.warning("a lost call could not be looked for", attempt_id=str(call.attempt_id), reason=str(error))
            return
        if call.sid is not None or call.is_over:
            return
        found = [sid for resource in listed if (sid := self._could_be(call, resource))]
        if len(found) > 1:
            log.error("several calls could be the lost one; none is ended", attempt_id=str(call.attempt_id))
        elif found:
            log.warning("a lost call was found and is ended", attempt_id=str(call.attempt_id), call_sid=found[0])
            call.sid, call.is_doomed = found[0], True
            # If that fails, it is known now and will be ended like any other.
            await self.end(call)

    def _could_be(self, call: TwilioCall, resource: Mapping[str, Any]) -> str | None:
        sid = str(resource.get("sid", ""))
        if not is_sid(sid) or self._book.knows(sid):
            return None
        if STAGE_BY_STATUS.get(str(resource.get("status"))) in (None, Stage.OVER):
            return None
        if (resource.get("to"), resource.get("from")) != (call.called_number, call.calling_number):
            return None
        made_at = _instant(resource.get("date_created"))
        skew = timedelta(seconds=CLOCK_SKEW_S)
        if made_at is None or not call.sent_at - skew <= made_at <= call.sent_at + skew:
            return None
        return sid

    def _unknown_to_carrier(self, call: TwilioCall) -> None:
        log.error("the carrier does not know a call that it took", call_sid=call.sid)
        self._book.note(call, StatusReport("failed"))


def _instant(text: Any) -> datetime | None:
    """RFC 2822, as the resource has it."""
    try:
        instant = parsedate_to_datetime(str(text))
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
