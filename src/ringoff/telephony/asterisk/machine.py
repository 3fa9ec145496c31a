"""Answering machine detection: an answered call visits a dialplan context that runs ``AMD()``, and comes back.

ARI has no detection of its own. Source: https://docs.asterisk.org/Latest_API/API_Documentation/Dialplan_Applications/AMD/.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from ringoff.ports import Clock
from ringoff.telephony.asterisk.ari import AriRefused, AriUnreachable
from ringoff.telephony.asterisk.call import AsteriskCall
from ringoff.telephony.asterisk.link import AriEvent

log = structlog.get_logger()

DETECTION_S_MAX: Final = 20.0
"""Longer than any sensible ``total_analysis_time``: then the context does not come back at all."""
DIAL_APP: Final = "AppDial2"
"""What a channel of an originate is in before it has run anything of the dialplan."""
RETURN: Final = "amd"
"""First argument of the ``Stasis()`` that brings a call back; the second is AMDSTATUS."""


class MachineDetection:
    """``hand_over`` gets the calls that go on, ``hang_up`` the others, with whether the agent's side has failed."""

    def __init__(
        self,
        clock: Clock,
        *,
        hand_over: Callable[[AsteriskCall], Coroutine[Any, Any, None]],
        hang_up: Callable[..., Coroutine[Any, Any, None]],
    ) -> None:
        self._clock = clock
        self._hand_over = hand_over
        self._hang_up = hang_up

    async def run(self, call: AsteriskCall) -> None:
        """From the answer until the call has come back, or never will. Raises nothing."""
        ari = call.link.ari
        try:
            # Outside of our application its events would be nobody's.
            source = {"eventSource": f"channel:{call.channel_id}"}
            await ari.request("POST", f"/applications/{call.link.app}/subscription", params=source)
            call.is_in_dialplan = True
            where = {"context": call.amd_context, "extension": "s", "priority": "1"}
            await ari.request("POST", f"/channels/{call.channel_id}/continue", params=where)
            async with asyncio.timeout(DETECTION_S_MAX):
                await call.detected.wait()
        except (AriRefused, AriUnreachable, TimeoutError) as error:
            if not call.is_over:
                reason = str(error) or f"the context {call.amd_context!r} does not bring calls back"
                if not call.is_release_wanted:
                    log.error("machine detection failed", attempt_id=call.channel_id, reason=reason)
                await self._hang_up(call, agent_failed=True)
            return
        if call.is_over:
            return
        if call.voicemail_detected and not call.goes_on_with_machines:
            await self._hang_up(call, agent_failed=False)
        else:
            await self._hand_over(call)


def note_detection(call: AsteriskCall, event: AriEvent) -> bool:
    """Whether this event brings the call back from the dialplan, with what was found there."""
    arguments = event.get("args")
    if event.get("type") != "StasisStart" or not isinstance(arguments, list) or arguments[:1] != [RETURN]:
        return False
    call.voicemail_detected = arguments[1:2] == ["MACHINE"]
    call.is_in_dialplan = False
    call.detected.set()
    return True
