"""Errors come in the envelope of their family: credentials, unknown routes, wrong methods, our own failures."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from ringoff.api.app import ApiLimits, create_app, operations
from ringoff.api.errors import ErrorShape
from ringoff.api.routing import Operation
from ringoff.domain.errors import DatabaseUnavailable, MigrationRefused
from ringoff.store.postgres import PostgresStore
from tests.contract.conformance import conforms
from tests.contract.tenants import COMPATIBLE, NATIVE, Tenant
from tests.support.virtual_clock import VirtualClock

UNAUTHORIZED: dict[ErrorShape, Any] = {
    ErrorShape.CODED: {"error": {"code": "401 Unauthorized", "message": "Invalid credentials"}},
    ErrorShape.DETAIL: {"detail": "Invalid credentials"},
    ErrorShape.AGENT: {"success": False, "error": {"code": "UNAUTHORIZED", "message": "Invalid credentials"}},
    ErrorShape.STATUS: {"status": "error", "message": "Invalid credentials"},
    ErrorShape.NATIVE: {
        "error": {"code": "unauthorized", "message": "Invalid credentials", "field": None, "position": None}
    },
}
UNEXPECTED: dict[ErrorShape, Any] = {
    ErrorShape.CODED: {
        "error": {
            "code": "500 Internal Server Error",
            "message": "An unexpected error occurred on the server.",
        }
    },
    ErrorShape.DETAIL: {"detail": "An unexpected error occurred."},
    ErrorShape.AGENT: {
        "success": False,
        "error": {"code": "INTERNAL_SERVER_ERROR", "message": "An unexpected error occurred."},
    },
    ErrorShape.STATUS: {"status": "error", "message": "An unexpected error occurred."},
    ErrorShape.NATIVE: {
        "error": {
            "code": "internal_error",
            "message": "An unexpected error occurred.",
            "field": None,
            "position": None,
        }
    },
}


class BrokenStore(PostgresStore):
    """Knows keys no more: every transaction ends as it is told to."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        raise self._error
        yield

    single_read = transaction
    order_transaction = transaction

    async def ping(self) -> None:
        raise self._error


def client_over(store: PostgresStore) -> httpx2.AsyncClient:
    app = create_app(store=store, clock=VirtualClock(), limits=ApiLimits())
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://ringoff.test", event_hooks={"response": [conforms]}
    )


def address(operation: Operation) -> str:
    return re.sub(r"\{[a-z_]+\}", str(uuid4()), operation.path)


KEYED = [operation for operation in operations() if operation.needs_key]


async def test_every_route_wants_a_good_key_before_anything_else(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    headers: list[dict[str, str]] = [
        {},
        {"X-API-KEY": ""},
        {"X-API-KEY": "ringoff_live_wrong"},
        {"X-API-KEY": tenant.key + "x"},
        {"X-API-KEY": tenant.key.upper()},
        {"X-API-KEY": "x" * 10_000},
        {"Authorization": f"Bearer {tenant.key}"},
    ]
    for operation in KEYED:
        for given in headers:
            # The body is broken and the query unknown: neither is looked at.
            answer = await client.request(
                operation.method, address(operation) + "?nonsense=1", headers=given, content=b"\xff{"
            )
            assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED[operation.shape]), operation.path


async def test_two_keys_are_no_key(client: httpx2.AsyncClient, tenant: Tenant, stranger: Tenant) -> None:
    both = [("X-API-KEY", tenant.key), ("X-API-KEY", stranger.key)]
    assert (await client.get(f"{COMPATIBLE}/workspace", headers=both)).status_code == 401


async def test_a_revoked_key_stops_at_once(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    path = f"{NATIVE}/api-keys"
    made = (await client.post(path, headers=tenant.headers, json={"name": "second"})).json()
    headers = {"X-API-KEY": made["api_key"]}
    listed = (await client.get(path, headers=headers)).json()["api_keys"]
    assert {key["name"] for key in listed} == {"test", "second"}
    assert not any(made["api_key"] in str(key) for key in listed)
    for _ in range(2):
        assert (await client.delete(f"{path}/{made['api_key_id']}", headers=tenant.headers)).status_code == 204
        assert (await client.get(path, headers=headers)).status_code == 401
    revoked = [key["revoked_at"] for key in (await client.get(path, headers=tenant.headers)).json()["api_keys"]]
    assert sorted(at is None for at in revoked) == [False, True]


async def test_a_crash_says_fixed_words_and_nothing_else() -> None:
    async with client_over(BrokenStore(RuntimeError("secret of +14155550101"))) as client:
        for operation in KEYED:
            answer = await client.request(operation.method, address(operation), headers={"X-API-KEY": "k"})
            assert (answer.status_code, answer.json()) == (500, UNEXPECTED[operation.shape]), operation.path


async def test_a_database_that_is_away_is_worth_another_try() -> None:
    async with client_over(BrokenStore(DatabaseUnavailable("the database cannot be reached"))) as client:
        for operation in KEYED:
            answer = await client.request(operation.method, address(operation), headers={"X-API-KEY": "k"})
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1"), operation.path


@pytest.mark.parametrize("error", [DatabaseUnavailable("away"), MigrationRefused("too new")])
async def test_readiness_follows_the_database_and_health_does_not(error: Exception) -> None:
    async with client_over(BrokenStore(error)) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503


async def test_health_needs_no_key(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json() == {"status": "ready"}


async def test_an_unknown_route_answers_in_the_envelope_of_its_neighbours(client: httpx2.AsyncClient) -> None:
    missing = "No such route"
    native = {"error": {"code": "not_found", "message": missing, "field": None, "position": None}}
    table: list[tuple[str, Any]] = [
        (f"{COMPATIBLE}/workspace/nobody", {"error": {"code": "not_found", "message": missing}}),
        (f"{COMPATIBLE}/calling/history/", {"error": {"code": "not_found", "message": missing}}),
        (f"{COMPATIBLE}/campaign/none", {"detail": missing}),
        (f"{COMPATIBLE}/public/agent/x/y", {"success": False, "error": {"code": "NOT_FOUND", "message": missing}}),
        (f"{COMPATIBLE}/agent/voices/none", {"status": "error", "message": missing}),
        (f"{NATIVE}/nothing", native),
        ("/", native),
    ]
    for path, body in table:
        answer = await client.get(path)
        assert (answer.status_code, answer.json()) == (404, body)


async def test_a_wrong_method_says_which_are_right(client: httpx2.AsyncClient) -> None:
    table = [
        ("GET", f"{COMPATIBLE}/campaign/terminate", "PATCH"),
        ("POST", f"{COMPATIBLE}/campaign/terminate", "PATCH"),
        ("POST", f"{COMPATIBLE}/agent/all", "GET, HEAD"),
        ("PUT", f"{NATIVE}/trunks", "GET, HEAD, POST"),
        ("POST", "/openapi.json", "GET"),
    ]
    for method, path, allowed in table:
        answer = await client.request(method, path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


async def test_a_request_id_is_echoed_when_it_is_one(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/healthz", headers={"X-Request-Id": "a-1.b_2"})).headers["X-Request-Id"] == "a-1.b_2"
    for strange in ("with space", "x" * 65, 'quote"'):
        made = (await client.get("/nowhere", headers={"X-Request-Id": strange})).headers["X-Request-Id"]
        assert made != strange
        assert made.isalnum()
