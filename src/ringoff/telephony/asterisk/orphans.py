"""Hangs up calls whose process is gone, and never those of a process that only connects again.

Each process has a Stasis application of its own, ``<app>-<twelve hex digits>``, and counts in a global variable of
Asterisk while it is connected. Asterisk itself does not tell: it lists an application without a WebSocket for as long
as it has channels. Whoever has not counted for a while is gone, and what is up in its application is nobody's.
"""

import re
from collections.abc import AsyncIterator, Callable
from typing import Final
from uuid import UUID, uuid4

import structlog

from ringoff.ports import Clock
from ringoff.telephony.asterisk.ari import AriClient, AriRefused
from ringoff.telephony.asterisk.call import AGENT_SUFFIX, BRIDGE_SUFFIX

log = structlog.get_logger()

APP_VARIABLE: Final = "RINGOFF_APP"
"""Marks a channel as ours, with its process's application as its value."""
ORPHAN_AFTER_S: Final = 20.0
"""Longer than a process that lost its connection takes to be back, and to count again."""
ORPHAN_LOOK_S: Final = 5.0
GONE: Final = "gone"
"""Counted by a process that stops: its calls are nobody's at once."""
_PROCESS: Final = re.compile(r"-[0-9a-f]{12}")


def new_process() -> str:
    """What the applications of one process have in common."""
    return uuid4().hex[:12]


def app_of(base: str, process: str) -> str:
    return f"{base}-{process}"


def is_of(base: str, app: str) -> bool:
    """Whether it is the application of one of our processes."""
    return app.startswith(base) and _PROCESS.fullmatch(app[len(base) :]) is not None


def is_attempt(text: str) -> bool:
    """Whether a channel may be ours: we name them by their attempts."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


async def app_of_channel(ari: AriClient, channel_id: str) -> str:
    """The application that a channel was made for; empty when it was not made by us, or is gone."""
    try:
        found = await ari.request("GET", f"/channels/{channel_id}/variable", params={"variable": APP_VARIABLE})
    except AriRefused:
        return ""
    return str(found.get("value") or "")


class Orphans:
    """Of one base name on one Asterisk; ``look`` after each connect and every ``ORPHAN_LOOK_S``."""

    def __init__(self, clock: Clock, base: str, app: str, is_known: Callable[[str], bool]) -> None:
        self._clock = clock
        self._base = base
        self._app = app
        self._is_known = is_known
        """Whether an attempt is this process's."""
        self._counted = 0
        self._others: dict[str, tuple[str, float]] = {}
        """What each other process counted last, and since when."""

    async def leave(self, ari: AriClient) -> None:
        """This process stops."""
        await self._set(ari, GONE)

    async def look(self, ari: AriClient, *, is_connect: bool) -> None:
        """Cheap while nobody has gone: two requests, and one for each other process."""
        self._counted += 1
        await self._set(ari, str(self._counted))
        listed = {str(app["name"]) for app in await ari.request("GET", "/applications")}
        watched = {app for app in listed if is_of(self._base, app) and app != self._app} | self._others.keys()
        gone = {app for app in sorted(watched) if await self._is_gone(ari, app)}
        if not (is_connect or gone):
            return
        for path, app in [each async for each in self._unknown(ari)]:
            # One of our own application that we do not know was forgotten by us.
            if app == self._app or app in gone:
                log.warning("a call that nobody knows is hung up", what=path)
                await ari.delete(path)
            elif is_of(self._base, app):
                self._others.setdefault(app, ("", self._clock.monotonic()))
        for app in gone - listed:
            # Nothing of it is left in Asterisk.
            self._others.pop(app, None)

    async def _is_gone(self, ari: AriClient, app: str) -> bool:
        count = await self._get(ari, app)
        now_s = self._clock.monotonic()
        last, since_s = self._others.get(app, (None, now_s))
        if count != last:
            since_s = now_s
        self._others[app] = (count, since_s)
        return count == GONE or now_s - since_s >= ORPHAN_AFTER_S

    async def _set(self, ari: AriClient, count: str) -> None:
        await ari.request("POST", "/asterisk/variable", params={"variable": _variable(self._app), "value": count})

    async def _get(self, ari: AriClient, app: str) -> str:
        answer = await ari.request("GET", "/asterisk/variable", params={"variable": _variable(app)})
        return str(answer.get("value") or "")

    async def _unknown(self, ari: AriClient) -> AsyncIterator[tuple[str, str]]:
        """Paths of channels and bridges that may be ours and are not this process's, each with its application."""
        for channel in await ari.request("GET", "/channels"):
            channel_id = str(channel["id"])
            attempt = channel_id.removesuffix(AGENT_SUFFIX)
            if is_attempt(attempt) and not self._is_known(attempt):
                yield f"/channels/{channel_id}", await app_of_channel(ari, channel_id)
        for bridge in await ari.request("GET", "/bridges"):
            attempt = str(bridge["id"]).removesuffix(BRIDGE_SUFFIX)
            if is_attempt(attempt) and not self._is_known(attempt):
                yield f"/bridges/{bridge['id']}", str(bridge.get("name"))


def _variable(app: str) -> str:
    return "RINGOFF_ALIVE_" + app[-12:]
