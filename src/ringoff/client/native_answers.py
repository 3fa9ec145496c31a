"""Answers of Ringoff's own routes. Fields with a default may be missing in older versions; unknown ones are ignored."""

from typing import Any

import msgspec


class ReceiptCounts(msgspec.Struct, kw_only=True):
    """Exact once the receipt is settled."""

    cancelled: int = 0
    left_ongoing: int = 0
    retry_barred: int = 0
    hung_up: int = 0
    suppressed: int = 0


class ReceiptKey(msgspec.Struct, kw_only=True):
    api_key_id: str
    name: str
    prefix: str


class Receipt(msgspec.Struct, kw_only=True):
    """What an order was and what it has done."""

    termination_id: str
    level: str
    selector: dict[str, Any]
    state: str
    """``settling`` or ``settled``; covered calls are cancelled for every reader in both."""
    counts: ReceiptCounts
    reason: str | None = None
    ongoing: str = "finish"
    suppress: bool = False
    api_key: ReceiptKey | None = None
    created_at: str | None = None
    settled_at: str | None = None


class Call(msgspec.Struct, kw_only=True):
    call_id: str
    campaign_id: str | None = None
    """None for an individual call."""
    agent_id: str
    mobile_number: str
    status: str
    sub_status: str | None = None
    registered_at: str | None = None
    ended_at: str | None = None


class OpenCounts(msgspec.Struct, kw_only=True):
    registered: int = 0
    retry: int = 0
    ongoing: int = 0


class CampaignOpenCounts(msgspec.Struct, kw_only=True):
    campaign_id: str | None = None
    name: str
    agent_id: str
    counts: OpenCounts


class AgentOpenCounts(msgspec.Struct, kw_only=True):
    agent_id: str
    name: str
    counts: OpenCounts


class Preview(msgspec.Struct, kw_only=True):
    """What an order would cover now."""

    level: str
    terminable_count: int
    counts: OpenCounts
    campaign_count: int = 0
    by_campaign: list[CampaignOpenCounts] = []
    by_agent: list[AgentOpenCounts] = []
    sample: list[Call] = []


class CampaignCounts(msgspec.Struct, kw_only=True):
    total: int = 0
    registered: int = 0
    ongoing: int = 0
    retry: int = 0
    completed: int = 0
    failed: int = 0
    error: int = 0
    cancelled: int = 0


class Campaign(msgspec.Struct, kw_only=True):
    campaign_id: str
    agent_id: str
    name: str
    status: str
    calling_numbers: list[str] = []
    number_pool_id: str | None = None
    starts_at: str | None = None
    ends_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    counts: CampaignCounts | None = None
    """Where campaigns are read, not where they are paused, resumed or ended; the same holds for its share."""
    weight: int | None = None
    concurrency_percentage: float | None = None
    termination_id: str | None = None
    """The receipt of ``end``."""


class Suppression(msgspec.Struct, kw_only=True):
    mobile_number: str
    reason: str | None = None
    created_at: str | None = None
    termination_id: str | None = None


class Suppressed(msgspec.Struct, kw_only=True):
    """Numbers that were not on the list before; the rows only of an import."""

    added_count: int
    total_rows: int | None = None
    successful_rows: int | None = None
    failed_rows: int | None = None


class Subscription(msgspec.Struct, kw_only=True):
    subscription_id: str | None = None
    agent_id: str | None = None
    """None for the events of the whole workspace."""
    event_type: str
    created_at: str | None = None
    callback_url: str | None = None
    """None: its events are written, and sent to nobody."""
    method_type: str | None = None
    paused_at: str | None = None
    alarm: str | None = None
    """Why it is paused."""


class Webhook(msgspec.Struct, kw_only=True):
    subscription_id: str
    signing_secret: str


class Delivery(msgspec.Struct, kw_only=True):
    """One event to one subscription."""

    event_id: str
    event_type: str
    subscription_id: str
    call_id: str | None = None
    state: str
    """``pending``, ``delivered`` or ``dropped``."""
    tries: int = 0
    status: int | None = None
    """What the last try was answered with; None without an answer: then ``excerpt`` says why."""
    latency_ms: int | None = None
    excerpt: str | None = None
    event_at: str | None = None
    tried_at: str | None = None
    next_try_at: str | None = None


class Trunk(msgspec.Struct, kw_only=True):
    trunk_id: str
    name: str
    driver: str
    cps_max: float
    channels_max: int
    is_enabled: bool = True
    is_up: bool | None = None
    alarm: str | None = None
    alarm_at: str | None = None
    config: dict[str, Any] = {}
    created_at: str | None = None
    updated_at: str | None = None


class Number(msgspec.Struct, kw_only=True):
    number_id: str
    number: str
    display_name: str | None = None
    trunk_id: str
    created_at: str | None = None
    attempt_count: int = 0
    number_pool_id: str | None = None
    cps_max: float | None = None


class NumberPool(msgspec.Struct, kw_only=True):
    number_pool_id: str
    name: str
    trunk_id: str
    numbers: list[str]
    created_at: str | None = None


class ApiKey(msgspec.Struct, kw_only=True):
    api_key_id: str
    name: str
    prefix: str
    created_at: str | None = None
    revoked_at: str | None = None
    api_key: str | None = None
    """The secret, only where it is made."""


class Handling(msgspec.Struct, kw_only=True):
    agent_id: str
    kind: str
    target: str = ""
    retry_failed: bool = False
