"""Around every request: an id in and out, and one line in the access log, without numbers and without queries."""

import re
import secrets
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ringoff.api.routing import PATH_TEMPLATE
from ringoff.ports import Clock

REQUEST_ID_HEADER: Final = b"x-request-id"
_GIVEN_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_QUIET_PATHS: Final = frozenset({"/healthz", "/readyz"})
_log = structlog.get_logger("ringoff.access")


class RequestLog:
    """ASGI middleware: echoes or makes ``X-Request-Id``, binds it to all log lines of the request, logs the access."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        began = self._clock.monotonic()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (REQUEST_ID_HEADER, request_id)]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id.decode()):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                path = scope.get(PATH_TEMPLATE, "unmatched")
                write = _log.debug if path in _QUIET_PATHS else _log.info
                elapsed_ms = round((self._clock.monotonic() - began) * 1000, 2)
                write("request", method=scope["method"], path=path, status=status, elapsed_ms=elapsed_ms)


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER and _GIVEN_ID.fullmatch(value):
            given: bytes = value
            return given
    return secrets.token_hex(12).encode()
