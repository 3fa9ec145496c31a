"""The address where a carrier reports: what is signed for an attempt of its trunk is kept, everything else is not."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx2
import pytest
from twilio.request_validator import RequestValidator

from ringoff.api.app import create_app
from ringoff.api.carriers import REPORT_BYTES_MAX, REPORT_FIELDS_MAX
from ringoff.clock import SystemClock
from ringoff.dispatch.supervisor import Supervisor
from ringoff.store.postgres import PostgresStore
from ringoff.telephony.simulated import SimulatedCarrier
from tests.contract.conftest import LIMITS
from tests.support.virtual_clock import VirtualClock
from tests.support.world import World

pytestmark = pytest.mark.anyio
PUBLIC = "https://ringoff.example.com/calls"
TOKEN = "the-token-of-the-trunk"
CONFIG = {"account_sid": "AC1", "auth_token": TOKEN, "callback_base_url": PUBLIC}
FIELDS = {"CallSid": "CA1", "CallStatus": "ringing", "SequenceNumber": "1", "To": "+14155550101", "Empty": ""}
FORM = "application/x-www-form-urlencoded"
NO_ID = UUID(int=7)


@pytest.fixture
async def client(store: PostgresStore) -> AsyncIterator[httpx2.AsyncClient]:
    """Without the check against the published document: this address is no part of an API."""
    app = create_app(store=store, clock=VirtualClock(), limits=LIMITS)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://10.0.0.7:8080") as connected:
        yield connected


@dataclass
class Dialled:
    """A claimed attempt on a Twilio trunk."""

    world: World
    path: str
    owner: Supervisor

    def signed(self, fields: Mapping[str, str], token: str = TOKEN) -> dict[str, str]:
        return {"X-Twilio-Signature": RequestValidator(token).compute_signature(PUBLIC + self.path, fields)}

    async def kept(self) -> list[Mapping[str, str]]:
        """What waits for the owner; it is gone then."""
        async with self.world.store.transaction() as tx:
            return [callback.fields for callback in await tx.callbacks.callbacks_of(self.owner.owner_id, 100)]


async def dialled(store: PostgresStore, driver: str = "twilio", config: Mapping[str, str] | None = None) -> Dialled:
    world = await World.make(store)
    async with store.transaction() as tx:
        await tx.connection.execute(
            "UPDATE trunk SET driver = $2, config = $3 WHERE trunk_id = $1",
            world.trunk_id,
            driver,
            CONFIG if config is None else config,
        )
    await world.campaign(["+14155550101"])
    owner = Supervisor(store=store, driver=SimulatedCarrier(SystemClock()), clock=SystemClock())
    [(_, [claimed])] = await world.claim(owner)
    return Dialled(world, f"/carriers/twilio/{world.trunk_id}/{claimed.attempt_id}", owner)


async def test_a_signed_report_is_kept_and_needs_no_key(store: PostgresStore, client: httpx2.AsyncClient) -> None:
    call = await dialled(store)
    answer = await client.post(call.path, data=FIELDS, headers=call.signed(FIELDS))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    assert answer.text.endswith("<Response/>")
    assert answer.headers["X-Request-Id"]
    assert await call.kept() == [FIELDS]


async def test_the_public_address_counts_and_no_header(store: PostgresStore, client: httpx2.AsyncClient) -> None:
    """A signature for the address that the headers claim is worth nothing."""
    call = await dialled(store)
    claimed = {"X-Forwarded-Host": "evil.example.com", "X-Forwarded-Proto": "https", "Host": "evil.example.com"}
    good = await client.post(call.path, data=FIELDS, headers=call.signed(FIELDS) | claimed)
    assert good.status_code == 200
    evil = RequestValidator(TOKEN).compute_signature("https://evil.example.com" + call.path, FIELDS)
    bad = await client.post(call.path, data=FIELDS, headers={"X-Twilio-Signature": evil} | claimed)
    assert bad.status_code == 403
    local = RequestValidator(TOKEN).compute_signature("http://10.0.0.7:8080" + call.path, FIELDS)
    bad = await client.post(call.path, data=FIELDS, headers={"X-Twilio-Signature": local})
    assert bad.status_code == 403


async def test_what_is_not_signed_is_forbidden(store: PostgresStore, client: httpx2.AsyncClient) -> None:
    call = await dialled(store)
    other = FIELDS | {"CallStatus": "completed"}
    for headers in ({}, {"X-Twilio-Signature": ""}, call.signed(FIELDS, "another-token"), call.signed(other)):
        answer = await client.post(call.path, data=FIELDS, headers=headers)
        assert (answer.status_code, answer.content) == (403, b"")
    with_query = await client.post(call.path + "?a=1", data=FIELDS, headers=call.signed(FIELDS))
    assert with_query.status_code == 403
    assert await call.kept() == []


async def test_a_replayed_report_changes_nothing(store: PostgresStore, client: httpx2.AsyncClient) -> None:
    call = await dialled(store)
    for _ in range(3):
        answer = await client.post(call.path, data=FIELDS, headers=call.signed(FIELDS))
        assert answer.status_code == 200
    assert await call.kept() == [FIELDS]


async def test_foreign_calls_are_not_found(store: PostgresStore, client: httpx2.AsyncClient) -> None:
    ours, theirs = await dialled(store), await dialled(store)
    trunk, attempt = ours.path.split("/")[3], theirs.path.split("/")[4]
    crossed = Dialled(ours.world, f"/carriers/twilio/{trunk}/{attempt}", ours.owner)
    unknown_attempt = Dialled(ours.world, f"/carriers/twilio/{trunk}/{uuid4()}", ours.owner)
    unknown_trunk = Dialled(ours.world, f"/carriers/twilio/{uuid4()}/{attempt}", ours.owner)
    for call in (crossed, unknown_attempt, unknown_trunk):
        answer = await client.post(call.path, data=FIELDS, headers=call.signed(FIELDS))
        assert (answer.status_code, answer.content) == (404, b"")
    assert await ours.kept() == await theirs.kept() == []


@pytest.mark.parametrize(("driver", "config"), [("simulated", CONFIG), ("twilio", {}), ("twilio", {"auth_token": ""})])
async def test_a_trunk_that_has_no_such_carrier_is_not_found(
    store: PostgresStore, client: httpx2.AsyncClient, driver: str, config: Mapping[str, str]
) -> None:
    call = await dialled(store, driver, config)
    for token in (TOKEN, ""):
        answer = await client.post(call.path, data=FIELDS, headers=call.signed(FIELDS, token))
        assert (answer.status_code, answer.content) == (404, b"")


async def test_bodies_that_are_no_such_form(store: PostgresStore, client: httpx2.AsyncClient) -> None:
    call = await dialled(store)
    headers = call.signed(FIELDS)
    body = urlencode(FIELDS).encode()
    many = urlencode([(f"f{number}", "") for number in range(REPORT_FIELDS_MAX + 1)]).encode()

    async def status(content: bytes, media_type: str | None = FORM) -> int:
        sent = headers if media_type is None else headers | {"Content-Type": media_type}
        return (await client.post(call.path, content=content, headers=sent)).status_code

    assert await status(body + b"&a=" + b"x" * REPORT_BYTES_MAX) == 413
    assert await status(many) == 400
    assert await status(body + b"&a=\xff") == 400
    assert await status(body + b"&a=%ff") == 400
    assert await status(body + b"&a=%00") == 400
    assert await status(body, "application/json") == 415
    assert await status(body, "multipart/form-data; boundary=x") == 415
    assert await status(body, None) == 415
    assert await call.kept() == []
    assert await status(body, FORM + "; charset=UTF-8") == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_not_allowed(client: httpx2.AsyncClient, method: str) -> None:
    answer = await client.request(method, f"/carriers/twilio/{NO_ID}/{NO_ID}")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/carriers/twilio/x/y", f"/carriers/twilio/{NO_ID}", f"/carriers/sim/{NO_ID}/1"])
async def test_other_addresses_are_not_found(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.post(path, data=FIELDS)).status_code == 404
