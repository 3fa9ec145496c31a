"""Workspace, numbers and agents, step by step as the documents describe them."""

from typing import Any

import pytest

from tests.contract.facts.caller import AGENT, NOBODY, VOICE, Caller
from tests.contract.facts.shapes import (
    Keys,
    ListOf,
    Maybe,
    an_object,
    anything,
    boolean,
    e164,
    identifier,
    instant,
    number,
    one_of,
    text,
    whole,
)

WORKSPACE = {"id": identifier, "name": text, "created_at": instant, "credits": number, "locked_credits": number}
LISTED_AGENT = Keys(
    {
        "id": identifier,
        "agent_display_name": text,
        "agent_type": one_of("inbound", "outbound", "outbound_inbound"),
        "created_at": instant,
        "updated_at": instant,
        "template_name": Maybe(text),
        "template_label": Maybe(text),
        "template_icon": Maybe(text),
        "template_source": Maybe(text),
        "call_count": whole,
        "custom_variables": an_object,
        "tools": ListOf(anything),
        "is_archived": boolean,
        "secondary_language": Maybe(text),
        "secondary_voice_id": Maybe(identifier),
        "template_type": Maybe(text),
    }
)
AGENT_VIEW = {
    "id": identifier,
    "agent_display_name": text,
    "agent_type": text,
    "whitelisted_domains": ListOf(text),
    "language": text,
    "form_fields": ListOf(Keys({"key": text, "value": text})),
    "voice": Maybe(Keys({"id": identifier, "name": Maybe(text), "voice_preview": Maybe(text)})),
    "agent_config": Keys({"custom_variables": an_object, "agent_prompt": text, "intro_message": text}),
    "knowledge_base_id": Maybe(text),
    "knowledge_base_name": Maybe(text),
    "created_at": instant,
    "updated_at": instant,
    "tools": ListOf(anything),
    "secondary_language": Maybe(text),
    "secondary_voice_id": Maybe(identifier),
}
TEMPLATE_KEYS = frozenset({"template_name", "template_label", "template_icon", "template_source", "template_type"})
EDITED = "Agent updated successfully!"


def test_the_workspace_is_the_check_of_a_key(caller: Caller, strangers: list[Caller]) -> None:
    caller.expect(caller.get("/workspace"), Keys({"workspace_info": Keys(WORKSPACE)}))
    for stranger in strangers:
        refused = stranger.get("/workspace", 401)
        assert refused == {"error": {"code": "401 Unauthorized", "message": "Invalid credentials"}}


def test_workspaces_and_members(caller: Caller) -> None:
    member = Keys({"id": text, "username": text, "email": text, "role": text, "invite_status": text})
    caller.expect(caller.get("/workspace/users"), Keys({"workspace_users": ListOf(member)}))
    workspaces = Keys({"workspaces": ListOf(Keys(WORKSPACE | {"role": text}), least=1)})
    caller.expect(caller.get("/workspace/all"), workspaces)


def test_numbers(caller: Caller) -> None:
    shown = Keys(
        {
            "id": identifier,
            "number": e164,
            "created_at": instant,
            "call_count": whole,
            "agent": Maybe(Keys({"id": identifier, "agent_display_name": text})),
            "is_inbound_enabled": boolean,
            "is_test_number": boolean,
            "tags": ListOf(anything),
            "is_spam": boolean,
            "spam_message": Maybe(text),
            "provider": text,
            "display_name": Maybe(text),
            "owner": Maybe(text),
            "is_custom_number": boolean,
            "telephony_id": Maybe(text),
            "number_pool_id": Maybe(text),
        }
    )
    caller.expect(caller.get("/workspace/numbers"), Keys({"workspace_numbers": ListOf(shown, least=1)}))


def test_a_number_is_given_back(caller: Caller, spare_number_id: str) -> None:
    done = caller.ask("DELETE", f"/workspace/number/{spare_number_id}")
    assert done == {"message": "Number deallocated successfully!"}
    caller.ask("DELETE", f"/workspace/number/{spare_number_id}", 404)


def test_an_agent_is_created_with_what_the_table_says(caller: Caller) -> None:
    answer = caller.post(
        "/public/agent", AGENT | {"faq": "F", "sample_conversations": "S", "custom_variables": ["plan"]}
    )
    made = Keys({"id": identifier, "version": text, "created_at": instant})
    caller.expect(answer, Keys({"success": boolean, "data": made, "message": "Agent created successfully"}))
    assert (answer["success"], answer["data"]["version"]) == (True, "v1")
    read = caller.get(f"/agent/{answer['data']['id']}")["agents"]
    assert (read["agent_type"], read["agent_display_name"]) == ("outbound", AGENT["agent_name"])
    assert {"callee_name", "mobile_number", "plan"} <= read["agent_config"]["custom_variables"].keys()


@pytest.mark.parametrize("missing", sorted(AGENT))
def test_a_required_field_of_an_agent(caller: Caller, missing: str) -> None:
    refused = caller.post("/public/agent", {name: value for name, value in AGENT.items() if name != missing}, 400)
    failed = Keys({"success": boolean, "error": Keys({"code": text, "message": text})})
    caller.expect(refused, failed)
    assert refused["success"] is False
    assert missing in refused["error"]["message"]


@pytest.mark.parametrize(
    ("field", "length_max"),
    [
        ("agent_name", 100),
        ("introduction_and_objective", 2000),
        ("response_guidelines", 3000),
        ("task", 1500),
        ("intro_message", 500),
        ("faq", 5000),
        ("sample_conversations", 5000),
    ],
)
def test_the_lengths_of_an_agents_texts(caller: Caller, field: str, length_max: int) -> None:
    caller.post("/public/agent", AGENT | {field: "x" * length_max})
    refused = caller.post("/public/agent", AGENT | {field: "x" * (length_max + 1)}, 400)
    assert field in refused["error"]["message"]


@pytest.mark.parametrize("agent_type", ["inbound", "outbound", "outbound_inbound"])
@pytest.mark.parametrize("language", ["en-US", "en-IN", "hi-IN", "ta-IN", "te-IN", "bn-IN", "mr-IN", "kn-IN", "ka-IN"])
def test_every_type_and_language_of_an_agent(caller: Caller, agent_type: str, language: str) -> None:
    caller.agent(agent_type=agent_type, primary_language=language, secondary_language="hi-IN")


def test_an_agent_is_listed_read_and_updated(caller: Caller) -> None:
    agent_id = caller.agent()
    listed = caller.get("/agent/all")
    caller.expect(listed, Keys({"status": text, "data": Keys({"agents": ListOf(LISTED_AGENT, least=1)})}))
    assert agent_id in [agent["id"] for agent in listed["data"]["agents"]]
    caller.expect(caller.get(f"/agent/{agent_id}"), Keys({"agents": Keys(AGENT_VIEW, TEMPLATE_KEYS)}))
    answer = caller.patch(f"/public/agent/{agent_id}", {"agent_name": "Renamed", "task": "Another task."})
    updated = Keys({"id": identifier, "version": text, "updated_at": instant})
    caller.expect(answer, Keys({"success": boolean, "data": updated, "message": "Agent updated successfully"}))
    assert caller.get(f"/agent/{agent_id}")["agents"]["agent_display_name"] == "Renamed"
    assert caller.patch(f"/public/agent/{NOBODY}", {"task": "x"}, 404)["success"] is False


@pytest.mark.parametrize(
    ("operation", "fields", "shows"),
    [
        ("edit_agent_display_name", {"agent_display_name": "Edited"}, ("agent_display_name", "Edited")),
        ("edit_prompt", {"agent_prompt": "Say hello."}, ("agent_config.agent_prompt", "Say hello.")),
        ("edit_intro_message", {"intro_message": "Good day."}, ("agent_config.intro_message", "Good day.")),
        ("edit_language", {"language": "gu-IN"}, ("language", "gu-IN")),
        ("edit_voice", {"voice_id": NOBODY}, ("voice.id", NOBODY)),
        ("edit_secondary_language", {"secondary_language": "ar-AE"}, ("secondary_language", "ar-AE")),
        ("edit_secondary_voice", {"secondary_voice_id": VOICE}, ("secondary_voice_id", VOICE)),
    ],
)
def test_an_edit_by_operation(caller: Caller, operation: str, fields: dict[str, Any], shows: tuple[str, str]) -> None:
    agent_id = caller.agent()
    edit = {"operation": operation, "agent_id": agent_id} | fields
    assert caller.patch("/agent/v1", edit) == {"message": EDITED, "agent_id": agent_id}
    found = caller.get(f"/agent/{agent_id}")["agents"]
    for step in shows[0].split("."):
        found = found[step]
    assert found == shows[1]
    assert caller.patch("/agent/v1", edit | {"agent_id": NOBODY}, 404) == {"detail": "Agent not found"}


def test_variables_and_prompt_sections_are_edited(caller: Caller) -> None:
    agent_id = caller.agent()
    caller.patch("/agent/v1", {"operation": "edit_custom_vars", "agent_id": agent_id, "custom_variables": ["city"]})
    sections = {"prompt_sections": [{"section_title": "Who", "section_content": "You sell tea."}]}
    caller.patch("/agent/v1", {"operation": "edit_prompt", "agent_id": agent_id, "agent_prompt": sections})
    config = caller.get(f"/agent/{agent_id}")["agents"]["agent_config"]
    assert set(config["custom_variables"]) == {"callee_name", "mobile_number", "city"}
    assert "You sell tea." in config["agent_prompt"]


def test_a_number_is_attached_to_an_agent_and_taken_off(caller: Caller, spare_number_id: str) -> None:
    agent_id = caller.agent()

    def shown() -> Any:
        numbers = caller.get("/workspace/numbers")["workspace_numbers"]
        return next(number["agent"] for number in numbers if number["id"] == spare_number_id)

    edit = {"agent_id": agent_id, "number_id": spare_number_id}
    caller.patch("/agent/v1", {"operation": "attach_inbound_number"} | edit)
    assert shown() == {"id": agent_id, "agent_display_name": AGENT["agent_name"]}
    caller.patch("/agent/v1", {"operation": "remove_inbound_number"} | edit)
    assert shown() is None
    caller.ask("DELETE", f"/workspace/number/{spare_number_id}")


def test_an_agent_is_archived(caller: Caller, strangers: list[Caller]) -> None:
    agent_id = caller.agent()
    for stranger in strangers:
        assert stranger.ask("DELETE", f"/agent/{agent_id}", 401) == {"detail": "Invalid credentials"}
    assert caller.ask("DELETE", f"/agent/{agent_id}") == {"message": "Agent deleted successfully!"}
    for method in ("GET", "DELETE"):
        assert caller.ask(method, f"/agent/{agent_id}", 404) == {"detail": "Agent not found"}
    assert agent_id not in [agent["id"] for agent in caller.get("/agent/all")["data"]["agents"]]
