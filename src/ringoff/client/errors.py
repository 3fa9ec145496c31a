"""Every way a request can fail, as one tree: what the server refused, what it could not do, and no answer at all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_MESSAGE_LENGTH_MAX: Final = 500
_NOTHING_TERMINABLE: Final = "no terminable calls"

# The compatible routes have no fields for the place of a mistake, but their messages begin with it. A plain word before
# a verb is not taken for one: it may be prose.
_LOCATED: Final = re.compile(
    r"(?P<field>[a-z][a-z0-9_.]*)(?:\[(?P<position>\d+)\])?: "
    r"|(?P<named>[a-z][a-z0-9]*[_.][a-z0-9_.]*|[a-z][a-z0-9_.]*(?=\[))(?:\[(?P<index>\d+)\])? (?:is|must|has|does) ",
    re.ASCII,
)
_MISSING: Final = re.compile(r"Missing required field: (?P<field>[a-z_][a-z0-9_.]*)", re.ASCII)


class ClientError(Exception):
    """The root. ``message`` says what was wrong; the rest is None where it is not known."""

    status: int | None = None
    """Of the answer; None when there was none."""
    code: str | None = None
    field: str | None = None
    position: int | None = None
    """Index in ``field``, from 0."""
    request_id: str | None = None
    attempts: int = 0
    """Requests that were sent. Above 1, an earlier one may have been carried out although this is how it ended."""
    idempotency_key: str | None = None
    """Give it again with the same order: what was carried out already is answered as the first time."""

    def __init__(self, message: str, *, field: str | None = None, position: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.position = position


class Misused(ClientError):
    """The client was given something that no server can be asked; nothing was sent."""


class Unreachable(ClientError):
    """Nobody answered, or not in HTTP. ``was_sent`` is false only when the request certainly never left."""

    def __init__(self, message: str, *, was_sent: bool) -> None:
        super().__init__(message)
        self.was_sent = was_sent


class Unreadable(ClientError):
    """The server accepted the request, and its answer is not what this client understands."""


class Refused(ClientError):
    """The server answered that it did not do it. ``body`` is its answer as it came."""

    body: Any = None
    retry_after_s: float | None = None


class BadRequest(Refused):
    """The request breaks a rule; nothing was changed (400, 413, 415, 422)."""


class NothingTerminable(BadRequest):
    """The order covers no call that is registered or in retry; nothing was changed."""


class Unauthorized(Refused):
    """The key is missing, unknown or revoked (401)."""


class PaymentRequired(Refused):
    """The workspace has too few credits (402); Ringoff itself never says so."""


class Forbidden(Refused):
    """The key may not do this (403)."""


class NotFound(Refused):
    """No such thing in this workspace (404)."""


class Conflict(Refused):
    """The thing exists but its state does not allow the wish (409)."""


class RateLimited(Refused):
    """Too many requests (429), still after the retries."""


class NotOffered(Refused):
    """The server does not have this at all (501); its message says what to do instead."""


class ServerFailed(Refused):
    """The server's own failure (5xx), still after the retries: whether the request was carried out is unknown."""


_KINDS: Final[Mapping[int, type[Refused]]] = {
    400: BadRequest,
    401: Unauthorized,
    402: PaymentRequired,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: BadRequest,
    415: BadRequest,
    422: BadRequest,
    429: RateLimited,
    501: NotOffered,
}


@dataclass(frozen=True, slots=True)
class _Words:
    """What an error body says, whichever of its shapes it has."""

    message: str
    code: str | None = None
    field: str | None = None
    position: int | None = None


def refusal(status: int, headers: Mapping[str, str], body: Any) -> Refused:
    """The error that an answer is. ``headers`` are looked up by names in lower case."""
    words = _words(body)
    kind = _KINDS.get(status, ServerFailed if status >= 500 else Refused)
    if kind is BadRequest and (words.code == "nothing_terminable" or _NOTHING_TERMINABLE in words.message.lower()):
        kind = NothingTerminable
    error = kind(words.message, field=words.field, position=words.position)
    error.status, error.code, error.body = status, words.code, body
    error.request_id = headers.get("x-request-id")
    return error


def _words(body: Any) -> _Words:
    if not isinstance(body, Mapping):
        return _Words(str(body)[:_MESSAGE_LENGTH_MAX])
    error = body.get("error")
    if isinstance(error, Mapping):
        message = str(error.get("message") or body)
        if isinstance(named := error.get("field"), str):
            position = error.get("position")
            return _Words(message, _text(error.get("code")), named, position if isinstance(position, int) else None)
        return _located(message, _text(error.get("code")))
    detail = body.get("detail")
    if isinstance(detail, list):
        return _validation(detail)
    return _located(str(detail or body.get("message") or body))


def _validation(detail: list[Any]) -> _Words:
    """A list of ``{"loc", "msg"}``: the first one is as good as any."""
    first = detail[0] if detail and isinstance(detail[0], Mapping) else {}
    path = first.get("loc")
    places = [place for place in path if place != "body"] if isinstance(path, list) else []
    names = [place for place in places if isinstance(place, str)]
    indexes = [place for place in places if isinstance(place, int)]
    message = str(first.get("msg") or detail)[:_MESSAGE_LENGTH_MAX]
    return _Words(message, _text(first.get("type")), ".".join(names) or None, indexes[0] if indexes else None)


def _located(message: str, code: str | None = None) -> _Words:
    if missing := _MISSING.match(message):
        return _Words(message, code, missing["field"])
    found = _LOCATED.match(message)
    if found is None:
        return _Words(message[:_MESSAGE_LENGTH_MAX], code)
    position = found["position"] or found["index"]
    return _Words(message, code, found["field"] or found["named"], None if position is None else int(position))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
