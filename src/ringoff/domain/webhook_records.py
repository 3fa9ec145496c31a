"""What a deliverer reads and writes: subscriptions with a URL, events on their way, and how each try ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ringoff.domain.identifiers import WorkspaceId


@dataclass(frozen=True, slots=True)
class OpenSubscription:
    """One that has a URL."""

    workspace_id: WorkspaceId
    subscription_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one subscriber, with what its payload needs. The call's fields are None for an event of no call."""

    workspace_id: WorkspaceId
    event_id: int
    tries: int
    tried_at: datetime
    callback_url: str
    headers: Mapping[str, str]
    method: str
    signing_secret: str
    is_callback: bool
    """It came with a request, and is told in the words of those."""
    event_type: str
    payload: Mapping[str, Any]
    event_at: datetime
    call_id: UUID | None
    agent_id: UUID | None
    agent_name: str | None
    called_number: str | None
    calling_number: str | None
    custom_args: Mapping[str, str] | None
    bulk_list_id: UUID | None
    last_attempt_at: datetime | None
    created_at: datetime | None
    attempts: Sequence[tuple[str, datetime]]


@dataclass(frozen=True, slots=True)
class StatusCallback:
    """Where a request wants to be told of its call, or calls; ``origin`` is what callbacks to one host share."""

    origin: str
    callback_url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TryOutcome:
    """How one try ended, and what becomes of its delivery: the state, and the wait before the next try."""

    event_id: int
    tries: int
    state: str
    status: int | None
    latency_ms: int
    excerpt: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class DeliveryCursor:
    """Where a page of the log has ended: the next one is below it."""

    event_id: int
    subscription_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """A page of the log, newest event first; None means no restriction."""

    subscription_id: UUID | None = None
    event_type: str | None = None
    state: str | None = None
    call_id: UUID | None = None
    since: datetime | None = None
    """Events written from this instant on, aware UTC."""
    below: DeliveryCursor | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """How far one event has come to one subscriber; what is said of the last try is None before it has ended."""

    event_id: int
    call_id: UUID | None
    state: str
    tries: int
    status: int | None
    latency_ms: int | None
    excerpt: str | None
    event_at: datetime
    tried_at: datetime | None
    next_try_at: datetime | None
    subscription_id: UUID
    event_type: str


@dataclass(frozen=True, slots=True)
class PausedSubscription:
    workspace_id: WorkspaceId
    subscription_id: UUID
    event_type: str
    alarm: str
