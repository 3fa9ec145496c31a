"""Every column that can hold words says whether a person may be in it, and what takes them out again.

A new column fails here until somebody has thought about it: it is added to one of the two tables below, and if it may
hold a number or a name, the erasure (store/sql/erasures.sql) has to know it.
"""

from collections.abc import Mapping
from typing import Final

import pytest

from ringoff.store.postgres import PostgresStore
from ringoff.store.sql_loader import load

pytestmark = pytest.mark.anyio

ERASED_BY: Final[Mapping[str, str]] = {
    "call.called_number": "erase_calls",
    "contact.called_number": "erase_contacts_of_calls",
    "contact.callee_name": "erase_contacts_of_calls",
    "contact.custom_args": "erase_contacts_of_calls",
    "dial_attempt.driver_call_id": "erase_attempts",
    "dial_attempt.cause_text": "erase_attempts",
    "carrier_callback.fields": "reports_write",
    "carrier_callback.fingerprint": "reports_write",
    "status_callback.callback_url": "erase_callbacks",
    "status_callback.headers": "erase_callbacks",
    "webhook_delivery.excerpt": "erase_answers_of_subscribers",
    "outbox_event.payload": "events_write",
    "termination.selector": "orders_write",
    "termination.reason": "orders_write",
    "idempotency_key.answer": "answers_write",
    "list_upload.faults": "lists_write",
    "list_upload.failure": "lists_write",
    "trunk.alarm": "trunks_write",
    "event_subscription.alarm": "subscriptions_write",
    "suppression.reason": "suppressions_write",
    "erasure.numbers": "finish",
    "erasure.place": "finish",
}
"""The statement that takes a person out of the column."""

STAYS_OR_GOES: Final[Mapping[str, str]] = {
    "suppression.mobile_number": "stays: erased, and never rung again",
    "erasure.masked_numbers": "masked: the record of what was erased",
    "erasure.reason": "what the operator wrote for the record, asked to name nobody",
    "number_fence.called_number": "waited for: it goes when its order has settled",
    "list_upload_chunk.bytes": "waited for: it goes when its list is verified",
    "idempotency_key.idempotency_key": "the client's own name of an order; goes after 24 hours",
    "idempotency_key.fingerprint": "a hash of an order; goes after 24 hours",
}
"""A person may be in it, and why it is not erased."""

NOBODY: Final = frozenset(
    f"{table}.{column}"
    for table, columns in {
        "agent": "display_name agent_type primary_language custom_variables config handling_kind handling_target",
        "api_key": "name key_hash prefix",
        "attempt_step": "outcome",
        "call": "status sub_status calling_number call_config",
        "campaign": "kind name status calling_numbers call_config variables_map",
        "campaign_fence": "sub_status",
        "campaign_outcome": "disposition",
        "dashboard_session": "token_hash",
        "dial_attempt": "state calling_number disposition",
        "dropped_period": "of_table name",
        "erasure": "state step",
        "event_subscription": "event_type callback_url headers method signing_secret origin",
        "list_upload": "country_code state",
        "number": "number display_name",
        "number_fence": "sub_status",
        "number_pool": "name",
        "outbox_event": "event_type",
        "schema_expansion": "name checksum",
        "schema_migration": "name checksum",
        "schema_step": "checksum",
        "termination": "level state ongoing",
        "trunk": "name driver config",
        "webhook_delivery": "state",
        "workspace": "name",
    }.items()
    for column in columns.split()
)
"""Words of the product, or of the workspace about itself: labels, settings, its own calling numbers."""

_COLUMNS = """
    SELECT c.relname || '.' || a.attname AS name
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
      AND a.attnum > 0 AND NOT a.attisdropped
      AND coalesce(e.typname, t.typname) IN ('text', 'varchar', 'bpchar', 'name', 'json', 'jsonb', 'bytea', 'xml')
"""


async def test_every_column_of_words_is_declared(store: PostgresStore) -> None:
    async with store.transaction() as tx:
        columns = {row["name"] for row in await tx.connection.fetch(_COLUMNS)}
    declared = ERASED_BY.keys() | STAYS_OR_GOES.keys() | NOBODY
    assert sorted(columns - declared) == [], "may a person be in these? see the head of this file"
    assert sorted(declared - columns) == [], "these do not exist any more"


def test_what_erases_a_column_exists_and_names_it() -> None:
    assert len(ERASED_BY.keys() | STAYS_OR_GOES.keys() | NOBODY) == len(ERASED_BY) + len(STAYS_OR_GOES) + len(NOBODY)
    statements = load("erasures")
    for name, statement in ERASED_BY.items():
        table, column = name.split(".")
        text = statements[statement]
        assert table in text, name
        assert column in text or f"DELETE FROM {table}" in text, name
