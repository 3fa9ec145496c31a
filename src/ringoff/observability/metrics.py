"""What Prometheus may scrape at ``/metrics``; no phone number, and nothing of a tenant, is ever a label."""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.invariant_broken = Gauge(
            "ringoff_invariant_broken",
            "Rows that broke a rule at the last look (10 means 10 or more); 0 is health.",
            ["rule"],
            registry=self._registry,
        )
        self.invariants_checked_at = Gauge(
            "ringoff_invariants_checked_timestamp_seconds",
            "When all rules were last looked at, in Unix time; 0 before the first look.",
            registry=self._registry,
        )
        self.invariant_failures = Counter(
            "ringoff_invariant_check_failures",
            "Looks that the database did not answer.",
            registry=self._registry,
        )
        self.settling = Gauge(
            "ringoff_terminations_settling",
            "Orders whose calls are not all settled yet (they are cancelled for every reader).",
            registry=self._registry,
        )

        self.webhooks_paused = Gauge(
            "ringoff_webhooks_paused",
            "Subscriptions that are paused because their endpoint keeps failing.",
            registry=self._registry,
        )
        self.webhook_oldest_s = Gauge(
            "ringoff_webhook_oldest_undelivered_seconds",
            "Age of the oldest event that waits for some subscriber, paused ones too; 0 when none does.",
            registry=self._registry,
        )

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self._registry)
