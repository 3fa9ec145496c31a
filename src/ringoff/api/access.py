"""Around every request: an id in and out, and one line in the access log, without numbers and without queries."""

import re
import secrets
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ringoff.api.routing import IS_STREAM, PATH_TEMPLATE
from ringoff.observer_port import NOBODY, Observer, RequestNotes
from ringoff.ports import Clock

REQUEST_ID_HEADER: Final = b"x-request-id"
_GIVEN_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_QUIET_PATHS: Final = frozenset({"/healthz", "/livez", "/readyz", "/metrics"})
_log = structlog.get_logger("ringoff.access")


class RequestLog:
    """ASGI middleware: echoes or makes ``X-Request-Id``, binds it to all log lines of the request, logs the access."""

    def __init__(self, app: ASGIApp, clock: Clock, observer: Observer = NOBODY) -> None:
        self._app = app
        self._clock = clock
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._observer.request(RequestNotes(scope["method"]), scope["headers"]) as notes:
            await self._serve(scope, receive, send, notes)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, notes: RequestNotes) -> None:
        request_id = _request_id(scope)
        began = self._clock.monotonic()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                notes.status = message["status"]
                message["headers"] = [*message.get("headers", []), (REQUEST_ID_HEADER, request_id)]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id.decode()):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                notes.route = scope.get(PATH_TEMPLATE, notes.route)
                notes.is_stream = scope.get(IS_STREAM, False)
                write = _log.debug if notes.route in _QUIET_PATHS else _log.info
                elapsed_ms = round((self._clock.monotonic() - began) * 1000, 2)
                write("request", method=scope["method"], path=notes.route, status=notes.status, elapsed_ms=elapsed_ms)


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER and _GIVEN_ID.fullmatch(value):
            given: bytes = value
            return given
    return secrets.token_hex(12).encode()
