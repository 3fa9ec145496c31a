"""The standing connection to one Asterisk: its events, one after the other, and whether it answers at all."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from aiohttp import ClientWebSocketResponse, WSMsgType

from ringoff.ports import Clock
from ringoff.telephony.asterisk.ari import AriClient, AriRefused, AriUnreachable

log = structlog.get_logger()

RETRY_S_MIN: Final = 0.5
RETRY_S_MAX: Final = 10.0
FIRST_PULSE_S: Final = 0.5
PULSE_S: Final = 5.0
"""After so much silence Asterisk is asked for an event of our own."""
PULSE_ANSWER_S: Final = 3.0
PULSE: Final = "RingoffPulse"
PULSE_EVENT: Final = "ChannelUserevent"

AriEvent = Mapping[str, Any]


class _Replaced(Exception):
    """Another process has opened the events of our application: Asterisk gives them to one only."""


class AsteriskLink:
    """One per Asterisk, user and application; shared by the trunks that name the same.

    ``app`` is this process's own application, whose base name the configuration has.
    """

    def __init__(
        self,
        clock: Clock,
        config: Mapping[str, Any],
        app: str,
        *,
        on_connected: Callable[["AsteriskLink"], Awaitable[None]],
        on_event: Callable[["AsteriskLink", AriEvent], None],
        on_state: Callable[["AsteriskLink"], None],
    ) -> None:
        self.ari = AriClient(clock, config["url"], config["username"], config["password"])
        self.app = app
        self.base: str = config["app"]
        self.place = (config["url"], app)
        """Where the calls are: the same for two links whose passwords differ."""
        self.websocket: ClientWebSocketResponse | None = None
        self.is_up = False
        self.state_text = "not connected yet"
        self._clock = clock
        self._on_connected = on_connected
        self._on_event = on_event
        self._on_state = on_state

    async def run(self) -> None:
        """Listen, and connect again for as long as it lasts; until cancelled."""
        retry_s = RETRY_S_MIN
        try:
            while True:
                reason = "the connection was lost"
                try:
                    await self._listen()
                    retry_s = RETRY_S_MIN
                except (AriUnreachable, AriRefused) as error:
                    reason = str(error)
                except _Replaced:
                    # Taking it back would be taken back: whoever came last hangs up what it does not know.
                    self._now_is(is_up=False, text=f"another process listens as {self.app!r}; start this one again")
                    await asyncio.Event().wait()
                self._now_is(is_up=False, text=reason)
                await self._clock.sleep(retry_s)
                retry_s = min(retry_s * 2, RETRY_S_MAX)
        finally:
            self.is_up = False
            await self.ari.close()

    async def _listen(self) -> None:
        """Until the connection ends. Asterisk keeps the events that come while ``on_connected`` looks around."""
        websocket = self.websocket = await self.ari.open_events(self.app)
        try:
            await self._on_connected(self)
            self._now_is(is_up=True, text="")
            await self._read(websocket)
        finally:
            self.websocket = None
            await websocket.close()

    async def _read(self, websocket: ClientWebSocketResponse) -> None:
        """Until it closes, or a pulse of ours does not come back.

        When a connection follows another of the same application within milliseconds, Asterisk's cleaning up after the
        old one stops the events of the new one, and leaves it open: only listening tells.
        """
        patience_s, is_pulse_sent = FIRST_PULSE_S, False
        while True:
            try:
                message = await websocket.receive(timeout=patience_s)
            except TimeoutError:
                if is_pulse_sent:
                    raise AriUnreachable("its events have stopped", has_left=False) from None
                await self.ari.request("POST", f"/events/user/{PULSE}", params={"application": self.app})
                patience_s, is_pulse_sent = PULSE_ANSWER_S, True
                continue
            if message.type is not WSMsgType.TEXT:
                return
            patience_s, is_pulse_sent = PULSE_S, False
            self._hear(message.data)

    def _hear(self, text: str) -> None:
        try:
            event = json.loads(text)
            kind = event["type"]
            if kind not in (PULSE_EVENT, "ApplicationReplaced"):
                self._on_event(self, event)
        except Exception:
            # One event that reads unlike any other must cost no other call its events.
            log.exception("an event of Asterisk could not be read")
            return
        if kind == "ApplicationReplaced":
            raise _Replaced

    def _now_is(self, *, is_up: bool, text: str) -> None:
        is_news = (is_up, text) != (self.is_up, self.state_text)
        self.is_up, self.state_text = is_up, text
        if is_news:
            self._on_state(self)
