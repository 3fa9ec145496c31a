"""The callee's audio as Asterisk's ``chan_websocket`` speaks it: binary mu-law, and commands and reports in text.

Source: https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/ (Asterisk 20.16, 22.6 and later).
"""

from typing import Final

import aiohttp
from aiohttp import WSMsgType

from ringoff.telephony.media.gateway import HeardMark, PressedDigit

_DIGITS: Final = frozenset("0123456789*#ABCD")


class AsteriskLeg:
    """A ``CarrierLeg`` over the WebSocket of one media channel."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self._websocket = websocket

    async def play(self, audio: bytes) -> None:
        await self._websocket.send_bytes(audio)

    async def mark(self, number: int) -> None:
        await self._websocket.send_str(f"MARK_MEDIA {number}")

    async def flush(self) -> None:
        await self._websocket.send_str("FLUSH_MEDIA")

    async def receive(self) -> bytes | HeardMark | PressedDigit | None:
        while True:
            message = await self._websocket.receive()
            if message.type is WSMsgType.BINARY:
                return bytes(message.data)
            if message.type is not WSMsgType.TEXT:
                return None
            report = read_report(message.data)
            if report is not None:
                return report

    async def close(self) -> None:
        await self._websocket.close()


def read_report(text: str) -> HeardMark | PressedDigit | None:
    """A report that the agent has to hear of; None for the others (MEDIA_START, MEDIA_XOFF and the like)."""
    name, _, rest = text.partition(" ")
    fields = dict(word.partition(":")[::2] for word in rest.split())
    if name == "DTMF_END":
        digit = fields.get("digit", "")
        return PressedDigit(digit) if digit in _DIGITS else None
    if name == "MEDIA_MARK_PROCESSED":
        number = fields.get("correlation_id") or rest.strip()
        return HeardMark(int(number)) if number.isdecimal() else None
    return None
