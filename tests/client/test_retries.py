"""What is sent again: reads and orders under their key; never what may ring somebody, unless it never left."""

import io
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from ringoff.client import NothingTerminable, RateLimited, Retries, ServerFailed, Unreachable
from tests.client.asking import Answer, Script, json_answer

Wish = Callable[[Any], Any]

AGENTS = {"status": "success", "data": {"agents": []}}
STARTED = {"status": "success", "data": {"call_id": "c1"}}
CAMPAIGN_STARTED = {"status": "campaign registered successfully!", "has_ongoing_calls": False}
TERMINATED = {"message": "Calls terminated successfully!"}
CAMPAIGN = {"campaign_id": "k", "agent_id": "a", "name": "n", "status": "paused"}
RECEIPT = {"termination_id": "t", "level": "agent", "selector": {}, "state": "settled", "counts": {}}
SAVED = {"list_id": "l"}


def save(api: Any, file: io.BytesIO | None = None) -> Any:
    return api.campaigns.save(
        file or io.BytesIO(b"Mobile Number\n"),
        agent_id="a",
        campaign_name="n",
        country_code="+1",
        variables_map={},
        call_config={},
        campaign_start_time="01/01/2040, 10:00",
        campaign_end_time="02/01/2040, 10:00",
    )


def call(api: Any) -> Any:
    return api.calls.start(name="n", mobile_number="+12025550101", agent_id="a", from_number="+12025550100")


FREELY: list[tuple[Wish, Any]] = [
    (lambda api: api.agents.list(), AGENTS),
    (lambda api: api.terminate(agent_id="a"), TERMINATED),
    (lambda api: api.native.terminations.give(agent_id="a"), RECEIPT),
    (lambda api: api.native.suppressions.add(["+12025550101"]), {"added_count": 1}),
    (lambda api: api.request("GET", "/api/v1/trunks"), {"trunks": []}),
]
AT_MOST_ONCE: list[tuple[Wish, Any]] = [
    (call, STARTED),
    (save, SAVED),
    (lambda api: api.campaigns.start(agent_id="a", list_id="l", from_numbers=["n"]), CAMPAIGN_STARTED),
    (lambda api: api.native.campaigns.resume("k"), CAMPAIGN),
    (lambda api: api.request("POST", "/api/v1/trunks", json={}), {}),
]


def lost(kind: type[httpx2.TransportError]) -> httpx2.TransportError:
    return kind("gone")


TROUBLES: list[Callable[[], Answer]] = [
    lambda: lost(httpx2.ConnectError),
    lambda: lost(httpx2.ReadError),
    lambda: lost(httpx2.ReadTimeout),
    lambda: lost(httpx2.RemoteProtocolError),
    *[lambda status=status: json_answer(status, {"detail": "later"}) for status in (429, 502, 503, 504)],
]


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize(("wish", "good"), FREELY)
async def test_what_may_be_done_twice_is_sent_again(
    kind: str, wish: Wish, good: Any, trouble: Callable[[], Answer]
) -> None:
    script = Script(trouble(), json_answer(200, good))
    await script.client(kind)(wish)
    first, second = script.asked
    assert (first.url, first.content, first.headers.get("idempotency-key")) == (
        second.url,
        second.content,
        second.headers.get("idempotency-key"),
    )
    assert script.waits_s == [0.5]


@pytest.mark.parametrize("trouble", TROUBLES[1:])
@pytest.mark.parametrize(("wish", "good"), AT_MOST_ONCE)
async def test_what_may_ring_somebody_is_not_sent_again(
    kind: str, wish: Wish, good: Any, trouble: Callable[[], Answer]
) -> None:
    script = Script(trouble(), json_answer(200, good))
    with pytest.raises((Unreachable, ServerFailed, RateLimited)) as caught:
        await script.client(kind)(wish)
    assert (len(script.asked), caught.value.attempts, script.waits_s) == (1, 1, [])


@pytest.mark.parametrize("refused", [httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout])
@pytest.mark.parametrize(("wish", "good"), AT_MOST_ONCE)
async def test_what_never_left_is_sent_again_whatever_it_is(
    kind: str, wish: Wish, good: Any, refused: type[httpx2.TransportError]
) -> None:
    script = Script(lost(refused), json_answer(200, good))
    await script.client(kind)(wish)
    assert len(script.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422, 500, 501])
async def test_an_answer_that_would_be_the_same_again_is_final(kind: str, status: int) -> None:
    script = Script(json_answer(status, {"detail": "no"}))
    with pytest.raises(Exception, match="no") as caught:
        await script.client(kind)(lambda api: api.agents.list())
    assert getattr(caught.value, "status", None) == status


async def test_retries_end_and_the_waits_double_up_to_their_limit(kind: str) -> None:
    script = Script(*[lost(httpx2.ConnectError) for _ in range(6)])
    client = script.client(kind, retries=Retries(attempts_max=6, wait_first_s=1, wait_max_s=5))
    with pytest.raises(Unreachable, match=r"no answer from http://ringoff\.test: gone") as caught:
        await client(lambda api: api.agents.list())
    assert (caught.value.attempts, caught.value.was_sent) == (6, False)
    assert script.waits_s == [1, 2, 4, 5, 5]


async def test_a_wait_is_shortened_by_up_to_a_half(kind: str) -> None:
    script = Script(json_answer(503, {}), json_answer(200, AGENTS))
    await script.client(kind, dice=lambda: 0.5)(lambda api: api.agents.list())
    assert script.waits_s == [0.375]


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": "0"}, 0),
        ({"Retry_After": "Mon, 05 Jan 2026 12:00:09 GMT", "Date": "Mon, 05 Jan 2026 12:00:00 GMT"}, 9),
        ({"Retry_After": "Mon, 05 Jan 2026 12:00:00 GMT", "Date": "Mon, 05 Jan 2026 12:00:09 GMT"}, 0),
        ({"Retry_After": "Mon, 05 Jan 2026 12:00:09 GMT"}, 0.5),
        ({"Retry_After": "soon"}, 0.5),
    ],
)
async def test_a_server_says_how_long_to_wait(kind: str, headers: dict[str, str], wait_s: float) -> None:
    script = Script(json_answer(429, {}, **headers), json_answer(200, AGENTS))
    await script.client(kind)(lambda api: api.agents.list())
    assert script.waits_s == [wait_s]


async def test_a_pause_that_is_too_long_is_left_to_the_caller(kind: str) -> None:
    script = Script(json_answer(429, {"detail": "slow down"}, Retry_After="3600"))
    with pytest.raises(RateLimited, match="slow down") as caught:
        await script.client(kind)(lambda api: api.agents.list())
    assert (caught.value.retry_after_s, script.waits_s) == (3600, [])


async def test_every_order_has_a_key_of_its_own_and_the_error_names_it(kind: str) -> None:
    script = Script(*[json_answer(503, {"detail": "away"}) for _ in range(2)], json_answer(200, TERMINATED))
    client = script.client(kind, retries=Retries(attempts_max=1))
    keys = []
    for _ in range(2):
        with pytest.raises(ServerFailed) as caught:
            await client(lambda api: api.terminate(agent_id="a"))
        keys.append(caught.value.idempotency_key)
    assert keys == [request.headers["idempotency-key"] for request in script.asked]
    assert keys[0] != keys[1]
    await client(lambda api: api.terminate(agent_id="a", idempotency_key="mine"))
    assert script.asked[2].headers["idempotency-key"] == "mine"


async def test_a_refusal_after_a_lost_answer_says_that_it_was_not_the_first_attempt(kind: str) -> None:
    """A server without keys may have carried out the first one."""
    nothing = json_answer(400, {"detail": "No terminable calls found for the specified parameters"})
    script = Script(lost(httpx2.ReadTimeout), nothing)
    with pytest.raises(NothingTerminable) as caught:
        await script.client(kind)(lambda api: api.terminate(agent_id="a"))
    assert caught.value.attempts == 2


async def test_an_upload_that_never_left_begins_at_its_beginning(kind: str) -> None:
    script = Script(lost(httpx2.ConnectError), json_answer(200, SAVED))
    file = io.BytesIO(b"skipped\nMobile Number\n+12025550101\n")
    file.readline()
    await script.client(kind)(lambda api: save(api, file))
    sent = script.asked[1].content
    assert b"Mobile Number\n+12025550101\n" in sent
    assert b"skipped" not in sent
