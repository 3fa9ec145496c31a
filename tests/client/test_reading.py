"""What answers become: values that forgive, errors with their place, rows page by page, files as they come."""

import io
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ringoff.client import (
    AsyncRingoffClient,
    BadRequest,
    ClientError,
    Conflict,
    Forbidden,
    Misused,
    NotFound,
    NothingTerminable,
    NotOffered,
    PaymentRequired,
    Refused,
    Retries,
    RingoffClient,
    ServerFailed,
    Unauthorized,
    Unreachable,
    Unreadable,
)
from tests.client.asking import Script, json_answer


@pytest.mark.parametrize(
    ("status", "body", "error", "place"),
    [
        (
            400,
            {"error": {"code": "x", "message": "m", "field": "call_ids", "position": 3}},
            BadRequest,
            ("call_ids", 3),
        ),
        (
            400,
            {"error": {"code": "x", "message": "mobile_numbers[2]: not a number"}},
            BadRequest,
            ("mobile_numbers", 2),
        ),
        (400, {"detail": "call_config.call_time: wrong"}, BadRequest, ("call_config.call_time", None)),
        (400, {"detail": "to_number is not an E.164 phone number: '12'"}, BadRequest, ("to_number", None)),
        (400, {"detail": "call_ids[0] is not a UUID: 'x'"}, BadRequest, ("call_ids", 0)),
        (400, {"detail": "nobody is left to call"}, BadRequest, (None, None)),
        (400, {"detail": "Missing required field: from_numbers"}, BadRequest, ("from_numbers", None)),
        (400, {"detail": "Invalid agent_id."}, BadRequest, (None, None)),
        (400, {"detail": "No terminable calls found for the specified parameters"}, NothingTerminable, (None, None)),
        (400, {"error": {"code": "nothing_terminable", "message": "m"}}, NothingTerminable, (None, None)),
        (401, {"error": {"code": "401 Unauthorized", "message": "Invalid credentials"}}, Unauthorized, (None, None)),
        (402, {"detail": "m"}, PaymentRequired, (None, None)),
        (403, {"detail": "m"}, Forbidden, (None, None)),
        (404, {"success": False, "error": {"code": "NOT_FOUND", "message": "m"}}, NotFound, (None, None)),
        (409, {"error": {"code": "c", "message": "m", "field": "f", "position": None}}, Conflict, ("f", None)),
        (413, {"detail": "m"}, BadRequest, (None, None)),
        (418, {"detail": "m"}, Refused, (None, None)),
        (
            422,
            {"detail": [{"loc": ["body", "call_ids", 1], "msg": "value is not a uuid", "type": "uuid"}]},
            BadRequest,
            ("call_ids", 1),
        ),
        (500, {"status": "error", "message": "m"}, ServerFailed, (None, None)),
        (501, {"detail": "m"}, NotOffered, (None, None)),
    ],
)
async def test_an_error_has_its_kind_its_status_and_its_place(
    kind: str, status: int, body: Any, error: type[Refused], place: tuple[str | None, int | None]
) -> None:
    script = Script(json_answer(status, body, X_Request_Id="r1"))
    with pytest.raises(ClientError) as caught:
        await script.client(kind)(lambda api: api.agents.list())
    found = caught.value
    assert type(found) is error
    assert (found.status, found.field, found.position, found.request_id) == (status, *place, "r1")
    assert isinstance(found, Refused)
    assert found.body == body


async def test_a_page_of_a_gateway_is_an_error_too(kind: str) -> None:
    script = Script(*[httpx2.Response(502, text="<html>" + "x" * 5_000) for _ in range(4)])
    with pytest.raises(ServerFailed) as caught:
        await script.client(kind)(lambda api: api.agents.list())
    assert len(caught.value.message) <= 500


@pytest.mark.parametrize("body", ["ok", [], {}, {"data": {"agents": [{"id": "a"}]}}, {"data": {"agents": 3}}])
async def test_an_answer_that_nobody_understands_says_so(kind: str, body: Any) -> None:
    script = Script(json_answer(200, body, X_Request_Id="r2"))
    with pytest.raises(Unreadable, match="GET /ca/api/v0/agent/all") as caught:
        await script.client(kind)(lambda api: api.agents.list())
    assert (caught.value.status, caught.value.request_id) == (200, "r2")


async def test_unknown_keys_missing_ones_and_nulls_are_forgiven(kind: str) -> None:
    number = {"id": "n", "number": "+1", "tags": None, "call_count": "7", "agent": None, "from_the_future": {"x": 1}}
    script = Script(json_answer(200, {"workspace_numbers": [number]}))
    [found] = await script.client(kind)(lambda api: api.numbers.list())
    assert (found.number, found.tags, found.call_count, found.agent) == ("+1", [], 7, None)


async def test_nulls_that_are_somebodys_own_values_stay(kind: str) -> None:
    view = {"id": "c", "call_status": "completed", "custom_args_values": {"company": None}, "client_analysis": None}
    script = Script(json_answer(200, {"status": "success", "data": view}))
    found = await script.client(kind)(lambda api: api.calls.details("c"))
    assert found.custom_args_values == {"company": None}


@pytest.mark.parametrize("base", ["http://ringoff.test", "http://ringoff.test/", "http://ringoff.test/ca/api/v0/"])
async def test_the_address_may_be_that_of_the_compatible_routes(kind: str, base: str) -> None:
    script = Script(json_answer(200, {"workspace_info": {"id": "w", "name": "W"}}), json_answer(200, {"trunks": []}))
    client = script.client(kind, base)
    await client(lambda api: api.workspace.get())
    await client(lambda api: api.native.trunks.list())
    urls = [str(request.url) for request in script.asked]
    assert urls == ["http://ringoff.test/ca/api/v0/workspace", "http://ringoff.test/api/v1/trunks"]
    assert {request.headers["x-api-key"] for request in script.asked} == {"the-key"}


@pytest.mark.parametrize("client", [RingoffClient, AsyncRingoffClient])
@pytest.mark.parametrize(
    ("url", "key", "field"),
    [
        *[(url, "k", "url") for url in ("ftp://x", "http://", "x", "http://x:port", "http://[x", "http://x/?a=b")],
        *[("http://x", key, "api_key") for key in ("", "a b", "a\nb", "clé")],
    ],
)
def test_an_address_or_a_key_that_cannot_be_one_is_misuse(client: Any, url: str, key: str, field: str) -> None:
    with pytest.raises(Misused) as caught:
        client(url, key)
    assert caught.value.field == field


@pytest.mark.parametrize(("url", "is_asked"), [("http://127.0.0.1:9", False), ("http://ringoff.test", True)])
def test_no_proxy_stands_before_a_server_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, url: str, is_asked: bool
) -> None:
    """The proxy is not there: whoever asks it hears that from the proxy's port."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    with RingoffClient(url, "k") as client:
        assert bool(client._http._mounts) is is_asked


@pytest.mark.parametrize(
    "data",
    [
        {"call_id": "c1", "call_status": "registered", "agent_id": "a"},
        {"Unique Call ID": "c1", "Call Status": "registered", "Agent ID": "a", "System generated message": "m"},
        {"call_id": "c1", "Unique Call ID": "c1", "call_status": "registered", "Call Status": "x", "agent_id": "a"},
    ],
)
async def test_both_generations_of_a_started_call_are_read(kind: str, data: dict[str, str]) -> None:
    script = Script(json_answer(200, {"status": "success", "data": data}))
    call = await script.client(kind)(lambda api: api.calls.start(name="n", mobile_number="+1", agent_id="a"))
    assert (call.call_id, call.call_status, call.agent_id) == ("c1", "registered", "a")


@pytest.mark.parametrize("text", ["Calls terminated successfully!", "Calls terminated successfully."])
async def test_both_generations_of_a_termination_are_read(kind: str, text: str) -> None:
    script = Script(json_answer(200, {"message": text}))
    done = await script.client(kind)(lambda api: api.terminate(call_ids=["c1"], alias="calls"))
    assert (done.message, done.termination_id, done.is_replayed) == (text, None, False)
    assert script.asked[0].url.path == "/ca/api/v0/campaign/terminate/calls"


async def test_an_empty_selector_is_sent_as_it_is(kind: str) -> None:
    """Left out it would widen the order to the whole campaign."""
    script = Script(json_answer(400, {"detail": "mobile_numbers must not be empty"}))
    with pytest.raises(BadRequest):
        await script.client(kind)(lambda api: api.terminate(campaign_id="k", mobile_numbers=[]))
    assert json.loads(script.asked[0].content) == {"campaign_id": "k", "mobile_numbers": []}


@pytest.mark.parametrize("transcript", ['[{"bot":"hi"},{"user":"yes"}]', [{"bot": "hi"}, {"user": "yes"}]])
async def test_a_talk_is_a_text_of_json_or_an_array(kind: str, transcript: Any) -> None:
    call = {"id": "c", "status": "completed", "transcript": transcript}
    script = Script(json_answer(200, {"calls": [call], "limit": 10, "offset": 0, "count": 1, "total": 1}))
    page = await script.client(kind)(lambda api: api.calls.history_page())
    assert page.calls[0].turns == [{"bot": "hi"}, {"user": "yes"}]


def history(ids: str, total: int | None = None, **headers: str) -> httpx2.Response:
    calls = [{"id": name, "status": "registered"} for name in ids]
    return json_answer(200, {"calls": calls} | ({} if total is None else {"total": total}), **headers)


@pytest.mark.parametrize(
    ("pages", "rows_max", "rows", "offsets"),
    [
        ([("abc", 3)], None, "abc", [0]),
        ([("abc", 7), ("def", 7), ("g", 7)], None, "abcdefg", [0, 3, 6]),
        ([("abc", None), ("", None)], None, "abc", [0, 3]),
        ([("abc", 5), ("cde", 6), ("", 6)], None, "abcde", [0, 3]),
        ([("abc", 9), ("def", 9)], 4, "abcd", [0, 3]),
        ([("abc", 9)], 3, "abc", [0]),
        ([("", 0)], None, "", [0]),
    ],
)
async def test_the_history_comes_page_by_page(
    kind: str, pages: list[tuple[str, int | None]], rows_max: int | None, rows: str, offsets: list[int]
) -> None:
    script = Script(*[history(ids, total) for ids, total in pages])
    client = script.client(kind)
    calls = await client(lambda api: api.calls.history(status="registered", page_size=3, rows_max=rows_max))
    assert "".join(call.id for call in calls) == rows
    assert [int(request.url.params["offset"]) for request in script.asked] == offsets
    assert {(request.url.params["limit"], request.url.params["status"]) for request in script.asked} == {
        ("3", "registered")
    }


async def test_a_total_that_is_only_a_bound_ends_nothing(kind: str) -> None:
    script = Script(history("abc", 3, X_Total_Is_Exact="false"), history("d", 4))
    calls = await script.client(kind)(lambda api: api.calls.history(page_size=3))
    assert [call.id for call in calls] == list("abcd")


async def test_a_server_that_gives_the_same_page_for_ever_is_left(kind: str) -> None:
    script = Script(*[history("abc", 9) for _ in range(5)])
    with pytest.raises(Unreadable, match="the same page again"):
        await script.client(kind)(lambda api: api.calls.history(page_size=3))
    assert len(script.asked) == 2


async def test_a_cursor_is_followed_to_its_end(kind: str) -> None:
    def page(call_id: str, cursor: str | None) -> httpx2.Response:
        call = {"call_id": call_id, "agent_id": "a", "mobile_number": "+1", "status": "registered"}
        return json_answer(200, {"calls": [call], "next_cursor": cursor})

    script = Script(page("c1", "after-c1"), page("c2", None), page("c1", "stuck"), page("c2", "stuck"))
    client = script.client(kind)
    calls = await client(lambda api: api.native.calls(agent_id=["a", "b"]))
    assert [call.call_id for call in calls] == ["c1", "c2"]
    assert script.asked[1].url.query == b"limit=100&agent_id=a&agent_id=b&cursor=after-c1"
    with pytest.raises(Unreadable, match="the same page again"):
        await client(lambda api: api.native.calls())


@pytest.mark.parametrize("is_path", [True, False])
async def test_an_upload_tells_how_far_it_is(kind: str, tmp_path: Path, is_path: bool) -> None:
    content = b"Mobile Number\n" + b"+12025550101\n" * 20_000
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    seen: list[tuple[int, int | None]] = []
    script = Script(json_answer(200, {"bulk_list_id": "l"}))
    file = path if is_path else io.BytesIO(content)
    saved = await script.client(kind)(
        lambda api: api.campaigns.save(
            file,
            agent_id="a",
            campaign_name="n",
            country_code="+1",
            variables_map={"callee_name": "Name"},
            call_config={"call_time": {"timezone": "UTC"}},
            campaign_start_time="01/01/2040, 10:00",
            campaign_end_time="02/01/2040, 10:00",
            remove_invalid_rows=True,
            progress=lambda sent, total: seen.append((sent, total)),
        )
    )
    assert saved.list_id == "l"
    [request] = script.asked
    assert content in request.content
    assert int(request.headers["content-length"]) == len(request.content)
    sizes = [sent for sent, _ in seen]
    assert sizes == sorted(set(sizes))
    assert len(sizes) > 3
    assert seen[-1] == (len(content), len(content))
    assert b'name="remove_invalid_rows"\r\n\r\ntrue\r\n' in request.content
    assert f'filename="{"list.csv" if is_path else "contacts.csv"}"'.encode() in request.content


async def test_a_file_that_cannot_be_measured_is_sent_in_chunks(kind: str) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    seen: list[tuple[int, int | None]] = []
    script = Script(json_answer(201, {"added_count": 1}))
    await script.client(kind)(
        lambda api: api.native.suppressions.import_csv(
            Pipe(b"Mobile Number\n"), country_code="+1", progress=lambda *step: seen.append(step)
        )
    )
    assert "content-length" not in script.asked[0].headers
    assert seen[-1] == (14, None)


async def test_a_file_that_is_not_there_is_the_callers_mistake_and_nothing_is_sent(kind: str, tmp_path: Path) -> None:
    script = Script()
    with pytest.raises(FileNotFoundError):
        await script.client(kind)(
            lambda api: api.native.suppressions.import_csv(tmp_path / "none.csv", country_code="+1")
        )
    assert script.asked == []


async def test_a_download_appears_when_all_of_it_is_there(kind: str, tmp_path: Path) -> None:
    zipped = httpx2.Response(200, content=b"PK" * 50_000, headers={"Content-Type": "application/zip"})
    path, memory = tmp_path / "calls.zip", io.BytesIO()
    script = Script(zipped, httpx2.Response(200, content=b"PK", headers={"Content-Type": "application/zip"}))
    client = script.client(kind)
    done = await client(lambda api: api.calls.download_history(path, agent_id=["a", "b"], voicemail=False))
    assert (done.file_bytes, path.read_bytes()) == (100_000, b"PK" * 50_000)
    assert script.asked[0].url.query == b"agent_id=a&agent_id=b&voicemail=false"
    await client(lambda api: api.calls.download_history(memory))
    assert memory.getvalue() == b"PK"
    assert names_in(tmp_path) == ["calls.zip"]


def names_in(directory: Path) -> list[str]:
    return [entry.name for entry in directory.iterdir()]


class BrokenStream(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    def __iter__(self) -> Any:
        yield b"PK"
        raise httpx2.ReadError("cut")

    async def __aiter__(self) -> Any:
        yield b"PK"
        raise httpx2.ReadError("cut")


async def test_a_download_that_breaks_off_leaves_no_file(kind: str, tmp_path: Path) -> None:
    headers = {"Content-Type": "application/zip"}
    script = Script(httpx2.Response(200, stream=BrokenStream(), headers=headers))
    with pytest.raises(Unreachable):
        await script.client(kind)(lambda api: api.calls.download_history(tmp_path / "calls.zip"))
    assert names_in(tmp_path) == []


async def test_a_list_that_breaks_off_is_asked_for_again_unless_a_file_has_the_half_of_it(
    kind: str, tmp_path: Path
) -> None:
    whole = httpx2.Response(200, content=b"PK", headers={"Content-Type": "text/csv"})
    script = Script(httpx2.Response(200, stream=BrokenStream()), whole, httpx2.Response(200, stream=BrokenStream()))
    client, path = script.client(kind), tmp_path / "numbers.csv"
    await client(lambda api: api.native.suppressions.export_csv(path))
    assert names_in(tmp_path) == ["numbers.csv"]
    with pytest.raises(Unreachable):
        await client(lambda api: api.native.suppressions.export_csv(io.BytesIO()))
    assert len(script.asked) == 3


async def test_an_answer_that_cannot_be_unpacked_is_none(kind: str) -> None:
    class Packed(httpx2.SyncByteStream, httpx2.AsyncByteStream):
        def __iter__(self) -> Any:
            yield b"no gzip"

        async def __aiter__(self) -> Any:
            yield b"no gzip"

    script = Script(httpx2.Response(200, stream=Packed(), headers={"Content-Encoding": "gzip"}))
    with pytest.raises(Unreachable):
        await script.client(kind, retries=Retries(attempts_max=1))(lambda api: api.agents.list())


async def test_a_server_that_mails_the_history_says_so(kind: str, tmp_path: Path) -> None:
    script = Script(json_answer(200, {"message": "You will receive an email shortly."}))
    done = await script.client(kind)(lambda api: api.calls.download_history(tmp_path / "calls.zip"))
    assert (done.message, done.file_bytes) == ("You will receive an email shortly.", None)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "path"), [("../workspace", b"..%2Fworkspace"), ("..", b"%2E%2E"), ("a?b=c#d", b"a%3Fb%3Dc%23d")]
)
async def test_an_id_cannot_climb_out_of_its_path(kind: str, name: str, path: bytes) -> None:
    script = Script(json_answer(404, {"detail": "no"}))
    with pytest.raises(NotFound):
        await script.client(kind)(lambda api: api.agents.get(name))
    assert script.asked[0].url.raw_path == b"/ca/api/v0/agent/" + path
