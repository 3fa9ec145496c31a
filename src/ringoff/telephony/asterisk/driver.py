"""Calls through Asterisk, each known by its attempt id: the same originate twice cannot ring twice.

Asterisk answers a second originate of the same channel id with 409, keeps the SIP status of a refusal in
``tech_cause``, and tells with ``GET /channels`` what is up after either side was away.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import structlog

from ringoff.domain.attempt_records import (
    ExpiredAttempt,
    OriginateRefused,
    OriginateRequest,
    OriginateTooLate,
    OriginateUnknown,
)
from ringoff.domain.carrier import CarrierCallback, HandlingKind, TrunkReport, TrunkSpec
from ringoff.domain.errors import InvalidInput
from ringoff.domain.events import CarrierEvent
from ringoff.domain.identifiers import AttemptId, TrunkId, WorkspaceId
from ringoff.domain.release_cause import Disposition, Outcome, ReleaseCause
from ringoff.ports import Clock
from ringoff.telephony.asterisk.ari import AriRefused, AriUnreachable, TooLate
from ringoff.telephony.asterisk.call import AGENT_SUFFIX, PLAYBACK_SUFFIX, AsteriskCall, release_cause
from ringoff.telephony.asterisk.config import read_config
from ringoff.telephony.asterisk.errands import Errands
from ringoff.telephony.asterisk.handover import Handover, unfit_handling
from ringoff.telephony.asterisk.link import AriEvent, AsteriskLink
from ringoff.telephony.asterisk.machine import DIAL_APP, MachineDetection, note_detection
from ringoff.telephony.asterisk.orphans import (
    APP_VARIABLE,
    ORPHAN_LOOK_S,
    Orphans,
    app_of,
    app_of_channel,
    is_attempt,
    is_of,
    new_process,
)
from ringoff.telephony.media.gateway import MediaGateway

log = structlog.get_logger()

RING_SPARE_S: Final = 15
"""Asterisk's own end of ringing comes this much later than the engine's: it is for a server that died."""
TALK_SPARE_S: Final = 30
LEAVE_S: Final = 1.0
DOUBT_S: Final = 60
"""A request whose answer was lost is over by then: it rings, or it never will."""
_NUMBER: Final = re.compile(r"\+?[0-9*#]{1,32}")
_MISSED: Final = ReleaseCause(text="the call ended while Asterisk could not be heard")

_LinkKey = tuple[str, str, str, str]

INVITE_LEAVES_WITHIN_S: Final = 0.02
"""Nothing of ARI says when the INVITE leaves; at 200 calls a second it was 4.9 ms after the answer at the most."""


class AsteriskDriver:
    """A ``CallDriver`` for any number of Asterisks. ``events`` has one consumer.

    Waiting events are bounded by the channels: four for each attempt, and one report for each trunk's change.
    """

    def __init__(self, clock: Clock, *, gateway: MediaGateway | None = None) -> None:
        self._clock = clock
        self._gateway = gateway or MediaGateway(clock)
        self._handover = Handover(self._gateway)
        self._detection = MachineDetection(clock, hand_over=self._handover.run, hang_up=self._handover.hang_up)
        self._errands = Errands()
        self._process = new_process()
        self._links: dict[_LinkKey, tuple[AsteriskLink, Callable[[], object]]] = {}
        self._orphans: dict[tuple[str, str], Orphans] = {}
        self._trunks: dict[tuple[WorkspaceId, TrunkId], tuple[TrunkSpec, _LinkKey]] = {}
        self._calls: dict[str, AsteriskCall] = {}
        self._ready: deque[CarrierEvent | TrunkReport] = deque()
        self._woken = asyncio.Event()
        self._is_stopped = False

    async def start(self) -> None:
        self._is_stopped = False
        await self._gateway.start()
        self._errands.start_endless(self._look_for_orphans())

    async def stop(self) -> None:
        """Stop listening. Calls that are up stay up in Asterisk, and are hung up at the next start."""
        self._is_stopped = True
        self._woken.set()
        await self._leave()
        await self._errands.stop()
        await self._gateway.stop()
        self._links.clear()
        self._orphans.clear()
        self._trunks.clear()
        self._calls.clear()

    async def _leave(self) -> None:
        """Other processes need not wait to learn that this one is gone."""
        for link, _ in list(self._links.values()):
            try:
                async with asyncio.timeout(LEAVE_S):
                    if link.is_up:
                        await self._orphans[link.place].leave(link.ari)
            except (AriRefused, AriUnreachable, TimeoutError) as error:
                log.info("Asterisk could not be told that this process stops", reason=str(error))

    async def use_trunks(self, trunks: Sequence[TrunkSpec]) -> None:
        wanted = {}
        for trunk in trunks:
            try:
                wanted[trunk.workspace_id, trunk.trunk_id] = (trunk, _link_key(read_config(trunk.config)))
            except InvalidInput as error:
                # One that was stored by other rules must cost no other its calls.
                text = f"{error.field}: {error.message}"
                self._report(TrunkReport(trunk.workspace_id, trunk.trunk_id, is_up=False, text=text))
        known, self._trunks = self._trunks, wanted
        keys = {key for _, key in wanted.values()}
        for key in self._links.keys() - keys:
            link, _ = self._links[key]
            # A link that still carries calls is kept: their ends are to be heard.
            if not any(call.link is link for call in self._calls.values()):
                self._links.pop(key)[1]()
        for trunk, key in wanted.values():
            if key not in self._links:
                self._links[key] = self._open_link(trunk)
        for trunk_key, (trunk, key) in wanted.items():
            if known.get(trunk_key, (None, None))[1] != key and self._links[key][0].is_up:
                self._report(TrunkReport(trunk.workspace_id, trunk.trunk_id, is_up=True))

    def _open_link(self, trunk: TrunkSpec) -> tuple[AsteriskLink, Callable[[], object]]:
        link = AsteriskLink(
            self._clock,
            trunk.config,
            app_of(trunk.config["app"], self._process),
            on_connected=self._look_around,
            on_event=self._hear,
            on_state=self._report_link,
        )
        if link.place not in self._orphans:
            self._orphans[link.place] = Orphans(self._clock, link.base, link.app, self._calls.__contains__)
        return link, self._errands.start_endless(link.run())

    async def originate(self, request: OriginateRequest) -> str:
        channel_id = str(request.attempt_id)
        if channel_id in self._calls:
            return channel_id
        call = self._new_call(request)
        self._calls[channel_id] = call
        is_clear = False
        try:
            await self._put_on_wire(call)
            # Asterisk has taken the request, and its INVITE leaves in a moment: under the permit that we still hold.
            await self._clock.sleep(INVITE_LEAVES_WITHIN_S)
            is_clear = True
        except (OriginateRefused, OriginateTooLate):
            self._calls.pop(channel_id, None)
            is_clear = True
            raise
        finally:
            # Also when the engine stops waiting: what may still turn up is nobody's, and must not ring on.
            if not is_clear:
                call.is_disowned = True
                self._errands.start(self._disown(call))
        if call.is_release_wanted:
            # It was asked for while Asterisk did not know the channel yet.
            await self._let_go(call)
        return channel_id

    def _new_call(self, request: OriginateRequest) -> AsteriskCall:
        try:
            config = read_config(request.trunk.config)
        except InvalidInput as error:
            raise _refused(Disposition.TRUNK_REFUSED, f"{error.field}: {error.message}") from error
        link, _ = self._links.get(_link_key(config), (None, None))
        if self._is_stopped or link is None or not link.is_up:
            # Without its events a call could not be followed. Nothing is wrong with the number: it is put back.
            raise _refused(Disposition.CONGESTION, "Asterisk is not connected")
        if not _NUMBER.fullmatch(request.called_number):
            raise _refused(Disposition.INVALID_NUMBER, "not a number that can be dialled")
        handling = request.handling
        if (reason := unfit_handling(handling.kind, handling.target, config["agent_endpoint"])) is not None:
            raise _refused(Disposition.NETWORK_FAILURE, reason)
        return AsteriskCall(request, link, config)

    async def _put_on_wire(self, call: AsteriskCall) -> None:
        request = call.request
        limit_s = round(request.ring_timeout_s + request.talk_max_s) + RING_SPARE_S + TALK_SPARE_S
        body = {
            "endpoint": call.endpoint.replace("{number}", request.called_number),
            "app": call.link.app,
            "callerId": f"<{request.calling_number}>" if _NUMBER.fullmatch(request.calling_number) else "",
            "timeout": round(request.ring_timeout_s) + RING_SPARE_S,
            # Asterisk ends the call by itself should this server die and never come back.
            "variables": {APP_VARIABLE: call.link.app, "TIMEOUT(absolute)": str(limit_s)},
        }
        try:
            await call.link.ari.post_until(f"/channels/{call.channel_id}", body, request.send_until)
        except TooLate as error:
            raise OriginateTooLate from error
        except AriUnreachable as error:
            if not error.has_left:
                raise _refused(Disposition.CONGESTION, str(error)) from error
            raise OriginateUnknown(str(error)) from error
        except AriRefused as error:
            await self._judge_refusal(call, error)
        call.is_accepted = True

    async def _judge_refusal(self, call: AsteriskCall, error: AriRefused) -> None:
        """Returns when the channel exists after all.

        409 is said of a channel that is there already, and of an endpoint that is not there: only a look tells.
        """
        if error.status in (401, 403):
            raise _refused(Disposition.TRUNK_REFUSED, f"{error} (user, password or read_only in ari.conf)") from error
        if error.status == 409 or error.status >= 500:
            try:
                if await call.link.ari.has_channel(call.channel_id):
                    return
            except (AriRefused, AriUnreachable) as doubt:
                raise OriginateUnknown(str(error)) from doubt
            text = f"{error} (is the endpoint known to Asterisk, and its address reachable?)"
            raise _refused(Disposition.NETWORK_FAILURE, text) from error
        raise _refused(Disposition.NETWORK_FAILURE, str(error)) from error

    async def _disown(self, call: AsteriskCall) -> None:
        """Should it turn up after the first look, its first event hangs it up; then it is forgotten."""
        await self._let_go(call)
        await self._clock.sleep(DOUBT_S)
        if not call.is_over:
            await self._let_go(call)
            self._calls.pop(call.channel_id, None)

    async def _let_go(self, call: AsteriskCall) -> None:
        """Hang up a call that nobody will ask for any more."""
        try:
            await call.link.ari.delete(f"/channels/{call.channel_id}")
        except (AriRefused, AriUnreachable) as error:
            log.warning("a call of unknown fate could not be hung up", attempt_id=call.channel_id, reason=str(error))

    async def resume(self, attempt_id: AttemptId, send_until: float) -> None:
        """Nothing here ever asks for a second permit; Asterisk answers a digest challenge itself (docs/asterisk.md)."""

    async def release(self, attempt_id: AttemptId) -> None:
        """Raises ``AriUnreachable`` or ``AriRefused`` when Asterisk did not take it: the engine tries again.

        A call of another process, which is gone, is looked for on each Asterisk.
        """
        call = self._calls.get(str(attempt_id))
        if call is None:
            for link, _ in list(self._links.values()):
                if link.is_up and is_of(link.base, await app_of_channel(link.ari, str(attempt_id))):
                    await link.ari.delete(f"/channels/{attempt_id}")
            return
        call.is_release_wanted = True
        await call.link.ari.delete(f"/channels/{call.channel_id}")

    async def adopt(self, stranded: Sequence[ExpiredAttempt]) -> None:
        """Nothing to remember: Asterisk knows its channels by the attempts' ids."""

    async def live(self) -> frozenset[AttemptId]:
        # What this process knows of is up until its end was heard, which may be while Asterisk is asked for the rest.
        ids = {call.request.attempt_id for call in self._calls.values() if call.is_accepted and not call.is_disowned}
        for link, _ in list(self._links.values()):
            if link.is_up:
                ids |= {AttemptId(UUID(found)) for found in await _own_channels(link)}
        return frozenset(ids)

    async def take_callback(self, callback: CarrierCallback) -> None:
        """Asterisk reports over its WebSocket only."""

    async def events(self, count_max: int) -> Sequence[CarrierEvent | TrunkReport]:
        while not self._is_stopped:
            if self._ready:
                return [self._ready.popleft() for _ in range(min(count_max, len(self._ready)))]
            self._woken.clear()
            await self._woken.wait()
        return []

    def _report(self, *events: CarrierEvent | TrunkReport) -> None:
        if events:
            self._ready.extend(events)
            self._woken.set()

    def _report_link(self, link: AsteriskLink) -> None:
        for trunk, key in self._trunks.values():
            if self._links.get(key, (None, None))[0] is link:
                self._report(TrunkReport(trunk.workspace_id, trunk.trunk_id, link.is_up, link.state_text))

    async def _look_around(self, link: AsteriskLink) -> None:
        """After each connect: report what ended or went on unheard, and hang up what belongs to nobody."""
        accepted = [call for call in self._calls.values() if call.link.place == link.place and call.is_accepted]
        channels = {str(channel["id"]): channel for channel in await link.ari.request("GET", "/channels")}
        for call in accepted:
            call.link = link
            channel = channels.get(call.channel_id)
            if channel is None:
                self._over(call, _MISSED)
            else:
                is_ours = channel.get("dialplan", {}).get("app_name") == "Stasis"
                self._note_state(call, str(channel.get("state")), is_ours=is_ours)
        await self._orphans[link.place].look(link.ari, is_connect=True)

    async def _look_for_orphans(self) -> None:
        while True:
            await self._clock.sleep(ORPHAN_LOOK_S)
            for link, _ in list(self._links.values()):
                try:
                    if link.is_up:
                        await self._orphans[link.place].look(link.ari, is_connect=False)
                except (AriRefused, AriUnreachable) as error:
                    log.warning("calls of other processes could not be looked at", reason=str(error))

    def _hear(self, link: AsteriskLink, event: AriEvent) -> None:
        """One event, without waiting for anything: whatever takes time is an errand."""
        kind = event.get("type")
        if kind == "PlaybackFinished":
            self._playback_over(event["playback"])
            return
        channel: Mapping[str, Any] = event.get("channel") or event.get("peer") or {}
        channel_id = str(channel.get("id"))
        call = self._calls.get(channel_id.removesuffix(AGENT_SUFFIX))
        if call is None or call.link.place != link.place:
            return
        if channel_id != call.channel_id:
            self._hear_agent(call, kind)
        elif kind == "ChannelDestroyed":
            self._note_lost_context(call)
            self._over(call, release_cause(event))
        elif kind == "ChannelDialplan":
            call.has_run_dialplan = event.get("dialplan_app") != DIAL_APP or call.has_run_dialplan
        elif note_detection(call, event):
            return
        elif call.is_disowned:
            self._errands.start(self._let_go(call))
        elif kind == "Dial" and event.get("dialstatus") in ("PROGRESS", "PROCEEDING"):
            self._report(*call.progressed(self._clock.now()))
        elif kind in ("ChannelStateChange", "StasisStart"):
            self._note_state(call, str(channel.get("state")), is_ours=kind == "StasisStart")

    def _note_state(self, call: AsteriskCall, state: str, *, is_ours: bool) -> None:
        """``is_ours``: the channel has entered our application, so that it may be bridged and played to."""
        if state == "Ringing":
            self._report(*call.rang(self._clock.now()))
        elif state == "Up":
            self._report(*call.answered(self._clock.now(), self._clock.monotonic()))
            if is_ours and not call.is_handed_over and not call.is_release_wanted:
                call.is_handed_over = True
                self._errands.start((self._detection if call.amd_context else self._handover).run(call))

    def _note_lost_context(self, call: AsteriskCall) -> None:
        """Asterisk hangs up what is sent to a context that is not there: nobody talked to the callee."""
        if call.is_in_dialplan and not call.has_run_dialplan and not call.is_release_wanted:
            call.agent_failed = True
            log.error("the context of machine detection does not exist", context=call.amd_context)

    def _hear_agent(self, call: AsteriskCall, kind: object) -> None:
        if kind == "StasisStart":
            call.agent_up.set()
        elif kind == "ChannelDestroyed":
            was_up, call.is_agent_gone = call.agent_up.is_set(), True
            call.agent_up.set()
            # An agent that hangs up has done its work. One that never came up is seen by the hand-over.
            if was_up and call.request.handling.kind is HandlingKind.SIP_URI:
                self._errands.start(self._handover.hang_up(call, agent_failed=False))

    def _playback_over(self, playback: Mapping[str, Any]) -> None:
        call = self._calls.get(str(playback["id"]).removesuffix(PLAYBACK_SUFFIX))
        if call is not None:
            has_failed = playback.get("state") == "failed"
            self._errands.start(self._handover.hang_up(call, agent_failed=has_failed))

    def _over(self, call: AsteriskCall, cause: ReleaseCause) -> None:
        self._calls.pop(call.channel_id, None)
        events = call.released(cause, self._clock.now(), self._clock.monotonic())
        if not call.is_disowned:
            self._report(*events)
        if call.is_handed_over:
            self._errands.start(self._handover.clean_up(call))


def _refused(disposition: Disposition, text: str) -> OriginateRefused:
    return OriginateRefused(Outcome(disposition, ReleaseCause(text=text)))


def _link_key(config: Mapping[str, Any]) -> _LinkKey:
    return (config["url"], config["app"], config["username"], config["password"])


async def _own_channels(link: AsteriskLink) -> list[str]:
    """Ids of our callees' channels, whichever of our processes they are of."""
    ids = [str(channel["id"]) for channel in await link.ari.request("GET", "/channels")]
    ids = [channel_id for channel_id in ids if is_attempt(channel_id)]
    return [channel_id for channel_id in ids if is_of(link.base, await app_of_channel(link.ari, channel_id))]
