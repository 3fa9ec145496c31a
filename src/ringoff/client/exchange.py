"""What is asked, what came back, and whether to ask again: decisions only, shared by the two clients."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from email.utils import parsedate_to_datetime
from enum import Enum
from random import SystemRandom
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from ringoff.client.errors import ClientError, Unreachable, Unreadable, refusal
from ringoff.client.tolerance import read_as
from ringoff.client.transfers import Sink, Upload

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

roll: Final = SystemRandom().random
Dice = Callable[[], float]
"""A number from 0 up to 1."""

ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of an answer that is kept in memory; a page of a thousand calls has about one."""
KEY_HEADER: Final = "Idempotency-Key"
TERMINATION_ID_HEADER: Final = "x-termination-id"
REPLAYED_HEADER: Final = "idempotency-replayed"

COMPATIBLE: Final = "/ca/api/v0"
NATIVE: Final = "/api/v1"

_BUSY: Final = frozenset({429, 502, 503, 504})


class Repeat(Enum):
    """What may be done when nobody knows whether a request was carried out."""

    FREELY = "freely"
    """It reads, or twice is the same as once, or it carries an Idempotency-Key."""
    IF_NEVER_SENT = "if never sent"
    """It may ring somebody, or make a second one of something."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How long to go on. Waits double from the first one on, each shortened at random by up to a half."""

    attempts_max: int = 4
    """Requests, the first one included; 1 never retries."""
    wait_first_s: float = 0.5
    wait_max_s: float = 30.0
    """A server that asks for a longer pause (Retry-After) is believed, and not waited for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the server, good or bad. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: Any
    """Of JSON its value, otherwise the text; of a streamed file nothing."""
    streamed_bytes: int | None = None
    """What went to the request's sink; None when nothing did."""

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Request(Generic[T_co]):
    """One question, and how to read its answer."""

    method: str
    path: str
    read: Callable[[Reply], T_co]
    query: Mapping[str, Any] = field(default_factory=dict)
    """None is left out, a list is repeated, dates are ISO 8601."""
    json: Mapping[str, Any] | None = None
    upload: Upload | None = None
    sink: Sink | None = None
    idempotency_key: str | None = None
    repeat: Repeat = Repeat.IF_NEVER_SENT

    @property
    def is_long(self) -> bool:
        """The server reads or writes a whole file before it is done."""
        return self.upload is not None or self.sink is not None

    @property
    def headers(self) -> dict[str, str]:
        own = {} if self.idempotency_key is None else {KEY_HEADER: self.idempotency_key}
        if self.json is not None:
            own["Content-Type"] = "application/json"
        return own | (self.upload.headers() if self.upload else {})

    @property
    def body(self) -> bytes | None:
        """The JSON; an upload has its own parts."""
        return None if self.json is None else json.dumps(self.json, default=_plain).encode()

    @property
    def query_pairs(self) -> list[tuple[str, str]]:
        """In the order given."""
        pairs: list[tuple[str, str]] = []
        for name, value in self.query.items():
            several = value if isinstance(value, list | tuple) else [value]
            pairs += [(name, _query_text(single)) for single in several if single is not None]
        return pairs


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """Some rows, and the request for what follows."""

    rows: Sequence[T_co]
    following: "Request[Page[T_co]] | None"


def wait_before_next(
    request: Request[Any], outcome: Reply | Unreachable, attempt: int, retries: Retries, dice: Dice
) -> float | None:
    """Seconds to wait before the request is sent again, or None when this outcome is the last.

    ``attempt`` counts from 1.
    """
    if attempt >= retries.attempts_max:
        return None
    if isinstance(outcome, Unreachable):
        if outcome.was_sent and request.repeat is not Repeat.FREELY:
            return None
        asked_s = None
    else:
        if outcome.status not in _BUSY or request.repeat is not Repeat.FREELY:
            return None
        asked_s = retry_after_s(outcome.headers)
    if asked_s is not None:
        return asked_s if asked_s <= retries.wait_max_s else None
    wait_s: float = min(retries.wait_max_s, retries.wait_first_s * 2 ** (attempt - 1))
    return wait_s * (1 - dice() / 2)


def concluded(request: Request[T], outcome: Reply | Unreachable, attempts: int) -> T:
    """What the last outcome is for the caller: a value, or one of the errors."""
    error: ClientError
    if isinstance(outcome, Unreachable):
        error = outcome
    elif outcome.is_good:
        try:
            return request.read(outcome)
        except (msgspec.ValidationError, LookupError, TypeError, ValueError) as reason:
            error = Unreadable(f"{request.method} {request.path} was answered with something else: {reason}")
            error.status, error.request_id = outcome.status, outcome.headers.get("x-request-id")
            error.__cause__ = reason
    else:
        refused = refusal(outcome.status, outcome.headers, outcome.body)
        refused.retry_after_s = retry_after_s(outcome.headers)
        error = refused
    error.attempts, error.idempotency_key = attempts, request.idempotency_key
    raise error


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """What ``Retry-After`` asks for, as seconds or as a moment; None without it, or when nobody can read it."""
    given = headers.get("retry-after", "").strip()
    if given.isdigit():
        return float(given)
    try:
        # The server's own clock says when it answered: no need to trust ours.
        wait = parsedate_to_datetime(given) - parsedate_to_datetime(headers["date"])
        return max(0.0, wait.total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


def text_or_json(content: bytes) -> Any:
    """Of JSON its value, otherwise the text."""
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")


def body_as(kind: type[T]) -> Callable[[Reply], T]:
    """Reads an answer as ``kind``."""

    def read(reply: Reply) -> T:
        return read_as(reply.body, kind)

    return read


def within(key: str, kind: type[T]) -> Callable[[Reply], T]:
    """Reads what an answer has under ``key`` as ``kind``."""

    def read(reply: Reply) -> T:
        return read_as(reply.body[key], kind)

    return read


def no_answer(_reply: Reply) -> None:
    """For an answer without a body."""


def require_progress(page: Sequence[Any], fresh: Sequence[Any]) -> None:
    """A server that gives the page before once more would be asked for ever."""
    if page and not fresh:
        raise ValueError("the same page again")


def cursored(path: str, query: Mapping[str, Any], key: str, kind: type[list[T]]) -> "Request[Page[T]]":
    """The rows under ``key``, and what follows them by the server's cursor."""

    def read(reply: Reply) -> Page[T]:
        rows = read_as(reply.body[key], kind)
        cursor = reply.body.get("next_cursor")
        if cursor is not None and cursor == query.get("cursor"):
            raise ValueError("the same page again")
        return Page(rows, None if cursor is None else cursored(path, {**query, "cursor": cursor}, key, kind))

    return Request("GET", path, read, query, repeat=Repeat.FREELY)


def segment(text: object) -> str:
    """One segment of a path, whatever is in it; dots alone would climb."""
    quoted = quote(str(text), safe="")
    return quoted.replace(".", "%2E") if not quoted.strip(".") else quoted


def given(**fields: Any) -> dict[str, Any]:
    """Only the fields that are not None: the server refuses what it is not asked for by name."""
    return {name: value for name, value in fields.items() if value is not None}


def _query_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(_plain(value)) if isinstance(value, date) else str(value)


def _plain(value: Any) -> Any:
    """Dates and instants are ISO 8601; ids of any type are texts."""
    return value.isoformat() if isinstance(value, date) else str(value)
