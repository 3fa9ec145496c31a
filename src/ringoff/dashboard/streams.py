"""Server-sent events of one page, for as long as its tab is open and its session lives."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from typing import Final

from starlette.responses import Response, StreamingResponse

from ringoff.api.routing import IS_STREAM
from ringoff.dashboard.live import NO_MORE, Render
from ringoff.dashboard.visit import SECURITY_HEADERS, SESSION_COOKIE, Visit
from ringoff.operations import sessions

SESSION_CHECK_S: Final = 15.0
"""How long a session that has ended may still be shown figures; also how often a proxy hears that we are there."""
_STILL_HERE: Final = b": still here\n\n"


async def stream(visit: Visit, key: Hashable, render: Render) -> Response:
    """The events of a topic. Its content is the same for everybody of the workspace: no called number in full."""
    workspace_id = visit.session.workspace_id
    visit.dashboard.live.require_room(workspace_id)
    topic = (workspace_id, key)
    token = visit.request.cookies[SESSION_COOKIE]

    clock = visit.dashboard.services.clock

    async def events() -> AsyncIterator[bytes]:
        async with visit.dashboard.live.subscribed(topic, render, workspace_id) as tab:
            yield _STILL_HERE
            checked_s = clock.monotonic()
            while True:
                if (payload := await _next(tab)) == NO_MORE:
                    return
                if clock.monotonic() - checked_s >= SESSION_CHECK_S:
                    if await sessions.session_of(visit.store, token) is None:
                        return
                    checked_s = clock.monotonic()
                yield payload

    visit.request.scope[IS_STREAM] = True
    headers = {**SECURITY_HEADERS, "X-Accel-Buffering": "no"}
    return StreamingResponse(events(), media_type="text/event-stream", headers=headers)


async def _next(tab: "asyncio.Queue[bytes]") -> bytes:
    try:
        async with asyncio.timeout(SESSION_CHECK_S):
            return await tab.get()
    except TimeoutError:
        return _STILL_HERE
