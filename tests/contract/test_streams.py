"""What is read of a body, and when: nothing without a key, and never more than the limit."""

from collections.abc import Iterable
from typing import Any

import pytest
from starlette.types import Message

from ringoff.api.app import ApiLimits, create_app
from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import COMPATIBLE, Tenant
from tests.support.virtual_clock import VirtualClock

CHUNK = b"x" * 1024
LIMIT = 64 * 1024


class Wire:
    """One raw ASGI request; counts what the application took of the body."""

    def __init__(self, method: str, path: str, headers: dict[str, str], chunks: Iterable[bytes]) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "server": ("ringoff.test", 80),
            "client": ("127.0.0.1", 1),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        self._chunks = iter(chunks)
        self.taken_count = 0
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        chunk = next(self._chunks, None)
        if chunk is None:
            return {"type": "http.disconnect"}
        self.taken_count += 1
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status


async def run(store: PostgresStore, wire: Wire) -> None:
    app = create_app(store=store, clock=VirtualClock(), limits=ApiLimits(json_bytes_max=LIMIT, csv_bytes_max=LIMIT))
    await app(wire.scope, wire.receive, wire.send)


ROUTES = [
    ("PATCH", f"{COMPATIBLE}/campaign/terminate", "application/json"),
    ("POST", f"{COMPATIBLE}/campaign/save", "multipart/form-data; boundary=b"),
    ("POST", f"{COMPATIBLE}/campaign/upload-csv", "multipart/form-data; boundary=b"),
]


@pytest.mark.parametrize(("method", "path", "content_type"), ROUTES)
async def test_without_a_key_not_one_byte_is_read(
    store: PostgresStore, method: str, path: str, content_type: str
) -> None:
    wire = Wire(method, path, {"Content-Type": content_type}, [CHUNK] * 1000)
    await run(store, wire)
    assert (wire.status, wire.taken_count) == (401, 0)


@pytest.mark.parametrize(("method", "path", "content_type"), ROUTES)
async def test_an_announced_body_over_the_limit_is_not_read(
    store: PostgresStore, tenant: Tenant, method: str, path: str, content_type: str
) -> None:
    headers = tenant.headers | {"Content-Type": content_type, "Content-Length": str(LIMIT + 1)}
    wire = Wire(method, path, headers, [CHUNK] * 1000)
    await run(store, wire)
    assert (wire.status, wire.taken_count) == (413, 0)


@pytest.mark.parametrize(("method", "path", "content_type"), ROUTES)
async def test_an_unannounced_body_is_read_up_to_the_limit(
    store: PostgresStore, tenant: Tenant, method: str, path: str, content_type: str
) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    wire = Wire(method, path, tenant.headers | {"Content-Type": content_type}, [part, *[CHUNK] * 1000])
    await run(store, wire)
    assert wire.status == 413
    assert wire.taken_count <= LIMIT // len(CHUNK) + 2


@pytest.mark.parametrize(("method", "path", "content_type"), ROUTES)
async def test_a_client_that_leaves_changes_nothing(
    store: PostgresStore, tenant: Tenant, method: str, path: str, content_type: str
) -> None:
    wire = Wire(method, path, tenant.headers | {"Content-Type": content_type}, [b"--b\r\n"])
    await run(store, wire)
    assert wire.status == 400
