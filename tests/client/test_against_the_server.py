"""Both clients against the application behind a real HTTP server: what they ask is what it understands."""

import asyncio
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ringoff.client import (
    AsyncRingoffClient,
    BadRequest,
    Conflict,
    NotFound,
    NothingTerminable,
    NotOffered,
    RingoffClient,
    Unauthorized,
)
from ringoff.store.postgres import PostgresStore
from tests.client.asking import ONCE, Asker, save, start_call
from tests.contract.tenants import CONTACTS, Tenant
from tests.support.large_lists import verifier

SCRIPT = {
    "introduction_and_objective": "Calls.",
    "response_guidelines": "Short.",
    "task": "Talk.",
    "primary_language": "en-US",
    "voice_id": "11111111-1111-4111-8111-111111111111",
    "intro_message": "Hello.",
}


async def test_workspace_and_numbers(ask: Asker, tenant: Tenant) -> None:
    workspace = await ask(lambda api: api.workspace.get())
    assert (workspace.name, workspace.credits) == ("ours", 0)
    assert [(found.id, found.role) for found in await ask(lambda api: api.workspace.list())] == [
        (workspace.id, "owner")
    ]
    assert await ask(lambda api: api.workspace.users()) == []
    [number] = await ask(lambda api: api.numbers.list())
    assert (number.id, number.number, number.tags) == (tenant.number_id, tenant.number, [])
    await ask(lambda api: api.numbers.remove(number.id))
    assert await ask(lambda api: api.numbers.list()) == []


async def test_an_agents_life(ask: Asker, tenant: Tenant) -> None:
    made = await ask(lambda api: api.agents.create(agent_name="New", **SCRIPT))
    assert made.version == "v1"
    updated = await ask(lambda api: api.agents.update(made.id, task="Listen."))
    assert updated.version == "v2"
    await ask(lambda api: api.agents.patch(made.id, "edit_prompt", agent_prompt="Say @{{company}}."))
    read = await ask(lambda api: api.agents.get(made.id, with_subscriptions=True))
    assert (read.agent_config.agent_prompt, read.event_subscriptions) == ("Say @{{company}}.", [])
    assert {agent.id for agent in await ask(lambda api: api.agents.list())} == {made.id, tenant.agent_id}
    await ask(lambda api: api.agents.archive(made.id))
    with pytest.raises(NotFound):
        await ask(lambda api: api.agents.get(made.id))
    with pytest.raises(BadRequest) as caught:
        await ask(lambda api: api.agents.patch(tenant.agent_id, "edit_prompt"))
    assert (caught.value.status, caught.value.field) == (400, "agent_prompt")


async def test_calls_their_history_and_its_download(ask: Asker, tenant: Tenant, tmp_path: Path) -> None:
    numbers = [f"+1415555{line:04}" for line in range(120, 127)]
    for number in numbers[:-1]:
        await ask(lambda api, number=number: start_call(api, tenant, number))  # type: ignore[misc]
    last = await ask(
        lambda api: api.calls.start_v1(
            name="Ada", mobile_number=numbers[-1], agent_id=tenant.agent_id, from_number_id=tenant.number_id
        )
    )
    assert (last.call_status, last.from_number, last.to_number) == ("registered", tenant.number, numbers[-1])
    walked = await ask(lambda api: api.calls.history(page_size=3, status="registered", agent_id=tenant.agent_id))
    assert [call.to_number for call in walked] == numbers[::-1]
    page = await ask(lambda api: api.calls.history_page(limit=2, start_date="2020-01-01", end_date="2099-01-01"))
    assert (page.total, page.is_total_exact, len(page.calls)) == (7, True, 2)
    details = await ask(lambda api: api.calls.details(last.call_id, send_analysis=True))
    assert (details.callee_name, details.turns) == ("Ada", [])
    timeline = await ask(lambda api: api.native.timeline(last.call_id))
    assert (timeline.call.contact.name, timeline.entries[0].moment) == ("Ada", "registered")
    owned = await ask(lambda api: api.native.calls(page_size=2))
    assert [call.mobile_number for call in owned] == numbers[::-1]
    path = tmp_path / "calls.zip"
    done = await ask(lambda api: api.calls.download_history(path, to_number=numbers[0], agent_id=[tenant.agent_id]))
    content = await asyncio.to_thread(path.read_bytes)
    assert done.file_bytes == len(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("call_history.csv").decode().count(numbers[0]) == 1
    with pytest.raises(BadRequest) as caught:
        await ask(lambda api: api.calls.download_history(path, to_number="12"))
    assert caught.value.field == "to_number"
    assert await asyncio.to_thread(path.read_bytes) == content, "a refusal is not written over the file"


async def test_a_workspace_at_one_glance(ask: Asker, tenant: Tenant) -> None:
    glance = await ask(lambda api: api.native.overview())
    assert [trunk.trunk_id for trunk in glance.trunks] == [tenant.trunk_id]
    assert (len(glance.rates), glance.campaigns.started_count, glance.terminations) == (60, 0, [])
    assert glance.webhooks.paused == []
    since = glance.rates[-5].at
    rates = await ask(lambda api: api.native.rates(since=since))
    assert rates.rates[0].at == since
    with pytest.raises(BadRequest) as caught:
        await ask(lambda api: api.native.rates(since="yesterday"))
    assert caught.value.field == "since"


async def test_how_a_campaign_goes(ask: Asker, tenant: Tenant) -> None:
    preview = await ask(
        lambda api: api.native.campaigns.preview(
            io.BytesIO(CONTACTS.encode() + b"nobody,No,One\n"), country_code="+1", variables_map={"firm": "Company"}
        )
    )
    assert (preview.valid_rows, preview.sample[0]["firm"], preview.faults[0].line) == (3, "Acme", 5)
    saved = await ask(lambda api: save(api, tenant))
    for walked in (1, 100):
        rows = await ask(lambda api, size=walked: api.native.campaigns.calls(saved.list_id, page_size=size))  # type: ignore[misc]
        assert [row.name for row in rows] == ["Cy", "Bob", "Ada"]
    found = await ask(lambda api: api.native.campaigns.calls(saved.list_id, mobile_number="+14155550102"))
    assert [row.name for row in found] == ["Bob"]
    figures = await ask(lambda api: api.native.campaigns.figures(saved.list_id))
    assert (figures.status, figures.counts.registered, figures.eta.state) == ("draft", 3, "not_started")
    assert figures.outcomes is not None
    assert (figures.outcomes.attempts, figures.outcomes.asr, figures.outcomes.buckets) == (0, None, [])


async def test_a_large_list_from_its_upload_to_its_start(ask: Asker, tenant: Tenant, store: PostgresStore) -> None:
    fields = {
        "agent_id": tenant.agent_id,
        "campaign_name": "Large",
        "country_code": "+1",
        "variables_map": {"callee_name": "Name"},
        "call_config": {"call_time": {"timezone": "UTC"}},
        "campaign_start_time": datetime(2026, 1, 5, 10, tzinfo=UTC),
    }
    accepted = await ask(lambda api: api.large_lists.upload(io.BytesIO(CONTACTS.encode()), **fields))
    assert accepted.status == "verifying"
    list_id = accepted.bulk_list_id
    assert (await ask(lambda api: api.large_lists.status(list_id))).percent == 0
    with pytest.raises(BadRequest, match="not ready to start"):
        await ask(
            lambda api: api.large_lists.start(
                bulk_list_id=list_id, agent_id=tenant.agent_id, from_numbers=[tenant.number]
            )
        )
    assert await verifier(store).verify_next()
    verified = await ask(lambda api: api.large_lists.status(list_id))
    assert (verified.status, verified.percent, verified.total_callees) == ("draft", 100, 3)
    assert (await ask(lambda api: api.large_lists.check_balance(list_id))).sufficient_balance
    started = await ask(
        lambda api: api.large_lists.start(
            bulk_list_id=list_id,
            agent_id=tenant.agent_id,
            from_numbers=[tenant.number],
            campaign_end_time=datetime(2026, 12, 31, 20, tzinfo=UTC),
        )
    )
    assert (started.bulk_list_id, started.status) == (list_id, "scheduled")


async def test_a_campaign_from_its_upload_to_its_end(ask: Asker, tenant: Tenant, tmp_path: Path) -> None:
    path = tmp_path / "spring.csv"
    await asyncio.to_thread(path.write_text, CONTACTS)
    seen: list[tuple[int, int | None]] = []
    saved = await ask(lambda api: save(api, tenant, path, progress=lambda *step: seen.append(step)))
    assert (saved.total_rows, saved.failed_rows, seen[-1]) == (3, 0, (len(CONTACTS), len(CONTACTS)))
    started = await ask(
        lambda api: api.campaigns.start_v2(
            agent_id=tenant.agent_id, list_id=saved.list_id, from_numbers=[tenant.number]
        )
    )
    assert started.status == "campaign registered successfully!"
    await ask(lambda api: save(api, tenant, campaign_name="Autumn"))
    listed = await ask(lambda api: api.campaigns.list(call_count=True, page_size=1))
    assert [(found.name, found.campaign_status, found.total_count) for found in listed] == [
        ("Autumn", "draft", 3),
        ("Spring", "ongoing", 3),
    ]
    own = saved.list_id
    share = await ask(lambda api: api.native.campaigns.share(own, weight=20, concurrency_percentage=50))
    assert (share.weight, share.concurrency_percentage) == (20, 50)
    assert (await ask(lambda api: api.native.campaigns.pause(own))).status == "paused"
    with pytest.raises(Conflict, match="the campaign is paused") as caught:
        await ask(lambda api: api.native.campaigns.pause(own))
    assert caught.value.field == "campaign_id"
    assert (await ask(lambda api: api.native.campaigns.resume(own))).status == "ongoing"
    assert (await ask(lambda api: api.native.campaigns.get(own))).counts.registered == 3
    ended = await ask(lambda api: api.native.campaigns.end(own))
    assert (ended.status, bool(ended.termination_id)) == ("completed", True)
    assert [found.name for found in await ask(lambda api: api.native.campaigns.list(page_size=1))] == [
        "Autumn",
        "Spring",
    ]
    with pytest.raises(BadRequest):
        await ask(lambda api: api.campaigns.start(agent_id=tenant.agent_id, list_id=own, from_numbers=[tenant.number]))


@pytest.mark.parametrize("alias", [None, "as named"])
async def test_every_selector_of_a_termination(ask: Asker, tenant: Tenant, alias: str | None) -> None:
    saved = await ask(lambda api: save(api, tenant))
    call = await ask(lambda api: start_call(api, tenant))
    other = await ask(lambda api: start_call(api, tenant, "+14155550112"))
    orders: list[tuple[str, dict[str, Any]]] = [
        ("calls", {"call_ids": [call.call_id]}),
        ("numbers", {"mobile_numbers": ["+14155550112"]}),
        ("campaign-numbers", {"campaign_id": saved.list_id, "mobile_numbers": ["+14155550101"]}),
        ("campaign", {"campaign_id": saved.list_id}),
        ("agent", {"agent_id": tenant.agent_id}),
    ]
    for name, selector in orders:
        if name == "agent":
            await ask(lambda api: start_call(api, tenant, "+14155550113"))
        given = selector | ({} if alias is None else {"alias": name})
        done = await ask(lambda api, given=given: api.terminate(**given))  # type: ignore[misc]
        assert (done.message, done.is_replayed) == ("Calls terminated successfully!", False)
        assert done.termination_id
        with pytest.raises(NothingTerminable):
            await ask(lambda api, given=given: api.terminate(**given))  # type: ignore[misc]
    details = await ask(lambda api: api.calls.details(other.call_id))
    assert (details.call_status, details.call_sub_status) == ("cancelled", "USER_TERMINATED")


async def test_an_order_under_a_key_is_given_once(ask: Asker, tenant: Tenant) -> None:
    await ask(lambda api: start_call(api, tenant))
    orders = [await ask(lambda api: api.terminate(agent_id=tenant.agent_id, idempotency_key="once")) for _ in range(2)]
    assert [order.is_replayed for order in orders] == [False, True]
    assert len({order.termination_id for order in orders}) == 1


async def test_an_own_order_its_preview_and_its_receipt(ask: Asker, tenant: Tenant) -> None:
    call = await ask(lambda api: start_call(api, tenant))
    order = {"mobile_numbers": ["+14155550111"], "ongoing": "hangup", "suppress": True}
    preview = await ask(lambda api: api.native.terminations.preview(**order))
    assert (preview.terminable_count, preview.sample[0].call_id) == (1, call.call_id)
    given = await ask(lambda api: api.native.terminations.give(**order, reason="asked to"))
    assert (given.reason, given.counts.suppressed, given.api_key.name) == ("asked to", 1, "test")
    read = await ask(lambda api: api.native.terminations.get(given.termination_id))
    assert (read.level, read.selector) == (given.level, {"mobile_numbers": ["+14155550111"]})
    covered = await ask(lambda api: api.native.terminations.calls(given.termination_id, page_size=1))
    assert [(row.call_id, row.status) for row in covered] == [(call.call_id, "cancelled")]
    listed = await ask(lambda api: api.native.terminations.list(page_size=1))
    assert [receipt.termination_id for receipt in listed] == [given.termination_id]
    assert await ask(lambda api: api.native.terminations.list(text="asked", level="agent", given_to="2020-01-01")) == []
    exported = io.BytesIO()
    await ask(lambda api: api.native.terminations.export_csv(given.termination_id, exported))
    header, row = exported.getvalue().decode().splitlines()
    assert header.startswith("call_id,mobile_number,status,")
    assert row.startswith(f"{call.call_id},+14155550111,cancelled,USER_TERMINATED,")


async def test_suppressed_numbers(ask: Asker, tmp_path: Path) -> None:
    added = await ask(lambda api: api.native.suppressions.add(["+14155550101", "+14155550102"], reason="asked to"))
    assert added.added_count == 2
    imported = await ask(
        lambda api: api.native.suppressions.import_csv(
            io.BytesIO(b"Mobile Number\n+14155550103\nnobody\n"), country_code="+1", remove_invalid_rows=True
        )
    )
    assert (imported.added_count, imported.failed_rows) == (1, 1)
    listed = await ask(lambda api: api.native.suppressions.list(page_size=2))
    assert [row.mobile_number[-1] for row in listed] == ["1", "2", "3"]
    path = tmp_path / "numbers.csv"
    await ask(lambda api: api.native.suppressions.export_csv(path))
    assert (await asyncio.to_thread(path.read_text)).count("asked to") == 2
    await ask(lambda api: api.native.suppressions.remove("+14155550101"))
    with pytest.raises(NotFound):
        await ask(lambda api: api.native.suppressions.remove("+14155550101"))


async def test_erasures(ask: Asker) -> None:
    ordered = await ask(lambda api: api.native.erasures.order(["+14155550101"], reason="they asked"))
    assert (ordered.state, ordered.suppressed_count, ordered.masked_numbers) == ("waiting", 1, ["+1415…01"])
    again = await ask(lambda api: api.native.erasures.order(["+14155550101"], suppress=False))
    assert (again.suppress, again.suppressed_count, again.termination_id) == (False, 0, None)
    listed = await ask(lambda api: api.native.erasures.list(page_size=1))
    assert [each.erasure_id for each in listed] == [again.erasure_id, ordered.erasure_id]
    assert await ask(lambda api: api.native.erasures.get(ordered.erasure_id)) == ordered


async def test_trunks_numbers_keys_handling_and_events(ask: Asker, tenant: Tenant) -> None:
    trunk = await ask(lambda api: api.native.trunks.add(name="T", driver="simulated", cps_max=1, channels_max=2))
    changed = await ask(lambda api: api.native.trunks.change(trunk.trunk_id, cps_max=2.5, is_enabled=False))
    assert (changed.cps_max, changed.is_enabled, changed.channels_max) == (2.5, False, 2)
    assert await ask(lambda api: api.native.trunks.get(trunk.trunk_id)) == changed
    assert len(await ask(lambda api: api.native.trunks.list())) == 2
    number = await ask(lambda api: api.native.numbers.add("+12025550123", trunk_id=trunk.trunk_id))
    assert len(await ask(lambda api: api.native.numbers.list())) == 2
    pool = await ask(lambda api: api.native.number_pools.add("Main", [number.number]))
    paced = await ask(lambda api: api.native.numbers.pace(number.number_id, 0.5))
    assert (paced.number_pool_id, paced.cps_max) == (pool.number_pool_id, 0.5)
    assert await ask(lambda api: api.native.number_pools.list()) == [pool]
    assert await ask(lambda api: api.native.number_pools.get(pool.number_pool_id)) == pool
    assert await ask(lambda api: api.native.number_pools.set_numbers(pool.number_pool_id, [number.number_id])) == pool
    await ask(lambda api: api.native.number_pools.remove(pool.number_pool_id))
    await ask(lambda api: api.native.numbers.remove(number.number_id))
    key = await ask(lambda api: api.native.api_keys.make("Second"))
    assert key.api_key.startswith(key.prefix)
    await ask(lambda api: api.native.api_keys.revoke(key.api_key_id))
    assert [found.revoked_at is None for found in await ask(lambda api: api.native.api_keys.list())].count(False) == 1
    agent_id = tenant.agent_id
    target = "wss://agent.example/media"
    set_to = await ask(lambda api: api.native.set_handling(agent_id, kind="media_url", target=target))
    assert await ask(lambda api: api.native.handling(agent_id)) == set_to
    events = await ask(lambda api: api.native.subscribe(["call_completed"], agent_id=agent_id))
    assert [(event.event_type, event.agent_id) for event in events] == [("call_completed", agent_id)]
    [hook] = await ask(
        lambda api: api.native.webhooks.set(event_type=["call_completed"], callback_url="https://example.com/hook")
    )
    assert hook.signing_secret
    assert await ask(lambda api: api.native.webhooks.redeliver(hook.subscription_id, 1, 2)) == 0
    assert len(await ask(lambda api: api.native.subscriptions())) == 2
    assert await ask(lambda api: api.native.is_ready()) is True


async def test_analytics(ask: Asker, tenant: Tenant) -> None:
    saved = await ask(lambda api: save(api, tenant))
    day = {"start_date": "2026-01-01", "end_date": "2026-01-31"}
    assert "performance_metrics" in await ask(lambda api: api.analytics.platform(**day, voicemail=False))
    assert "performance_metrics" in await ask(lambda api: api.analytics.drill_down(saved.list_id))
    assert "number_analytics" in await ask(lambda api: api.analytics.numbers(agent_id=tenant.agent_id))
    assert "duration_distribution" in await ask(lambda api: api.analytics.durations())
    assert "classification_analytics" in await ask(lambda api: api.analytics.classifications())


async def test_a_wrong_key_and_what_is_not_offered(kind: str, url: str, ask: Asker) -> None:
    with pytest.raises(NotOffered, match="voices"):
        await ask(lambda api: api.request("GET", "/ca/api/v0/agent/voices"))
    made = RingoffClient if kind == "blocking" else AsyncRingoffClient
    stranger = Asker(made(url, "no-key", retries=ONCE))
    with pytest.raises(Unauthorized, match="Invalid credentials"):
        await stranger(lambda api: save(api, Tenant(None, "", "", "", "", ""), io.BytesIO(b"x" * 1_000_000)))  # type: ignore[arg-type]
    await stranger.close()


async def test_any_route_by_its_path(ask: Asker, tenant: Tenant) -> None:
    answer = await ask(lambda api: api.request("GET", "/ca/api/v0/agent/all", query={"limit": 1}))
    assert json.loads(json.dumps(answer))["data"]["agents"][0]["id"] == tenant.agent_id
