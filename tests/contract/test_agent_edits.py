"""Agents are edited by operation and by fields, in versions; what cannot be done is refused and changes nothing."""

import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import httpx2
import pytest

from ringoff.api.ringg import agent_edits
from tests.contract.tenants import COMPATIBLE, NATIVE, Tenant

V1 = f"{COMPATIBLE}/agent/v1"
VOICE, OTHER_VOICE = str(uuid4()), str(uuid4())


async def edit(
    client: httpx2.AsyncClient, tenant: Tenant, operation: Any, /, agent_id: str | None = None, **fields: Any
) -> httpx2.Response:
    body = {"operation": operation, "agent_id": agent_id or tenant.agent_id, **fields}
    return await client.patch(V1, headers=tenant.headers, json=body)


async def update(client: httpx2.AsyncClient, tenant: Tenant, body: Any, agent_id: str = "") -> httpx2.Response:
    path = f"{COMPATIBLE}/public/agent/{agent_id or tenant.agent_id}"
    return await client.patch(path, headers=tenant.headers, json=body)


async def agent_of(client: httpx2.AsyncClient, tenant: Tenant) -> dict[str, Any]:
    answer = await client.get(f"{COMPATIBLE}/agent/{tenant.agent_id}", headers=tenant.headers)
    assert answer.status_code == 200, answer.text
    agent: dict[str, Any] = answer.json()["agents"]
    return agent


async def numbers_of(client: httpx2.AsyncClient, tenant: Tenant) -> list[dict[str, Any]]:
    answer = await client.get(f"{COMPATIBLE}/workspace/numbers", headers=tenant.headers)
    listed: list[dict[str, Any]] = answer.json()["workspace_numbers"]
    return listed


VARIABLES = {"callee_name": "string", "mobile_number": "string"}
SECTIONS = [
    {"section_title": "Role", "section_content": "You remind."},
    {"section_title": "Tone", "section_content": "Be short, @{{callee_name}} is busy."},
]


@pytest.mark.parametrize(
    ("operation", "fields", "shown"),
    [
        ("edit_agent_display_name", {"agent_display_name": "Ringer"}, {"agent_display_name": "Ringer"}),
        (
            "edit_custom_vars",
            {"custom_variables": ["date", "mobile_number", "date"]},
            {"agent_config.custom_variables": VARIABLES | {"date": "string"}},
        ),
        ("edit_prompt", {"agent_prompt": "Say @{{date}}."}, {"agent_config.agent_prompt": "Say @{{date}}."}),
        (
            "edit_prompt",
            {"agent_prompt": {"prompt_sections": SECTIONS}},
            {"agent_config.agent_prompt": "Role\nYou remind.\n\nTone\nBe short, @{{callee_name}} is busy."},
        ),
        ("edit_intro_message", {"intro_message": "Hi @{{callee_name}}"}, {"agent_config.intro_message": ANY}),
        ("edit_language", {"language": "ta-IN"}, {"language": "ta-IN"}),
        (
            "edit_language",
            {"language": "ta-IN", "voice_id": VOICE},
            {"language": "ta-IN", "voice": {"id": VOICE, "name": None, "voice_preview": None}},
        ),
        ("edit_secondary_language", {"secondary_language": "en-IN"}, {"secondary_language": "en-IN"}),
        ("edit_voice", {"voice_id": VOICE}, {"voice": {"id": VOICE, "name": None, "voice_preview": None}}),
        ("edit_secondary_voice", {"secondary_voice_id": OTHER_VOICE}, {"secondary_voice_id": OTHER_VOICE}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
async def test_an_operation_changes_what_it_names(
    client: httpx2.AsyncClient, tenant: Tenant, operation: str, fields: dict[str, Any], shown: dict[str, Any]
) -> None:
    before = await agent_of(client, tenant)
    answer = await edit(client, tenant, operation, **fields, **({"voice_id": None} if "voice_id" not in fields else {}))
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"message": "Agent updated successfully!", "agent_id": tenant.agent_id}
    expected = before | {"updated_at": ANY, "agent_config": dict(before["agent_config"])}
    for path, value in shown.items():
        at, _, name = path.rpartition(".")
        (expected[at] if at else expected)[name] = value
    assert await agent_of(client, tenant) == expected


async def test_each_edit_makes_a_version(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    assert (await edit(client, tenant, "edit_intro_message", intro_message="Hello")).status_code == 200
    answer = await update(client, tenant, {"agent_name": "Third", "agent_type": "outbound_inbound", "task": None})
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "success": True,
            "data": {"id": tenant.agent_id, "version": "v3", "updated_at": ANY},
            "message": "Agent updated successfully",
        },
    )
    agent = await agent_of(client, tenant)
    assert (agent["agent_display_name"], agent["agent_type"]) == ("Third", "outbound_inbound")
    assert agent["agent_config"]["intro_message"] == "Hello", "what is not named stays"
    assert agent["updated_at"] == answer.json()["data"]["updated_at"]


async def test_edits_at_the_same_time_are_all_kept(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    wishes = [{"faq": "F"}, {"task": "T"}, {"intro_message": "I"}, {"primary_language": "hi-IN"}, {"voice_id": VOICE}]
    answers = await asyncio.gather(*(update(client, tenant, wish) for wish in wishes))
    assert sorted(answer.json()["data"]["version"] for answer in answers) == ["v2", "v3", "v4", "v5", "v6"]
    agent = await agent_of(client, tenant)
    assert agent["agent_config"] == {
        "custom_variables": VARIABLES | {"company": "string"},
        "agent_prompt": "T\n\nF",
        "intro_message": "I",
    }
    assert (agent["language"], agent["voice"]["id"]) == ("hi-IN", VOICE)


async def test_the_prompt_is_what_was_written_last(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    async def prompt() -> str:
        text: str = (await agent_of(client, tenant))["agent_config"]["agent_prompt"]
        return text

    await update(client, tenant, {"introduction_and_objective": "You remind.", "task": "Ring."})
    assert await prompt() == "You remind.\n\nRing."
    await edit(client, tenant, "edit_prompt", agent_prompt="All new.")
    assert await prompt() == "All new."
    await update(client, tenant, {"intro_message": "Hello"})
    assert await prompt() == "All new."
    await update(client, tenant, {"task": "Ring twice."})
    assert await prompt() == "You remind.\n\nRing twice."


async def test_a_number_is_shown_with_the_agent_that_it_is_attached_to(
    client: httpx2.AsyncClient, tenant: Tenant
) -> None:
    attached = {"id": tenant.agent_id, "agent_display_name": "ours agent"}
    for _ in range(2):
        answer = await edit(client, tenant, "attach_inbound_number", number_id=tenant.number_id)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"message": "Agent updated successfully!", "agent_id": tenant.agent_id}
    [number] = await numbers_of(client, tenant)
    assert (number["agent"], number["is_inbound_enabled"]) == (attached, False)
    answer = await edit(client, tenant, "remove_inbound_number", number_id=tenant.number_id)
    assert answer.status_code == 200, answer.text
    assert [number["agent"] for number in await numbers_of(client, tenant)] == [None]


async def test_the_first_version_of_the_address_also_shows_subscriptions(
    client: httpx2.AsyncClient, tenant: Tenant
) -> None:
    path = f"{V1}/{tenant.agent_id}"
    plain = await agent_of(client, tenant)
    answer = await client.get(path, headers=tenant.headers)
    assert (answer.status_code, answer.json()) == (200, {"agents": plain | {"event_subscriptions": []}})
    wish = {"agent_id": tenant.agent_id, "event_types": ["call_completed"]}
    assert (await client.put(f"{NATIVE}/subscriptions", headers=tenant.headers, json=wish)).status_code == 200
    subscribed = (await client.get(path, headers=tenant.headers)).json()["agents"]["event_subscriptions"]
    assert subscribed == [{"event_type": ["call_completed"]}]


HOOK = {"event_type": ["call_completed", "call_started"], "callback_url": "https://hook.example/x"}
SECRET = {"Authorization": "Bearer secret"}


async def test_event_subscriptions_are_set_as_documented_and_shown_without_their_headers(
    client: httpx2.AsyncClient, tenant: Tenant
) -> None:
    wishes = [
        HOOK | {"headers": SECRET, "method_type": "PUT"},
        {"event_type": "all_processing_completed", "callback_url": "https://hook.example/y"},
    ]
    answer = await edit(client, tenant, "edit_event_subscriptions", event_subscriptions=wishes)
    assert (answer.status_code, answer.json()) == (
        200,
        {"message": "Agent updated successfully!", "agent_id": tenant.agent_id},
    )
    newer = [{"event_type": ["call_started"], "callback_url": "https://hook.example/z"}]
    assert (await edit(client, tenant, "edit_event_subscriptions", event_subscriptions=newer)).status_code == 200
    shown = await client.get(f"{V1}/{tenant.agent_id}", headers=tenant.headers)
    assert sorted(shown.json()["agents"]["event_subscriptions"], key=lambda each: str(each["callback_url"])) == [
        {"event_type": ["call_completed"], "callback_url": "https://hook.example/x", "method_type": "PUT"},
        {"event_type": ["all_processing_completed"], "callback_url": "https://hook.example/y", "method_type": "POST"},
        {"event_type": ["call_started"], "callback_url": "https://hook.example/z", "method_type": "POST"},
    ]
    assert "secret" not in shown.text


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ([], "event_subscriptions: Expected `array` of length >= 1"),
        ([HOOK | {"event_type": "call_ended"}], "event_subscriptions[0].event_type"),
        ([HOOK | {"event_type": []}], "event_subscriptions[0].event_type"),
        ([HOOK, HOOK | {"event_type": ["termination_settled"]}], "event_subscriptions[1]: termination_settled"),
        ([HOOK, HOOK | {"callback_url": "http://10.0.0.1/"}], "event_subscriptions[1]: callback_url names a private"),
        ([HOOK | {"method_type": "GET"}], "event_subscriptions[0]: method_type must be"),
        ([HOOK | {"headers": {"Host": "x"}}], "event_subscriptions[0]: headers[0]"),
        ([HOOK | {"secret": "x"}], "event_subscriptions[0]"),
    ],
)
async def test_a_bad_event_subscription_names_its_place_and_changes_nothing(
    client: httpx2.AsyncClient, tenant: Tenant, wishes: list[dict[str, Any]], said: str
) -> None:
    answer = await edit(client, tenant, "edit_event_subscriptions", event_subscriptions=wishes)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["detail"]
    shown = await client.get(f"{V1}/{tenant.agent_id}", headers=tenant.headers)
    assert shown.json()["agents"]["event_subscriptions"] == []


async def test_event_subscriptions_of_a_strangers_agent_are_not_set(
    client: httpx2.AsyncClient, tenant: Tenant, stranger: Tenant
) -> None:
    answer = await edit(client, stranger, "edit_event_subscriptions", tenant.agent_id, event_subscriptions=[HOOK])
    assert (answer.status_code, answer.json()["detail"]) == (404, "Agent not found")


WRONG_PROMPTS: list[tuple[dict[str, Any], str]] = [
    ({}, "Missing required field: agent_prompt (of edit_prompt)"),
    ({"agent_prompt": None}, "Missing required field: agent_prompt (of edit_prompt)"),
    ({"agent_prompt": 7}, "agent_prompt: Expected `str | object | null`, got `int`"),
    ({"agent_prompt": "x" * 50_001}, "agent_prompt: Expected `str` of length <= 50000"),
    ({"agent_prompt": {}}, "Missing required field: agent_prompt.prompt_sections"),
    ({"agent_prompt": {"prompt_sections": []}}, "Expected `array` of length >= 1"),
    (
        {"agent_prompt": {"prompt_sections": [SECTIONS[0], {"section_title": "T"}]}},
        "Missing required field: agent_prompt.prompt_sections[1].section_content",
    ),
    (
        {"agent_prompt": {"prompt_sections": [{"section_title": "T", "section_content": "x" * 30_000}] * 2}},
        "agent_prompt has more than 50000 characters",
    ),
    (
        {"agent_prompt": "x", "intro_message": "y"},
        "intro_message does not belong to edit_p",
    ),
    ({"agent_prompt": "x", "surprise": 1}, "unknown field: surprise"),
]


async def test_an_edit_that_is_wrong_changes_nothing(
    client: httpx2.AsyncClient, tenant: Tenant, stranger: Tenant
) -> None:
    other = await client.post(f"{COMPATIBLE}/public/agent", headers=tenant.headers, json=NEW_AGENT)
    other_id = other.json()["data"]["id"]
    before = await agent_of(client, tenant)
    known = "operation must be one of attach_inbound_number, edit_agent_display_name, edit_custom_vars, "
    number = {"number_id": tenant.number_id}
    table: list[tuple[Any, dict[str, Any], int, str]] = [
        (None, {}, 400, "Missing required field: operation"),
        ("edit_everything", {}, 400, known),
        (["edit_prompt"], {}, 400, known),
        ("edit_prompt", {"agent_id": "no-id", "agent_prompt": "x"}, 400, "agent_id: Invalid UUID, not 'no-id'"),
        ("edit_prompt", {"agent_id": str(uuid4()), "agent_prompt": "x"}, 404, "Agent not found"),
        ("edit_prompt", {"agent_id": stranger.agent_id, "agent_prompt": "x"}, 404, "Agent not found"),
        ("edit_intro_message", {"intro_message": "x" * 2_001}, 400, "intro_message: Expected `str` of length <= 2000"),
        (
            "edit_agent_display_name",
            {"agent_display_name": " "},
            400,
            "agent_display_name must have 1 to 100",
        ),
        ("edit_agent_display_name", {"agent_display_name": "x" * 101}, 400, "agent_display_name: Expected `str` of"),
        ("edit_custom_vars", {"custom_variables": "date"}, 400, "custom_variables: Expected `array | null`"),
        ("edit_custom_vars", {"custom_variables": ["a", 1]}, 400, "custom_variables[1]: Expected `str`, got `int`"),
        ("edit_custom_vars", {"custom_variables": ["a", " "]}, 400, "custom_variables[1] must have 1 to 100"),
        ("edit_custom_vars", {"custom_variables": ["a"] * 101}, 400, "custom_variables: Expected `array` of length <="),
        ("edit_language", {"language": "Tamil"}, 400, "language: Expected `str` matching regex"),
        ("edit_secondary_language", {"secondary_language": "ta"}, 400, "secondary_language: Expected `str` matching"),
        ("edit_voice", {"voice_id": "deep"}, 400, "voice_id: Invalid UUID, not 'deep'"),
        ("edit_voice", {"voice_id": VOICE, "agent_prompt": "x"}, 400, "agent_prompt does not belong to edit_voice"),
        ("attach_inbound_number", {}, 400, "Missing required field: number_id (of attach_inbound_number)"),
        ("attach_inbound_number", {"number_id": "no-id"}, 400, "number_id: Invalid UUID, not 'no-id'"),
        ("attach_inbound_number", {"number_id": str(uuid4())}, 404, "Number not found"),
        ("attach_inbound_number", {"number_id": stranger.number_id}, 404, "Number not found"),
        ("attach_inbound_number", number | {"language": "hi-IN"}, 400, "language does not belong to attach_inbound"),
        ("remove_inbound_number", number, 400, "number_id is not attached to this agent"),
        ("remove_inbound_number", {"number_id": stranger.number_id}, 404, "Number not found"),
        *[("edit_prompt", fields, 400, text) for fields, text in WRONG_PROMPTS],
    ]
    for operation, fields, status, text in table:
        answer = await edit(client, tenant, operation, **fields)
        assert (answer.status_code, text in answer.json()["detail"]) == (status, True), answer.text
    assert await agent_of(client, tenant) == before
    assert [number["agent"] for number in await numbers_of(client, tenant)] == [None]
    assert (await edit(client, tenant, "attach_inbound_number", agent_id=other_id, **number)).status_code == 200
    answer = await edit(client, tenant, "attach_inbound_number", **number)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "number_id belongs to another agent: remove it there first"}


@pytest.mark.parametrize(
    ("operation", "instead"),
    [
        ("attach_kb", "write what the agent must know into its prompt"),
        ("remove_kb", "there are no knowledge bases"),
        ("edit_agent_whitelisted_domains", "there are no calls from web pages"),
        ("edit_api_settings", "the software behind its handling may"),
        ("edit_dtmf_settings", "the software behind the agent's handling"),
        ("edit_extract_callee_name", "smart_formatter.extract_first_name"),
        ("edit_noise_settings", "the software behind the agent's handling"),
        ("edit_query_phrases", "the software behind the agent's handling"),
        ("edit_vad_settings", "the software behind the agent's handling"),
        ("edit_vocab", "the software behind the agent's handling"),
        ("edit_voice_speed", "the software behind the agent's handling"),
    ],
)
async def test_what_is_not_done_here_is_refused_with_what_to_do_instead(
    client: httpx2.AsyncClient, tenant: Tenant, operation: str, instead: str
) -> None:
    before = await agent_of(client, tenant)
    answer = await edit(client, tenant, operation, vocab=["x"], kb_id="kb", vad_settings={"vad_override": True})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(f"operation {operation} is not supported: ")
    assert instead in answer.json()["detail"]
    assert await agent_of(client, tenant) == before


NEW_AGENT: dict[str, Any] = {
    "agent_name": "Reminder",
    "introduction_and_objective": "You remind.",
    "response_guidelines": "Be short.",
    "task": "Say the date.",
    "primary_language": "hi-IN",
    "voice_id": VOICE,
    "intro_message": "Namaste",
}
LENGTHS = {
    "agent_name": 100,
    "introduction_and_objective": 2000,
    "response_guidelines": 3000,
    "task": 1500,
    "intro_message": 500,
    "faq": 5000,
    "sample_conversations": 5000,
}


async def test_an_agent_by_fields_that_are_wrong(client: httpx2.AsyncClient, tenant: Tenant, stranger: Tenant) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"agent_name": ""}, "agent_name: Expected `str` of length >= 1"),
        ({"agent_name": " "}, "agent_name must have 1 to 100 characters"),
        ({"primary_language": "english"}, "primary_language: Expected `str` matching regex"),
        ({"secondary_language": "en-us"}, "secondary_language: Expected `str` matching regex"),
        ({"voice_id": "deep"}, "voice_id: Invalid UUID, not 'deep'"),
        ({"agent_type": "robot"}, "agent_type: Invalid enum value 'robot'"),
        ({"custom_variables": [""]}, "custom_variables[0] must have 1 to 100 characters"),
        ({"custom_variables": {"a": "string"}}, "custom_variables: Expected `array"),
        ({"task": 1}, "task: Expected `str"),
        ({"name": "x"}, "unknown field: name"),
        *[({name: "x" * (most + 1)}, f"{name}: Expected `str` of length <= {most}") for name, most in LENGTHS.items()],
    ]
    before = await agent_of(client, tenant)
    create = f"{COMPATIBLE}/public/agent"
    for changes, text in wrong:
        created = await client.post(create, headers=tenant.headers, json=NEW_AGENT | changes)
        for answer in (created, await update(client, tenant, changes)):
            assert answer.status_code == 400, answer.text
            assert answer.json() == {"success": False, "error": {"code": "INVALID_PARAMETER", "message": ANY}}
            assert text in answer.json()["error"]["message"]
    for name in NEW_AGENT:
        body = {field: value for field, value in NEW_AGENT.items() if field != name}
        answer = await client.post(create, headers=tenant.headers, json=body)
        assert answer.json()["error"]["message"] == f"Missing required field: {name}"
    for nothing in ({}, {"task": None}):
        assert "at least one of agent_name, " in (await update(client, tenant, nothing)).text
    for agent_id in (str(uuid4()), stranger.agent_id):
        answer = await update(client, tenant, {"task": "x"}, agent_id)
        assert (answer.status_code, answer.json()) == (
            404,
            {"success": False, "error": {"code": "NOT_FOUND", "message": "Agent not found"}},
        )
    assert await agent_of(client, tenant) == before
    listed = await client.get(f"{COMPATIBLE}/agent/all", headers=tenant.headers)
    assert len(listed.json()["data"]["agents"]) == 1


def test_the_page_names_each_operation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text(encoding="utf-8")
    assert [name for name in agent_edits.OPERATIONS if f"`{name}`" not in page] == []
