"""The compatible routes answer key for key what clients of that API read."""

from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import httpx2
import pytest

from tests.contract.tenants import (
    COMPATIBLE,
    Tenant,
    call_body,
    call_individual,
    history,
    registered_call,
    save,
    saved_campaign,
    start,
    terminate,
)


async def get(client: httpx2.AsyncClient, tenant: Tenant, path: str, **query: Any) -> Any:
    answer = await client.get(COMPATIBLE + path, headers=tenant.headers, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_workspace(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    assert await get(client, tenant, "/workspace") == {
        "workspace_info": {
            "id": str(tenant.principal.workspace_id),
            "name": "ours",
            "created_at": ANY,
            "credits": 0,
            "locked_credits": 0,
        }
    }


async def test_workspace_numbers(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    assert await get(client, tenant, "/workspace/numbers") == {
        "workspace_numbers": [
            {
                "id": tenant.number_id,
                "number": tenant.number,
                "created_at": ANY,
                "call_count": 0,
                "agent": None,
                "is_inbound_enabled": False,
                "is_test_number": False,
                "tags": [],
                "is_spam": False,
                "spam_message": None,
                "provider": "simulated",
                "display_name": None,
                "owner": None,
                "is_custom_number": True,
                "telephony_id": tenant.trunk_id,
                "number_pool_id": None,
            }
        ]
    }


async def test_agents_are_listed_with_their_calls(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    await registered_call(client, tenant)
    listed = await get(client, tenant, "/agent/all")
    assert listed == {
        "status": "success",
        "data": {
            "agents": [
                {
                    "id": tenant.agent_id,
                    "agent_display_name": "ours agent",
                    "agent_type": "outbound",
                    "created_at": ANY,
                    "updated_at": ANY,
                    "template_name": None,
                    "template_label": None,
                    "template_icon": None,
                    "template_source": None,
                    "call_count": 1,
                    "custom_variables": {"callee_name": "string", "mobile_number": "string", "company": "string"},
                    "tools": [],
                    "is_archived": False,
                    "secondary_language": None,
                    "secondary_voice_id": None,
                    "template_type": None,
                }
            ]
        },
    }
    assert listed["data"]["agents"][0]["created_at"].endswith("+00:00")


async def test_an_agent_that_was_created_can_be_read(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    voice_id = str(uuid4())
    wish = {
        "agent_name": "Reminder",
        "introduction_and_objective": "You remind.",
        "response_guidelines": "Be short.",
        "task": "Say the date.",
        "primary_language": "hi-IN",
        "voice_id": voice_id,
        "intro_message": "Namaste",
        "custom_variables": ["date"],
    }
    created = await client.post(f"{COMPATIBLE}/public/agent", headers=tenant.headers, json=wish)
    assert created.status_code == 200
    assert created.json() == {
        "success": True,
        "data": {"id": ANY, "version": "v1", "created_at": ANY},
        "message": "Agent created successfully",
    }
    agent = (await get(client, tenant, f"/agent/{created.json()['data']['id']}"))["agents"]
    assert agent["agent_display_name"] == "Reminder"
    assert agent["language"] == "hi-IN"
    assert agent["voice"] == {"id": voice_id, "name": None, "voice_preview": None}
    assert agent["agent_config"] == {
        "custom_variables": {"callee_name": "string", "mobile_number": "string", "date": "string"},
        "agent_prompt": "You remind.\n\nBe short.\n\nSay the date.",
        "intro_message": "Namaste",
    }


@pytest.mark.parametrize("path", ["/calling/outbound/individual", "/calling/v2/outbound/individual"])
async def test_one_call_is_answered_in_both_generations_of_keys(
    client: httpx2.AsyncClient, tenant: Tenant, path: str
) -> None:
    body = call_body(tenant, custom_args_values={"company": "Acme"})
    answer = await client.post(COMPATIBLE + path, headers=tenant.headers, json=body)
    assert answer.status_code == 200
    call_id = answer.json()["data"]["call_id"]
    assert answer.json() == {
        "status": "success",
        "Call Status": "success",
        "data": {
            "call_id": call_id,
            "call_direction": "outbound",
            "call_status": "registered",
            "initiated_at": "2026-01-05T12:00:00.000000",
            "agent_id": tenant.agent_id,
            "custom_args_values": {"company": "Acme", "callee_name": "Ada", "mobile_number": "+14155550111"},
            "Unique Call ID": call_id,
            "Call Direction": "outbound",
            "Call Status": "registered",
            "From Number": tenant.number,
            "To Number": "+14155550111",
            "Initiated at": "2026-01-05T12:00:00.000000",
            "Agent ID": tenant.agent_id,
            "System generated message": "Call initiated successfully",
        },
        "message": "Call initiated successfully",
    }


@pytest.mark.parametrize(
    "given",
    [
        {"from_number": "+12025550100"},
        {"from_number": ["+12025550100", "+12025550100"]},
        {"from_number_id": "the id in an array"},
    ],
)
async def test_the_calling_number_is_given_in_many_ways(
    client: httpx2.AsyncClient, tenant: Tenant, given: dict[str, Any]
) -> None:
    if "from_number_id" in given:
        given = {"from_number_id": [tenant.number_id.upper()]}
    answer = await call_individual(client, tenant, **({"from_number_id": None} | given))
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["From Number"] == tenant.number


async def test_a_callee_name_among_the_arguments_wins(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    await registered_call(client, tenant, custom_args_values={"callee_name": "Ms Lovelace"})
    assert (await history(client, tenant))["calls"][0]["name"] == "Ms Lovelace"


async def test_the_first_name_is_extracted_on_request(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    wish = {"extract_first_name": True, "transliteration": False, "transliteration_language": {"source": "en"}}
    answer = await call_individual(client, tenant, name="Dr. Asha Rao", smart_formatter=wish)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["custom_args_values"] == {
        "callee_name": "Asha",
        "original_callee_name": "Dr. Asha Rao",
        "mobile_number": "+14155550111",
    }
    assert (await history(client, tenant))["calls"][0]["name"] == "Asha"


async def test_history_and_details(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    call_id = await registered_call(client, tenant)
    assert await history(client, tenant) == {
        "calls": [
            {
                "id": call_id,
                "to_number": "+14155550111",
                "name": "Ada",
                "status": "registered",
                "sub_status": "QUEUED",
                "transcript": "[]",
                "audio_recording": None,
                "created_at": ANY,
                "agent": {
                    "id": tenant.agent_id,
                    "agent_name": "ours agent",
                    "agent_version_id": None,
                    "orchestration_mode": "single_node",
                    "version": {"version_id": None, "version_slug": None},
                },
                "call_duration": None,
                "call_attempt_time": None,
                "call_cost": None,
                "call_type": "outbound",
                "inbound_from": None,
                "credits_processed": True,
                "from_numbers": [tenant.number],
                "voicemail_detected": False,
            }
        ],
        "limit": 10,
        "offset": 0,
        "count": 1,
        "total": 1,
    }
    details: dict[str, Any] = {
        "id": call_id,
        "call_direction": "outbound",
        "call_status": "registered",
        "call_sub_status": "QUEUED",
        "from_number": tenant.number,
        "to_number": "+14155550111",
        "callee_name": "Ada",
        "agent_id": tenant.agent_id,
        "initiation_time": ANY,
        "recording_url": None,
        "transcription_url": [],
        "custom_args_values": {"callee_name": "Ada", "mobile_number": "+14155550111"},
    }
    path = "/calling/call-details"
    assert await get(client, tenant, path, id=call_id) == {"status": "success", "data": details}
    assert await get(client, tenant, path, id=call_id, send_analysis="true") == {
        "status": "success",
        "data": details | {"platform_analysis": None, "client_analysis": None},
    }


async def test_the_history_is_filtered_and_paged(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    list_id = await saved_campaign(client, tenant)
    call_id = await registered_call(client, tenant)
    await terminate(client, tenant, {"call_ids": [call_id]})
    assert (await history(client, tenant))["total"] == 4
    assert [call["id"] for call in (await history(client, tenant, status="cancelled"))["calls"]] == [call_id]
    assert (await history(client, tenant, bulk_list_id=list_id))["total"] == 3
    assert (await history(client, tenant, agent_id=tenant.agent_id))["total"] == 4
    assert (await history(client, tenant, agent_id=str(uuid4())))["total"] == 0
    for nothing in ({"status": "forwarded"}, {"call_type": "inbound"}):
        assert (await history(client, tenant, **nothing))["total"] == 0
    first, second = [(await history(client, tenant, limit=3, offset=offset)) for offset in (0, 3)]
    assert (first["count"], second["count"], second["total"]) == (3, 1, 4)
    assert len({call["id"] for call in first["calls"] + second["calls"]}) == 4


@pytest.mark.parametrize(
    "date", ["2126-01-01", "2126-01-01T00:00:00+05:30", "2126-01-01T00:00:00 05:30", "2126-01-01T00:00:00Z"]
)
async def test_dates_of_the_history(client: httpx2.AsyncClient, tenant: Tenant, date: str) -> None:
    await registered_call(client, tenant)
    assert (await history(client, tenant, end_date=date))["total"] == 1
    assert (await history(client, tenant, start_date=date))["total"] == 0


async def test_a_campaign_from_upload_to_start(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    saved = await save(client, tenant)
    assert saved.status_code == 200
    list_id = saved.json()["list_id"]
    assert saved.json() == {
        "message": "Contacts imported successfully!",
        "list_id": list_id,
        "custom_args_values": [
            {"callee_name": "Ada", "company": "Acme", "mobile_number": "+14155550101"},
            {"callee_name": "Bob", "company": "Bolt", "mobile_number": "+14155550102"},
            {"callee_name": "Cy", "company": "Core", "mobile_number": "+14155550103"},
        ],
        "total_rows": 3,
        "successful_rows": 3,
        "failed_rows": 0,
    }
    assert [call["status"] for call in (await history(client, tenant))["calls"]] == ["registered"] * 3
    started = await start(client, tenant, list_id)
    assert started.status_code == 200
    assert started.json() == {"status": "campaign registered successfully!", "has_ongoing_calls": False}
    again = await start(client, tenant, list_id)
    assert (again.status_code, again.json()) == (400, {"detail": "Campaign already started"})


async def test_the_second_start_route_takes_numbers_too(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    body = {"agent_id": tenant.agent_id, "list_id": await saved_campaign(client, tenant)}
    path = f"{COMPATIBLE}/campaign/v2/start"
    pooled = await client.post(path, headers=tenant.headers, json=body | {"number_pool_id": str(uuid4())})
    assert (pooled.status_code, pooled.json()) == (400, {"detail": "Number pool not found."})
    started = await client.post(path, headers=tenant.headers, json=body | {"from_numbers": [tenant.number_id]})
    assert started.status_code == 200, started.text


async def test_campaigns_are_listed_with_counts_on_request(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    list_id = await saved_campaign(client, tenant)
    plain = {
        "id": list_id,
        "name": "Spring",
        "campaign_status": "draft",
        "created_at": ANY,
        "updated_at": ANY,
        "campaign_start_time": "2026-01-05T10:00:00+00:00",
        "campaign_end_time": "2026-12-31T20:00:00+00:00",
    }
    assert await get(client, tenant, "/campaign/all") == {
        "campaigns": [plain],
        "pagination": {"total": 1, "limit": 10, "offset": 0},
    }
    counted = await get(client, tenant, "/campaign/all", call_count="true", limit=1)
    assert counted == {
        "campaigns": [plain | {"total_count": 3, "registered_count": 3, "completed_count": 0}],
        "pagination": {"total": 1, "limit": 1, "offset": 0},
    }


async def test_rows_that_are_removed_are_counted(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    contacts = "Mobile Number,Name,Company\n415-555-0101,Ada,Acme\nnobody,Bob,Bolt\n"
    answer = await save(client, tenant, contacts, remove_invalid_rows="true")
    assert answer.status_code == 200, answer.text
    assert [answer.json()[key] for key in ("total_rows", "successful_rows", "failed_rows")] == [2, 1, 1]
    assert [call["to_number"] for call in (await history(client, tenant))["calls"]] == ["+14155550101"]
