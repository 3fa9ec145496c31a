"""An answered call goes to its agent: over the media gateway, over a second SIP leg, or to a recording."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import structlog

from ringoff.domain.carrier import HandlingKind
from ringoff.telephony.asterisk.ari import AriRefused, AriUnreachable
from ringoff.telephony.asterisk.call import AsteriskCall
from ringoff.telephony.asterisk.media_leg import AsteriskLeg
from ringoff.telephony.media.gateway import MediaGateway, StreamEnd, is_agent_url
from ringoff.telephony.media.twilio_messages import StreamStart

log = structlog.get_logger()

AGENT_ANSWER_S_MAX: Final = 15
"""How long an agent's SIP leg may ring: the callee is on the line and hears nothing."""
MEDIA_CHANNEL_S_MAX: Final = 5.0
HEADERS_MAX: Final = 20
HEADER_CHARACTERS_MAX: Final = 200
"""A request to ring has to fit into a datagram."""

_SIP_URI: Final = re.compile(r"sips?:[^\s<>\"'{}&|\\]{1,480}")
_SOUND: Final = re.compile(r"(?:sound|recording|tone|digits|number|characters):[^\s,]{1,480}")
_WEB_SOUND: Final = re.compile(r"https?://[^\s,]{1,480}")


class _Failed(Exception):
    """The agent could not be reached."""


def unfit_handling(kind: HandlingKind, target: str, agent_endpoint: str) -> str | None:
    """Why an answered call could not be handed over like this, known before anybody's telephone rings; or None."""
    match kind:
        case HandlingKind.MEDIA_URL if not is_agent_url(target):
            return "the agent's media URL is not a ws:// or wss:// address"
        case HandlingKind.SIP_URI if not agent_endpoint:
            return "the trunk has no agent_endpoint, which a SIP agent is called through"
        case HandlingKind.SIP_URI if not _SIP_URI.fullmatch(target):
            return "the agent's address is not a sip: or sips: URI"
        case HandlingKind.PLAY if not (_SOUND.fullmatch(target) or _WEB_SOUND.fullmatch(target)):
            return "what is to be played is neither a media URI of Asterisk nor an http(s) address"
        case _:
            return None


def sip_headers(parameters: Mapping[str, str]) -> Mapping[str, str]:
    """Channel variables that make ``X-Ringoff-*`` headers of an INVITE; cut to what a header may hold."""
    headers: dict[str, str] = {}
    for name, value in parameters.items():
        token = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").title()[:40]
        text = "".join(character for character in value if character.isprintable())[:HEADER_CHARACTERS_MAX].strip()
        if token and text and len(headers) < HEADERS_MAX:
            headers[f"PJSIP_HEADER(add,X-Ringoff-{token})"] = text
    return headers


class Handover:
    """Hands calls over, and hangs them up when their agent ends them or fails."""

    def __init__(self, gateway: MediaGateway) -> None:
        self._gateway = gateway

    async def run(self, call: AsteriskCall) -> None:
        """Until the agent's part is over. Never raises for what an agent or Asterisk does."""
        try:
            match call.request.handling.kind:
                case HandlingKind.MEDIA_URL:
                    await self._to_media_url(call)
                case HandlingKind.SIP_URI:
                    await self._to_sip_uri(call)
                case HandlingKind.PLAY:
                    await self._play(call)
                case HandlingKind.NONE:
                    pass
        except (_Failed, AriRefused, AriUnreachable) as error:
            if not call.is_over:
                log.warning("an answered call found no agent", attempt_id=call.channel_id, reason=str(error))
                await self.hang_up(call, agent_failed=True)
            else:
                # What was still being made when the callee hung up came after the cleaning.
                await self.clean_up(call)

    async def hang_up(self, call: AsteriskCall, *, agent_failed: bool) -> None:
        """The agent's side is over, and so is the call."""
        if call.is_over:
            return
        # Whatever breaks once the engine has asked for the end is not the agent's failure: its channel is gone.
        call.agent_failed = call.agent_failed or (agent_failed and not call.is_release_wanted)
        try:
            await call.link.ari.delete(f"/channels/{call.channel_id}")
        except (AriRefused, AriUnreachable) as error:
            # The engine's own limit of a call's length, and Asterisk's, still end it.
            log.error("a call without an agent could not be hung up", attempt_id=call.channel_id, reason=str(error))

    async def clean_up(self, call: AsteriskCall) -> None:
        """What the call leaves behind in Asterisk."""
        try:
            if call.request.handling.kind in (HandlingKind.MEDIA_URL, HandlingKind.SIP_URI):
                await call.link.ari.delete(f"/channels/{call.agent_channel_id}")
                await call.link.ari.delete(f"/bridges/{call.bridge_id}")
        except (AriRefused, AriUnreachable) as error:
            log.info("the rest of a call was left in Asterisk", attempt_id=call.channel_id, reason=str(error))

    async def _to_media_url(self, call: AsteriskCall) -> None:
        # Both at once: every millisecond here is silence in the callee's ear.
        async with asyncio.TaskGroup() as tasks:
            connecting = tasks.create_task(self._gateway.connect(call.request.handling.target))
            opening = tasks.create_task(self._open_leg(call))
        agent, leg = connecting.result(), opening.result()
        try:
            if agent is None:
                raise _Failed("its WebSocket could not be opened")
            if leg is None:
                raise _Failed("Asterisk gave no media channel")
            await self._bridge(call)
            start = StreamStart(call.channel_id, f"MZ{uuid4().hex}", call.request.parameters)
            end = await self._gateway.carry(leg, agent, start)
        finally:
            if agent is not None:
                await agent.close()
            if leg is not None:
                await leg.close()
        # The callee's end closes the leg only through our cleaning up: a leg that closed before is a failure too.
        await self.hang_up(call, agent_failed=end is not StreamEnd.AGENT)

    async def _open_leg(self, call: AsteriskCall) -> AsteriskLeg | None:
        """A media channel that waits for our WebSocket (``connection_type`` server): nothing has to listen here."""
        body = {
            "channelId": call.agent_channel_id,
            "app": call.link.app,
            "external_host": "INCOMING",
            "encapsulation": "none",
            "transport": "websocket",
            "connection_type": "server",
            "format": "ulaw",
            "direction": "both",
            "variables": {"RINGOFF_APP": call.link.app},
        }
        try:
            channel = await call.link.ari.request("POST", "/channels/externalMedia", body=body)
            connection_id = channel["channelvars"]["MEDIA_WEBSOCKET_CONNECTION_ID"]
            return AsteriskLeg(await call.link.ari.open_media(connection_id))
        except (AriRefused, AriUnreachable, KeyError, TypeError) as error:
            log.error("Asterisk gave no media channel; is chan_websocket loaded?", reason=str(error))
            return None

    async def _to_sip_uri(self, call: AsteriskCall) -> None:
        request = call.request
        body: dict[str, Any] = {
            "endpoint": call.agent_endpoint.replace("{uri}", request.handling.target),
            "app": call.link.app,
            "callerId": f"<{request.called_number}>",
            "timeout": AGENT_ANSWER_S_MAX,
            "variables": {"RINGOFF_APP": call.link.app, **sip_headers(request.parameters)},
        }
        await call.link.ari.request("POST", f"/channels/{call.agent_channel_id}", body=body)
        await self._bridge(call, AGENT_ANSWER_S_MAX + MEDIA_CHANNEL_S_MAX)

    async def _bridge(self, call: AsteriskCall, timeout_s: float = MEDIA_CHANNEL_S_MAX) -> None:
        """Asterisk refuses (422) a channel that has not entered our application yet, so that is waited for."""
        try:
            async with asyncio.timeout(timeout_s):
                await call.agent_up.wait()
        except TimeoutError as error:
            raise _Failed("its channel did not come up") from error
        if call.is_agent_gone:
            raise _Failed("its channel ended before it was up")
        if call.is_over:
            raise _Failed("the callee was faster")
        ari = call.link.ari
        await ari.request(
            "POST", "/bridges", body={"type": "mixing", "bridgeId": call.bridge_id, "name": call.link.app}
        )
        channels = f"{call.channel_id},{call.agent_channel_id}"
        await ari.request("POST", f"/bridges/{call.bridge_id}/addChannel", params={"channel": channels})

    async def _play(self, call: AsteriskCall) -> None:
        target = call.request.handling.target
        media = f"sound:{target}" if _WEB_SOUND.fullmatch(target) else target
        await call.link.ari.request(
            "POST", f"/channels/{call.channel_id}/play/{call.playback_id}", body={"media": media}
        )
