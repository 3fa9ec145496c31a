"""History, download, analytics and the list of calls: their answers key for key, and every parameter given wrongly."""

import csv
import io
import zipfile
from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import httpx2
import pytest

from ringoff.api.ringg import download
from ringoff.api.ringg.history import EXACT_HEADER
from ringoff.operations import insights
from tests.contract.tenants import (
    COMPATIBLE,
    NATIVE,
    Tenant,
    history,
    registered_call,
    saved_campaign,
    terminate,
)
from tests.contract.test_bad_input import refuses

NO_ID = "not-an-id"
DOWNLOAD = f"{COMPATIBLE}/calling/history/download"
CALLS = f"{NATIVE}/calls"
ANALYTICS = {
    "platform-analytics": {"performance_metrics", "metrics_summary", "cached"},
    "drill-down-analytics": {"performance_metrics", "cached"},
    "number-analytics": {"number_analytics"},
    "duration-distribution": {"duration_distribution"},
    "classification-analytics": {"classification_analytics"},
}
NO_SUMS: dict[str, Any] = {
    "attempts": 0,
    "answered": 0,
    "asr": None,
    "acd_s": None,
    "talk_s": 0.0,
    "by_disposition": {},
}


def table_of(answer: httpx2.Response) -> list[list[str]]:
    """The lines of the one file of a ZIP."""
    assert answer.status_code == 200, answer.text
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    assert archive.namelist() == ["call_history.csv"]
    return list(csv.reader(io.StringIO(archive.read("call_history.csv").decode(), newline="")))


async def downloaded(client: httpx2.AsyncClient, tenant: Tenant, **query: Any) -> list[str]:
    """The ids of the calls in a download."""
    answer = await client.post(DOWNLOAD, headers=tenant.headers, params=query)
    return [line[0] for line in table_of(answer)[1:]]


async def test_a_download_is_a_zip_of_csv(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    call_id = await registered_call(client, tenant, name='=HYPERLINK("http://x")')
    answer = await client.post(DOWNLOAD, headers=tenant.headers)
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="call_history.zip"'
    header, line = table_of(answer)
    assert header[:8] == [
        "id", "to_number", "name", "status", "transcript", "recording_url", "agent_id", "initiation_time",
    ]  # fmt: skip
    assert dict(zip(header, line, strict=True)) == {
        "id": call_id,
        "to_number": "+14155550111",
        "name": '\'=HYPERLINK("http://x")',
        "status": "registered",
        "transcript": "[]",
        "recording_url": "",
        "agent_id": tenant.agent_id,
        "initiation_time": ANY,
        "sub_status": "QUEUED",
        "agent_name": "ours agent",
        "from_numbers": tenant.number,
        "call_duration": "",
        "call_attempt_time": "",
        "call_type": "outbound",
        "bulk_list_id": "",
        "voicemail_detected": "false",
    }
    with_analysis = table_of(await client.post(f"{DOWNLOAD}?include_analysis=true", headers=tenant.headers))
    assert with_analysis[0] == [*header, "platform_analysis", "client_analysis"]
    assert with_analysis[1] == [*line, "", ""]


async def test_a_download_takes_each_filter(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    list_id = await saved_campaign(client, tenant)
    call_id = await registered_call(client, tenant)
    await terminate(client, tenant, {"call_ids": [call_id]})
    every = [call["id"] for call in (await history(client, tenant))["calls"]]
    table: list[tuple[dict[str, Any], list[str]]] = [
        ({}, every),
        ({"agent_id": tenant.agent_id}, every),
        ({"agent_id": [str(uuid4()), tenant.agent_id]}, every),
        ({"agent_id": [str(uuid4()), str(uuid4())]}, []),
        ({"status": "cancelled"}, [call_id]),
        ({"status": "forwarded"}, []),
        ({"call_type": "inbound"}, []),
        ({"call_type": "outbound"}, every),
        ({"bulk_list_id": list_id}, every[1:]),
        ({"bulk_list_id": str(uuid4())}, []),
        ({"voicemail": "true"}, []),
        ({"voicemail": "false"}, every),
        ({"from_number": tenant.number}, [call_id]),
        ({"to_number": "+14155550111"}, [call_id]),
        ({"call_id": every[2]}, [every[2]]),
        ({"call_id": str(uuid4())}, []),
        ({"limit": 2}, every[:2]),
        ({"limit": 2, "offset": 1}, every[1:3]),
        ({"offset": 4}, []),
        ({"start_date": "2126-01-01"}, []),
        ({"end_date": "2126-01-01"}, every),
    ]
    for query, expected in table:
        assert await downloaded(client, tenant, **query) == expected, query


async def test_a_download_of_many_pages_is_one_file(
    client: httpx2.AsyncClient, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insights, "EXPORT_PAGE_MAX", 2)
    await saved_campaign(client, tenant)
    await saved_campaign(client, tenant)
    every = [call["id"] for call in (await history(client, tenant))["calls"]]
    assert await downloaded(client, tenant) == every
    assert len(every) == 6


@pytest.mark.parametrize("name", list(ANALYTICS))
async def test_analytics_have_the_documented_outer_keys(client: httpx2.AsyncClient, tenant: Tenant, name: str) -> None:
    query = {"bulk_list_id": await saved_campaign(client, tenant)}
    for wanted in (query, query | {"agent_id": tenant.agent_id, "voicemail": "false"}):
        answer = await client.get(f"{COMPATIBLE}/analytics/{name}", headers=tenant.headers, params=wanted)
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) == ANALYTICS[name]
        assert answer.json().get("cached", False) is False


async def test_analytics_of_days_without_a_call(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    await saved_campaign(client, tenant)
    days = {"start_date": "2026-01-04", "end_date": "2026-01-05"}
    path = f"{COMPATIBLE}/analytics"
    by_status = dict.fromkeys(("registered", "ongoing", "retry", "completed", "failed", "error", "cancelled"), 0)
    assert (await client.get(f"{path}/platform-analytics", headers=tenant.headers, params=days)).json() == {
        "performance_metrics": {**NO_SUMS, "calls": 0, "calls_by_status": by_status},
        "metrics_summary": {**days, "total_calls": 0, "completed_calls": 0, "open_calls": 0},
        "cached": False,
    }
    assert (await client.get(f"{path}/number-analytics", headers=tenant.headers, params=days)).json() == {
        "number_analytics": []
    }
    assert (await client.get(f"{path}/duration-distribution", headers=tenant.headers, params=days)).json() == {
        "duration_distribution": {"0-10": 0, "10-30": 0, "30-60": 0, "60-120": 0, "120-300": 0, "300+": 0}
    }
    assert (await client.get(f"{path}/classification-analytics", headers=tenant.headers, params=days)).json() == {
        "classification_analytics": {}
    }


async def test_calls_are_walked_by_cursor(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    list_id = await saved_campaign(client, tenant)
    call_id = await registered_call(client, tenant)
    await terminate(client, tenant, {"call_ids": [call_id]})
    every = [call["id"] for call in (await history(client, tenant))["calls"]]
    first = (await client.get(CALLS, headers=tenant.headers, params={"limit": 1})).json()
    assert first == {
        "calls": [
            {
                "call_id": call_id,
                "campaign_id": None,
                "agent_id": tenant.agent_id,
                "mobile_number": "+14155550111",
                "status": "cancelled",
                "sub_status": "USER_TERMINATED",
                "registered_at": ANY,
                "ended_at": ANY,
            }
        ],
        "next_cursor": call_id,
    }
    walked, cursor = [call_id], call_id
    while cursor is not None:
        page = (await client.get(CALLS, headers=tenant.headers, params={"limit": 2, "cursor": cursor})).json()
        walked += [call["call_id"] for call in page["calls"]]
        cursor = page["next_cursor"]
    assert walked == every
    table: list[tuple[dict[str, Any], list[str]]] = [
        ({"campaign_id": list_id}, every[1:]),
        ({"status": "cancelled"}, [call_id]),
        ({"agent_id": [tenant.agent_id, str(uuid4())]}, every),
        ({"agent_id": str(uuid4())}, []),
        ({"registered_from": "2126-01-01"}, []),
        ({"registered_to": "2126-01-01T00:00:00+05:30"}, every),
    ]
    for query, expected in table:
        page = (await client.get(CALLS, headers=tenant.headers, params=query)).json()
        assert [call["call_id"] for call in page["calls"]] == expected, query
        assert page["next_cursor"] is None


async def test_the_total_says_whether_it_is_exact(
    client: httpx2.AsyncClient, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_id = await saved_campaign(client, tenant)
    monkeypatch.setattr(insights, "TOTAL_COUNTED_MAX", 2)
    table = [({}, 3, "false"), ({"bulk_list_id": list_id}, 3, "true"), ({"status": "completed"}, 0, "true")]
    for query, total, exact in table:
        answer = await client.get(f"{COMPATIBLE}/calling/history", headers=tenant.headers, params=query)
        assert (answer.json()["total"], answer.headers[EXACT_HEADER]) == (total, exact), query


BAD_DATES = ["", "yesterday", "2026-13-01", "2026-01-32T00:00:00", "10000-01-01", "2026-01-01T00:00:00+99:00"]


def of_pages(dates: tuple[str, str], size_max: int) -> list[tuple[list[tuple[str, str]], str]]:
    """What history, download and list have in common."""
    table = [([(date, text)], f"Invalid date format for {date}.") for date in dates for text in BAD_DATES]
    sizes = ("0", "-1", str(size_max + 1), "1.5", "x", "", "9" * 30)
    table += [([("limit", text)], "limit: ") for text in sizes]
    table += [([(name, NO_ID)], name) for name in ("agent_id", "status")]
    table.append(([("limit", "1"), ("limit", "1")], "limit is given twice"))
    table.append(([("unknown", "1")], "unknown field: unknown"))
    return table


OFFSETS: list[tuple[list[tuple[str, str]], str]] = [
    ([("offset", "-1")], "offset: "),
    ([("offset", "x")], "offset: "),
    ([("offset", "10001")], "offset must be at most 10000: narrow the dates, or page with the cursor"),
    ([("offset", "0"), ("offset", "0")], "offset is given twice"),
]


async def test_bad_input_of_the_history(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    twice = [([(n, str(uuid4())), (n, str(uuid4()))], f"{n} is given twice") for n in ("agent_id", "bulk_list_id")]
    table = [
        *of_pages(("start_date", "end_date"), 1000),
        *OFFSETS,
        *twice,
        ([("bulk_list_id", NO_ID)], f"bulk_list_id: Invalid UUID, not '{NO_ID}'"),
        ([("call_type", "sideways")], "call_type: Invalid enum value"),
        ([("download", "true")], "download: Invalid enum value"),
    ]
    for query, text in table:
        await refuses(
            await client.get(f"{COMPATIBLE}/calling/history", headers=tenant.headers, params=tuple(query)), text
        )
    beyond = {"offset": "10001", "status": "forwarded"}
    await refuses(await client.get(f"{COMPATIBLE}/calling/history", headers=tenant.headers, params=beyond), "offset")


async def test_bad_input_of_the_download(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    many = [("agent_id", str(uuid4())) for _ in range(download.AGENTS_MAX + 1)]
    one_bad = [("agent_id", str(uuid4())), ("agent_id", NO_ID)]
    table = [
        *of_pages(("start_date", "end_date"), download.ROWS_MAX),
        *OFFSETS,
        (many, "agent_id: Expected `array` of length <= 100"),
        (one_bad, f"agent_id[1]: Invalid UUID, not '{NO_ID}'"),
        ([("bulk_list_id", NO_ID)], "bulk_list_id: Invalid UUID"),
        ([("call_id", NO_ID)], "call_id: Invalid UUID"),
        ([("call_type", "sideways")], "call_type: Invalid enum value"),
        ([("voicemail", "maybe")], "voicemail"),
        ([("include_analysis", "maybe")], "include_analysis"),
        ([("from_number", "4155550111")], "from_number is not an E.164 phone number"),
        ([("to_number", "+0")], "to_number is not an E.164 phone number"),
        ([("status", "completed"), ("status", "failed")], "status is given twice"),
    ]
    for query, text in table:
        await refuses(await client.post(DOWNLOAD, headers=tenant.headers, params=tuple(query)), text)


async def test_bad_input_of_the_list_of_calls(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    table = [
        *of_pages(("registered_from", "registered_to"), 1000),
        ([("cursor", NO_ID)], "cursor: Invalid UUID"),
        ([("campaign_id", NO_ID)], "campaign_id: Invalid UUID"),
        ([("status", "forwarded")], "status: Invalid enum value"),
        ([("offset", "1")], "unknown field: offset"),
    ]
    for query, text in table:
        await refuses(await client.get(CALLS, headers=tenant.headers, params=tuple(query)), text)


@pytest.mark.parametrize("name", list(ANALYTICS))
async def test_bad_input_of_analytics(client: httpx2.AsyncClient, tenant: Tenant, name: str) -> None:
    path = f"{COMPATIBLE}/analytics/{name}"
    known = [("bulk_list_id", str(uuid4()))]
    table = [
        *(
            ([(date, text)], f"Invalid date format for {date}. Expected YYYY-MM-DD.")
            for date in ("start_date", "end_date")
            for text in [*BAD_DATES, "2026-01-05T10:00:00", "20260105"]
        ),
        ([("start_date", "2026-01-05"), ("end_date", "2026-01-04")], "start_date is after end_date"),
        ([("start_date", "2026-01-01"), ("end_date", "2026-04-04")], "has more than 93 days"),
        ([("end_date", "9999-12-31")], "end_date is out of range"),
        ([("end_date", "0001-01-01")], "end_date is out of range"),
        ([("agent_id", NO_ID)], "agent_id: Invalid UUID"),
        ([("agent_id", str(uuid4())), ("agent_id", str(uuid4()))], "agent_id is given twice"),
        ([("voicemail", "maybe")], "voicemail"),
        ([("limit", "1")], "unknown field: limit"),
    ]
    for query, text in table:
        await refuses(await client.get(path, headers=tenant.headers, params=[*known, *query]), text)
    if name == "drill-down-analytics":
        await refuses(await client.get(path, headers=tenant.headers), "Missing required field: bulk_list_id")
    await refuses(
        await client.get(path, headers=tenant.headers, params={"bulk_list_id": NO_ID}), "bulk_list_id: Invalid UUID"
    )


async def test_another_workspace_sees_nothing(client: httpx2.AsyncClient, tenant: Tenant, stranger: Tenant) -> None:
    list_id = await saved_campaign(client, tenant)
    call_id = await registered_call(client, tenant)
    for query in ({"agent_id": tenant.agent_id}, {"bulk_list_id": list_id}, {"call_id": call_id}, {}):
        assert await downloaded(client, stranger, **query) == []
    for query in ({"agent_id": tenant.agent_id}, {"campaign_id": list_id}, {"cursor": str(uuid4())}, {}):
        page = (await client.get(CALLS, headers=stranger.headers, params=query)).json()
        assert page == {"calls": [], "next_cursor": None}
    for query in ({"bulk_list_id": list_id}, {}):
        answer = await client.get(f"{COMPATIBLE}/analytics/platform-analytics", headers=stranger.headers, params=query)
        assert answer.json()["metrics_summary"]["total_calls"] == 0
