"""The pages of agents, numbers, trunks and pools, and the forms that change one of them."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import httpx2
import pytest

from ringoff.domain.carrier import AnswerHandling, HandlingKind
from ringoff.domain.identifiers import AgentId
from ringoff.operations import agents, number_pools, numbers, trunks
from ringoff.operations.agents import NewAgent
from ringoff.store.postgres import PostgresStore
from tests.contract.tenants import Tenant
from tests.dashboard.visitor import Page, Visitor

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)> \u202eevil'


async def _agent(store: PostgresStore, tenant: Tenant, name: str, variables: Sequence[str] = ()) -> AgentId:
    new = NewAgent(name, "outbound", "en-US", tuple(variables), {})
    return (await agents.create_agent(store, tenant.principal, new)).agent_id


async def _handling(store: PostgresStore, tenant: Tenant, agent_id: str) -> AnswerHandling:
    return (await agents.read_agent(store, tenant.principal, AgentId(UUID(agent_id)), or_archived=True)).handling


def _agents(page: Page) -> list[str]:
    """The ids of the agents that have a row, or are named in one."""
    found = [link for link in page.links if link.startswith("/agents/") and link.count("/") == 2]
    return [link.removeprefix("/agents/") for link in found]


async def test_one_page_has_who_calls_from_where(visitor: Visitor, tenant: Tenant, store: PostgresStore) -> None:
    await number_pools.add_pool(store, tenant.principal, HOSTILE, [tenant.number])
    page = await visitor.get("/agents")
    for words in ("ours agent", "en-US", "v1", "company", "ours trunk", "simulated", tenant.number, HOSTILE):
        assert words in page.text, words
    assert _agents(page) == [tenant.agent_id]
    assert f"/terminate?level=agent&agent_id={tenant.agent_id}" in page.links
    assert f"/agents/trunks/{tenant.trunk_id}" in page.links
    assert "img" not in page.tags[page.tags.index("main") :]


async def test_agents_are_paged_and_searched_and_archived_ones_are_marked(
    visitor: Visitor, tenant: Tenant, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringoff.dashboard.agents.AGENTS_MAX", 2)
    old = await _agent(store, tenant, "Old survey")
    new = await _agent(store, tenant, HOSTILE)
    await agents.archive_agent(store, tenant.principal, old)
    first = await visitor.get("/agents")
    assert _agents(first) == [str(new), str(old)]
    assert "Old survey archived" in first.text
    assert HOSTILE in first.text
    [older] = [link for link in first.links if "below=" in link]
    second = await visitor.get(older)
    assert _agents(second) == [tenant.agent_id]
    assert _agents(await visitor.get("/agents", name="SURVEY")) == [str(old)]
    assert "No agent is like that" in (await visitor.get("/agents", name="%")).text
    await visitor.get("/agents", 400, name="\x00")


async def test_numbers_are_paged(
    visitor: Visitor, tenant: Tenant, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringoff.dashboard.agents.NUMBERS_MAX", 1)
    await numbers.add_number(store, tenant.principal, "+12025550177", HOSTILE, None)
    first = await visitor.get("/agents")
    assert "+12025550177" not in first.html
    [more] = [link for link in first.links if "above=" in link]
    second = await visitor.get(more.partition("#")[0])
    assert "+12025550177" in second.text
    assert HOSTILE in second.text
    assert tenant.number not in second.text


async def test_a_handling_is_changed_and_a_bad_one_changes_nothing(
    visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    path = f"/agents/{tenant.agent_id}"
    page = await visitor.get(path)
    action = f"{path}/handling"
    for changes, words in (
        ({"kind": "media_url", "target": "https://x.example"}, "target must be a ws:// or wss:// URL"),
        ({"kind": "media_url", "target": ""}, "target must be"),
        ({"kind": "none", "target": HOSTILE}, "target must be empty for the kind none"),
        ({"kind": "fax"}, "kind"),
    ):
        refused = await visitor.send(page, action, 400, **changes)
        assert words in refused.text
        assert refused.form(action).fields["target"] == changes.get("target", "")
    await visitor.post(action, {"kind": "play", "target": "sound:a"}, 400)
    assert await _handling(store, tenant, tenant.agent_id) == AnswerHandling()
    await visitor.send(page, action, kind="sip_uri", target="sip:a@b.example", retry_failed="true")
    assert await _handling(store, tenant, tenant.agent_id) == AnswerHandling(
        HandlingKind.SIP_URI, "sip:a@b.example", is_failure_retried=True
    )
    assert (await visitor.get(path)).form(action).fields["target"] == "sip:a@b.example"


@pytest.mark.parametrize(
    ("kind", "target", "shown"),
    [
        ("media_url", "wss://agent.example/m?token=s3cret", "wss://agent.example/m?token=***"),
        ("sip_uri", "sip:bot:s3cret@pbx.example", "sip:bot:***@pbx.example"),
        ("play", "https://audio.example/a.wav?s3cret", "https://audio.example/a.wav?***"),
    ],
)
async def test_a_secret_in_a_target_is_never_shown_and_stays(
    visitor: Visitor, tenant: Tenant, store: PostgresStore, kind: str, target: str, shown: str
) -> None:
    path = f"/agents/{tenant.agent_id}"
    await visitor.send(await visitor.get(path), f"{path}/handling", kind=kind, target=target)
    page = await visitor.get(path)
    listed = await visitor.get("/agents")
    assert shown in page.text
    assert shown in listed.text
    assert "s3cret" not in page.html + listed.html
    await visitor.send(page, f"{path}/handling", retry_failed="true")
    kept = await _handling(store, tenant, tenant.agent_id)
    assert (kept.target, kept.is_failure_retried) == (target, True)
    await visitor.send(page, f"{path}/handling", kind="none")
    assert (await _handling(store, tenant, tenant.agent_id)).kind is HandlingKind.NONE


async def test_numbers_are_attached_and_taken_away(visitor: Visitor, tenant: Tenant, store: PostgresStore) -> None:
    path = f"/agents/{tenant.agent_id}"
    page = await visitor.get(path)
    await visitor.post(f"{path}/attach", {"number_id": tenant.number_id}, 400)
    await visitor.send(page, f"{path}/attach")
    attached = await visitor.get(path)
    assert f'name="number_id" value="{tenant.number_id}"' in attached.html
    assert not [form for form in attached.forms if form.action == f"{path}/attach"]
    other = await _agent(store, tenant, "Other")
    fields = attached.form(f"{path}/detach").fields | {"number_id": tenant.number_id}
    refused = await visitor.post(f"/agents/{other}/attach", fields, 409)
    assert "belongs to another agent" in refused.text
    refused = await visitor.post(f"/agents/{other}/detach", fields, 409)
    assert "not attached to this agent" in refused.text
    await visitor.post(f"{path}/detach", fields)
    assert "None. Campaigns" in (await visitor.get(path)).text


async def test_an_archived_agent_can_still_be_ended_and_handed_over(
    visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    agent_id = await _agent(store, tenant, "Old survey")
    await agents.archive_agent(store, tenant.principal, agent_id)
    page = await visitor.get(f"/agents/{agent_id}")
    assert "it takes nothing new" in page.text
    assert f"/terminate?level=agent&agent_id={agent_id}" in page.links
    assert not [form for form in page.forms if form.action.endswith("/attach")]
    await visitor.send(page, f"/agents/{agent_id}/handling", kind="play", target="sound:bye")
    fields = page.form(f"/agents/{agent_id}/handling").fields | {"number_id": tenant.number_id}
    await visitor.post(f"/agents/{agent_id}/attach", fields, 404)


async def test_limits_of_a_trunk_are_changed_and_bad_ones_change_nothing(
    visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    path = f"/agents/trunks/{tenant.trunk_id}"
    page = await visitor.get(path)
    for changes, words in (
        ({"cps_max": "fast"}, "cps_max"),
        ({"cps_max": ""}, "cps_max"),
        ({"cps_max": "0"}, "cps_max must be from 0.01"),
        ({"cps_max": "nan"}, "cps_max"),
        ({"channels_max": "1.5"}, "channels_max"),
        ({"channels_max": "0"}, "channels_max must be from 1"),
        ({"name": ""}, "name must have 1 to 100"),
    ):
        refused = await visitor.send(page, path, 400, **changes)
        assert words in refused.text
        shown = refused.form(path).fields
        assert {name: shown[name] for name in changes} == changes
    await visitor.post(path, {"name": "x", "cps_max": "9", "channels_max": "9"}, 400)
    [trunk] = await trunks.list_trunks(store, tenant.principal)
    assert (trunk.name, trunk.cps_max, trunk.channels_max) == ("ours trunk", 5, 10)
    await visitor.send(page, path, name=HOSTILE, cps_max="2.5", channels_max="7")
    [trunk] = await trunks.list_trunks(store, tenant.principal)
    assert (trunk.name, trunk.cps_max, trunk.channels_max) == (HOSTILE, 2.5, 7)
    assert HOSTILE in (await visitor.get(path)).text


async def test_a_trunk_is_switched_off_and_an_old_page_does_not_switch_it_on(
    visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    path = f"/agents/trunks/{tenant.trunk_id}"
    old = await visitor.get(path)
    fields = old.form(f"{path}/switch").fields
    await visitor.post(f"{path}/switch", fields, 400)
    await visitor.post(f"{path}/switch", fields | {"is_enabled": "perhaps"}, 400)
    await visitor.post(f"{path}/switch", fields | {"is_enabled": "false"})
    await visitor.send(old, path, cps_max="3")
    [trunk] = await trunks.list_trunks(store, tenant.principal)
    assert (trunk.is_enabled, trunk.cps_max) == (False, 3)
    assert "It dials nothing" in (await visitor.get(path)).text
    await visitor.post(f"{path}/switch", fields | {"is_enabled": "true"})
    [trunk] = await trunks.list_trunks(store, tenant.principal)
    assert trunk.is_enabled


async def test_secrets_of_a_trunk_and_its_alarm_are_text(
    visitor: Visitor, tenant: Tenant, store: PostgresStore
) -> None:
    async with store.transaction() as tx:
        await tx.connection.execute(
            "UPDATE trunk SET config = $2, alarm = $3, alarm_at = now() WHERE trunk_id = $1",
            tenant.trunk_id,
            {"password": "s3cret", "note": HOSTILE},
            HOSTILE,
        )
    for path in (f"/agents/trunks/{tenant.trunk_id}", "/agents"):
        page = await visitor.get(path)
        assert "s3cret" not in page.html
        assert HOSTILE in page.text
        assert "img" not in page.tags[page.tags.index("main") :]


async def test_what_belongs_to_others_is_not_there(
    browser: httpx2.AsyncClient, visitor: Visitor, tenant: Tenant, stranger: Tenant, store: PostgresStore
) -> None:
    page = await visitor.get("/agents")
    assert not [word for word in ("theirs agent", "theirs trunk", stranger.number) if word in page.html]
    assert _agents(await visitor.get("/agents", below=stranger.agent_id)) == []
    own = (await visitor.get(f"/agents/{tenant.agent_id}")).form(f"/agents/{tenant.agent_id}/handling").fields
    fields = own | {"number_id": stranger.number_id, "is_enabled": "false"}
    for agent_id in (stranger.agent_id, str(uuid4()), "x"):
        await visitor.get(f"/agents/{agent_id}", 404)
        for action in ("handling", "attach", "detach"):
            await visitor.post(f"/agents/{agent_id}/{action}", fields, 404)
    await visitor.post(f"/agents/{tenant.agent_id}/attach", fields, 404)
    for trunk_id in (stranger.trunk_id, str(uuid4()), "x"):
        await visitor.get(f"/agents/trunks/{trunk_id}", 404)
        limits = {"name": "x", "cps_max": "1", "channels_max": "1"}
        await visitor.post(f"/agents/trunks/{trunk_id}", fields | limits, 404)
        await visitor.post(f"/agents/trunks/{trunk_id}/switch", fields, 404)
    [theirs] = await trunks.list_trunks(store, stranger.principal)
    assert (theirs.name, theirs.is_enabled) == ("theirs trunk", True)
