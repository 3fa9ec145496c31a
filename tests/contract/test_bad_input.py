"""Every kind of bad input gets one clear error that names its place, and changes nothing."""

import json
from typing import Any
from uuid import uuid4

import httpx2

from tests.contract.tenants import (
    COMPATIBLE,
    CONTACTS,
    NATIVE,
    Tenant,
    call_body,
    call_individual,
    history,
    save,
    saved_campaign,
    start,
    terminate,
)

NO_ID = "not-an-id"


async def refuses(answer: httpx2.Response, text: str, status: int = 400) -> None:
    """The error is in the shape of its family (the client checks that) and says this."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    said = body["detail"] if "detail" in body else body["error"]["message"]
    assert text in said, f"{text!r} is not in {said!r}"


async def test_a_call(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    table: list[tuple[dict[str, Any], str, int]] = [
        ({"mobile_number": None}, "Missing required field: mobile_number", 400),
        ({"name": None}, "Missing required field: name", 400),
        ({"name": " "}, "name must have", 400),
        ({"agent_id": NO_ID}, f"agent_id: Invalid UUID, not '{NO_ID}'", 400),
        ({"agent_id": str(uuid4())}, "Agent not found", 404),
        ({"mobile_number": "4155550111"}, "mobile_number is not an E.164 phone number: '4155550111'", 400),
        ({"mobile_number": 14155550111}, "mobile_number: Expected `str`, got `int`", 400),
        ({"mobile_number": "+12025550100"}, "mobile_number +12025550100 is also from_number_id[0]", 400),
        (
            {"from_number_id": None},
            "Provide at least one of: number_pool_id, from_number_id, from_number",
            400,
        ),
        ({"from_number": "+12025550100"}, "Provide only one of: from_number_id, from_number", 400),
        ({"from_number_id": []}, "from_number_id must not be empty", 400),
        ({"from_number_id": NO_ID}, f"from_number_id[0] is not a UUID: '{NO_ID}'", 400),
        ({"from_number_id": str(uuid4())}, "from_number_id[0] is not a number of this workspace", 400),
        ({"from_number_id": [1]}, "from_number_id[0]: Expected `str`, got `int`", 400),
        ({"from_number_id": None, "from_number": "+1999"}, "from_number[0] is not an E.164", 400),
        ({"from_number_id": None, "from_number": "+14155550142"}, "from_number[0] is not a number of this", 400),
        (
            {"number_pool_id": str(uuid4())},
            "Provide only one of: number_pool_id, from_number_id, from_number",
            400,
        ),
        ({"from_number_id": None, "number_pool_id": str(uuid4())}, "Number pool not found.", 400),
        ({"from_number_id": None, "number_pool_id": NO_ID}, "Number pool not found.", 400),
        ({"from_number_id": None, "number_pool_id": 7}, "number_pool_id: Expected `str | null`, got `int`", 400),
        ({"voice_id": str(uuid4())}, "voice_id is not supported yet", 400),
        ({"smart_formatter": {"transliteration": True}}, "smart_formatter.transliteration is not supported", 400),
        (
            {"smart_formatter": {"extract_first_name": "yes"}},
            "smart_formatter.extract_first_name: Expected",
            400,
        ),
        ({"smart_formatter": {"shorten": True}}, "unknown field: smart_formatter.shorten", 400),
        ({"smart_formatter": True}, "smart_formatter: Expected `object", 400),
        ({"custom_args_values": {"callee_name": 7}}, "custom_args_values.callee_name must be a string", 400),
        ({"custom_args_values": {"a": "x\x00y"}}, "custom_args_values.a has a character that cannot be stored", 400),
        ({"custom_args_values": {"a": ["\ud800"]}}, "custom_args_values.a[0] has a character", 400),
        ({"custom_args_values": {"a": 10**30}}, "custom_args_values.a has a number out of range", 400),
        ({"call_config": {"call_time": {"timezone": "Mars/Olympus"}}}, "call_config.call_time.timezone", 400),
        (
            {"call_config": {"call_time": {"call_start_time": "09:00", "call_end_time": "09:00"}}},
            "the window never opens",
            400,
        ),
        ({"call_config": {"call_retry_config": {"retry_count": -1}}}, "call_retry_config.retry_count", 400),
        ({"unknown": 1}, "unknown field: unknown", 400),
    ]
    for changes, text, status in table:
        content = json.dumps(call_body(tenant, **changes))
        for path in ("/calling/outbound/individual", "/calling/v2/outbound/individual"):
            headers = tenant.headers | {"Content-Type": "application/json"}
            await refuses(await client.post(COMPATIBLE + path, headers=headers, content=content), text, status)
    assert (await history(client, tenant))["total"] == 0


async def test_harmless_extras_of_a_call_are_taken(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    answer = await call_individual(
        client,
        tenant,
        version_id="v7",
        call_category="reminder",
        parent_call_id=str(uuid4()),
        smart_formatter={"extract_first_name": False},
    )
    assert answer.status_code == 200


async def test_a_body(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    """The same for each route with a JSON body, whatever its envelope."""
    table: list[tuple[bytes, str, int]] = [
        (b"", "the body is not JSON", 400),
        (b"{", "line 1 column 2", 400),
        (b"[]", "Expected `object`, got `array`", 400),
        (b"null", "Expected `object`, got `null`", 400),
        (b'{"agent_id": NaN}', "NaN is no number in JSON", 400),
        (b'{"agent_id": "a", "agent_id": "b"}', "the field 'agent_id' is given twice", 400),
        (b'\xef\xbb\xbf{"agent_id": "a"}', "the body is not JSON", 400),
        (b'{"agent_id": "\xff"}', "the body is not UTF-8: byte 14", 400),
        (b"[" * 30_000 + b"]" * 30_000, "the body is nested too deeply", 400),
        (b"[" + b"9" * 5_000 + b"]", "number", 400),
        (b'{"a": "' + b"x" * 70_000 + b'"}', "larger than 65536 bytes", 413),
    ]
    routes = [
        ("PATCH", f"{COMPATIBLE}/campaign/terminate"),
        ("PATCH", f"{COMPATIBLE}/campaign/terminate/numbers"),
        ("POST", f"{COMPATIBLE}/calling/outbound/individual"),
        ("POST", f"{COMPATIBLE}/campaign/start"),
        ("POST", f"{COMPATIBLE}/public/agent"),
        ("PATCH", f"{COMPATIBLE}/public/agent/{tenant.agent_id}"),
        ("PATCH", f"{COMPATIBLE}/agent/v1"),
        ("POST", f"{COMPATIBLE}/calling/outbound/bulk"),
        ("PATCH", f"{COMPATIBLE}/calling/terminate"),
        ("POST", f"{NATIVE}/trunks"),
    ]
    headers = tenant.headers | {"Content-Type": "application/json"}
    for method, path in routes:
        for content, text, status in table:
            await refuses(await client.request(method, path, headers=headers, content=content), text, status)
        for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"):
            answer = await client.request(
                method, path, headers=tenant.headers | {"Content-Type": content_type}, content=b"{}"
            )
            await refuses(answer, "content type must be application/json", 415)
        answer = await client.request(method, path, headers=headers | {"Content-Encoding": "gzip"}, content=b"{}")
        await refuses(answer, "must not be compressed", 415)


async def test_a_query(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    table: list[tuple[str, str, int]] = [
        ("/calling/history?start_date=yesterday", "Invalid date format for start_date.", 400),
        ("/calling/history?end_date=2026-13-01", "Invalid date format for end_date.", 400),
        ("/calling/history?start_date=0001-01-01T00:00:00%2B14:00", "Invalid date format for start_date.", 400),
        ("/calling/history?limit=0", "limit: Expected `int` >= 1", 400),
        ("/calling/history?limit=1001", "limit: Expected `int` <= 1000, not '1001'", 400),
        ("/calling/history?limit=ten", "limit: Expected `int`", 400),
        ("/calling/history?offset=-1", "offset: Expected `int` >= 0", 400),
        ("/calling/history?status=dead", "status: Invalid enum value 'dead'", 400),
        (f"/calling/history?agent_id={NO_ID}", "agent_id: Invalid UUID", 400),
        (f"/calling/history?bulk_list_id={NO_ID}", "bulk_list_id: Invalid UUID", 400),
        ("/calling/history?stattus=retry", "unknown field: stattus", 400),
        ("/calling/history?limit=1&limit=2", "limit is given twice", 400),
        ("/calling/history?start_date=%00", "start_date has a character that cannot be stored", 400),
        ("/calling/call-details", "Missing required field: id", 400),
        (f"/calling/call-details?id={NO_ID}", "id: Invalid UUID", 400),
        (f"/calling/call-details?id={uuid4()}", "Call not found", 404),
        (f"/agent/{NO_ID}", f"agent_id: Invalid UUID, not '{NO_ID}'", 400),
        (f"/agent/{uuid4()}", "Agent not found", 404),
        ("/agent/all?limit=9999", "limit: Expected `int` <= 1000", 400),
        ("/agent/all?limit=0", "limit: Expected `int` >= 1", 400),
        ("/agent/all?limit=1&limit=1", "limit is given twice", 400),
        ("/agent/all?offset=-1", "offset: Expected `int` >= 0", 400),
        ("/agent/all?archived=true", "unknown field: archived", 400),
        (f"/agent/v1/{NO_ID}", f"agent_id: Invalid UUID, not '{NO_ID}'", 400),
        (f"/agent/v1/{uuid4()}", "Agent not found", 404),
        (f"/agent/{uuid4()}?version=2", "unknown field: version", 400),
        ("/workspace/all?role=owner", "unknown field: role", 400),
        ("/workspace/users?limit=1", "unknown field: limit", 400),
        ("/workspace/numbers?limit=1", "unknown field: limit", 400),
        ("/workspace/lists?limit=1001", "limit: Expected `int` <= 1000", 400),
        ("/workspace/lists?limit=none", "limit: Expected `int`", 400),
        ("/workspace/lists?offset=-1", "offset: Expected `int` >= 0", 400),
        ("/workspace/lists?offset=0&offset=0", "offset is given twice", 400),
        ("/workspace/lists?status=draft", "unknown field: status", 400),
        ("/calling/terminate?limit=1", "unknown field: limit", 400),
        ("/campaign/all?limit=1001", "limit: Expected `int` <= 1000", 400),
        ("/campaign/all?call_count=maybe", "call_count: Expected `bool`", 400),
        ("/workspace?verbose=1", "unknown field: verbose", 400),
    ]
    for path, text, status in table:
        await refuses(await client.get(COMPATIBLE + path, headers=tenant.headers), text, status)


async def test_a_callback(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    table: list[tuple[dict[str, Any], str, int]] = [
        ({"callback_url": "ftp://example.com"}, "callback_url must be an http or https URL", 400),
        ({"callback_url": "http://127.0.0.1/"}, "callback_url names a private", 400),
        ({"callback_args": {"params": {"a": "b"}}}, "callback_args needs callback_url", 400),
        ({"callback_args": {"query": {}}}, "callback_args", 400),
        (
            {"callback_url": "https://a.example", "callback_args": {"headers": {"Host": "x"}}},
            "callback_args.headers[0]: this name",
            400,
        ),
        (
            {"callback_url": "https://a.example", "callback_args": {"params": {f"p{n}": n for n in range(33)}}},
            "callback_args.params must be at most 32",
            400,
        ),
        (
            {"callback_url": "https://a.example", "callback_args": {"params": {"a": "b" * 2_048}}},
            "callback_url must have 1 to 2048",
            400,
        ),
    ]
    for changes, text, status in table:
        await refuses(await call_individual(client, tenant, **changes), text, status)
    assert (await history(client, tenant))["total"] == 0


async def test_a_start(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    list_id = await saved_campaign(client, tenant, CONTACTS + "+12025550100,Us,Ours\n")
    table: list[tuple[dict[str, Any], str, int]] = [
        ({"agent_id": str(uuid4())}, "Invalid agent_id.", 400),
        ({"agent_id": NO_ID}, "agent_id: Invalid UUID", 400),
        ({"list_id": str(uuid4())}, "Campaign not found", 404),
        ({"list_id": NO_ID}, "list_id: Invalid UUID", 400),
        ({"from_numbers": None}, "Missing required field: from_numbers", 400),
        ({"from_numbers": []}, "from_numbers must not be empty", 400),
        ({"from_numbers": "+12025550100"}, "from_numbers: Expected `array", 400),
        ({"from_numbers": ["+12025550100", "+14155550142"]}, "from_numbers[1] is not a number of this", 400),
        ({"from_numbers": ["+12025550100"]}, "+12025550100, which the campaign calls (line 5 of the upload)", 400),
        ({"callback_url": "http://10.0.0.1/"}, "callback_url names a private", 400),
        ({"when": "now"}, "unknown field: when", 400),
    ]
    for changes, text, status in table:
        await refuses(await start(client, tenant, list_id, **changes), text, status)
    body = {"number": "+12025550142", "trunk_id": await add_trunk(client, tenant)}
    assert (await client.post(f"{NATIVE}/numbers", headers=tenant.headers, json=body)).status_code == 201
    await refuses(
        await start(client, tenant, list_id, from_numbers=["+12025550100", "+12025550142"]), "is on another trunk"
    )
    page = (await client.get(f"{COMPATIBLE}/campaign/all", headers=tenant.headers)).json()
    assert [campaign["campaign_status"] for campaign in page["campaigns"]] == ["draft"]


async def test_an_upload(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    window = {"call_start_time": "09:00", "call_end_time": "10:00", "timezone": "UTC"}
    table: list[tuple[dict[str, Any], str | bytes, str]] = [
        *[
            ({name: None}, CONTACTS, f"Missing required field: {name}")
            for name in (
                "agent_id",
                "campaign_name",
                "country_code",
                "variables_map",
                "call_config",
                "campaign_start_time",
                "campaign_end_time",
            )
        ],
        ({"agent_id": NO_ID}, CONTACTS, "agent_id: Invalid UUID"),
        ({"agent_id": str(uuid4())}, CONTACTS, "Invalid agent_id."),
        ({"campaign_name": " "}, CONTACTS, "campaign_name must have"),
        ({"country_code": "+999999"}, CONTACTS, "country_code"),
        ({"variables_map": "{"}, CONTACTS, "variables_map is not JSON"),
        ({"variables_map": "[]"}, CONTACTS, "variables_map: Expected `object`"),
        ({"variables_map": '{"a": 1}'}, CONTACTS, "variables_map"),
        ({"variables_map": '{"a": "Absent"}'}, CONTACTS, "Absent"),
        ({"call_config": "7"}, CONTACTS, "call_config must be an object"),
        ({"call_config": '{"call_time": {"timezone": "Asia/Nowhere"}}'}, CONTACTS, "call_config.call_time.timezone"),
        ({"campaign_start_time": "tomorrow"}, CONTACTS, "campaign_start_time must be"),
        ({"campaign_end_time": "04/01/2026, 10:00"}, CONTACTS, "campaign_end_time must be after the start"),
        (
            {"campaign_start_time": "01/01/2025, 10:00", "campaign_end_time": "02/01/2025, 10:00"},
            CONTACTS,
            "campaign_end_time must be in the future",
        ),
        (
            {"call_config": json.dumps({"call_time": window}), "campaign_end_time": "05/01/2026, 23:00"},
            CONTACTS,
            "never opens between",
        ),
        ({"remove_invalid_rows": "perhaps"}, CONTACTS, "remove_invalid_rows: Expected `bool`"),
        ({"transliterate_callee_name": "true"}, CONTACTS, "transliterate_callee_name is not supported yet"),
        ({"surprise": "1"}, CONTACTS, "unknown field: surprise"),
        ({"campaign_name": "x" * 9_000}, CONTACTS, "Part exceeded maximum size"),
        ({}, "", "Invalid file format."),
        ({}, "Name,Company\nAda,Acme\n", "Mobile Number"),
        ({}, CONTACTS + "nobody,Nob,Ody\n", "line 5"),
        ({}, CONTACTS + "+14155550101,Ada,Acme\n", "line 5"),
        ({"remove_invalid_rows": "true"}, "Mobile Number,Name,Company\nx,y,z\n", "No valid rows"),
    ]
    for changes, csv, text in table:
        await refuses(await save(client, tenant, csv, **changes), text)
    assert (await history(client, tenant))["total"] == 0
    page = (await client.get(f"{COMPATIBLE}/campaign/all", headers=tenant.headers)).json()
    assert page["pagination"]["total"] == 0


async def test_a_form(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    path = f"{COMPATIBLE}/campaign/save"
    file = ("a.csv", b"x", "text/csv")
    await refuses(
        await client.post(path, headers=tenant.headers, files={"other": file}), "other must be text, not a file"
    )
    await refuses(await client.post(path, headers=tenant.headers, files=[("file", file), ("file", file)]), "many files")
    await refuses(await client.post(path, headers=tenant.headers, files={"file": (None, b"x")}), "file must be a file")
    await refuses(await client.post(path, headers=tenant.headers, files={"name": (None, b"x")}), "field: file")
    await refuses(await client.post(path, headers=tenant.headers, json={}), "must be multipart/form-data", 415)
    broken = tenant.headers | {"Content-Type": "multipart/form-data; boundary=x"}
    await refuses(await client.post(path, headers=broken, content=b"nothing of a form"), "multipart")
    await refuses(await client.post(path, headers=tenant.headers | {"Content-Type": "multipart/form-data"}), "boundary")
    await refuses(await save(client, tenant, b"x" * 300_000), "larger than 262144 bytes", 413)


async def test_native_bodies(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    trunk = {"name": "T", "driver": "simulated", "cps_max": 1, "channels_max": 1}
    table: list[tuple[str, str, Any, str, int]] = [
        ("POST", "/trunks", trunk | {"driver": "pigeon"}, "driver 'pigeon' is not installed", 400),
        ("POST", "/trunks", trunk | {"cps_max": 0}, "cps_max must be from 0.01", 400),
        ("POST", "/trunks", trunk | {"channels_max": 0}, "channels_max must be from 1", 400),
        ("POST", "/trunks", trunk | {"channels_max": "9"}, "channels_max: Expected `int`, got `str`", 400),
        ("POST", "/trunks", trunk | {"name": ""}, "name must have", 400),
        ("PATCH", f"/trunks/{tenant.trunk_id}", {}, "at least one of name, cps_max", 400),
        ("PATCH", f"/trunks/{NO_ID}", {"cps_max": 1}, "trunk_id: Invalid UUID", 400),
        ("PATCH", f"/trunks/{uuid4()}", {"cps_max": 1}, "Trunk not found", 404),
        ("POST", "/numbers", {"number": "0123"}, "number is not an E.164 phone number", 400),
        ("POST", "/numbers", {"number": tenant.number}, "is in this workspace already", 409),
        ("POST", "/numbers", {"number": "+12025550143", "trunk_id": str(uuid4())}, "Trunk not found", 404),
        ("DELETE", f"/numbers/{uuid4()}", None, "Number not found", 404),
        ("POST", "/api-keys", {"name": ""}, "name must have", 400),
        ("DELETE", f"/api-keys/{uuid4()}", None, "API key not found", 404),
    ]
    for method, path, body, text, status in table:
        answer = await client.request(method, NATIVE + path, headers=tenant.headers, json=body)
        await refuses(answer, text, status)
    answer = await client.post(f"{NATIVE}/trunks", headers=tenant.headers, json=trunk | {"cps_max": -1})
    assert answer.json()["error"] == {
        "code": "invalid_parameter",
        "message": "cps_max must be from 0.01 to 10000, not -1.0",
        "field": "cps_max",
        "position": None,
    }


async def test_an_order_to_terminate(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    nothing = "Either 'agent_id', 'call_ids', 'campaign_id', or 'mobile_numbers' must be provided."
    numbers = ["+14155550101"]
    call_ids = [str(uuid4())]
    table: list[tuple[str, Any, str]] = [
        ("", {}, nothing),
        ("", {"agent_id": None, "call_ids": None}, nothing),
        ("", {"call_ids": [], "mobile_numbers": []}, nothing),
        ("", {"call_ids": [], "agent_id": tenant.agent_id}, "call_ids must not be empty"),
        ("", {"mobile_numbers": numbers * 101}, "mobile_numbers takes at most 100 entries, not 101"),
        ("", {"call_ids": call_ids * 101}, "call_ids takes at most 100 entries, not 101"),
        ("", {"mobile_numbers": [*numbers, "4155550101"]}, "mobile_numbers[1] is not an E.164 phone number"),
        ("", {"call_ids": [*call_ids, NO_ID]}, f"call_ids[1] is not a UUID: '{NO_ID}'"),
        ("", {"campaign_id": NO_ID}, f"campaign_id is not a UUID: '{NO_ID}'"),
        ("", {"agent_ids": tenant.agent_id}, "agent_ids"),
        ("", {"agent_id": tenant.agent_id, "reason": "no"}, "reason"),
        ("", {"campaign_id": str(uuid4())}, "No terminable calls found for the specified parameters"),
        ("?terminate_all_calls=true", {"agent_id": tenant.agent_id}, "terminate_all_calls is accepted with"),
        ("?terminate_all_calls=maybe", {"mobile_numbers": numbers}, "terminate_all_calls: Expected `bool`"),
        ("?dry_run=true", {"mobile_numbers": numbers}, "unknown field: dry_run"),
        ("/agent", {"mobile_numbers": numbers}, "agent_id is required here"),
        ("/agent", {"agent_id": tenant.agent_id, "mobile_numbers": numbers}, "mobile_numbers is not accepted here"),
        ("/calls", {"agent_id": tenant.agent_id}, "call_ids is required here"),
        ("/campaign", {"agent_id": tenant.agent_id}, "campaign_id is required here"),
        ("/campaign-numbers", {"mobile_numbers": numbers}, "campaign_id is required here"),
        ("/numbers", {"agent_id": tenant.agent_id}, "mobile_numbers is required here"),
    ]
    await saved_campaign(client, tenant)
    for path, body, text in table:
        await refuses(await terminate(client, tenant, body, path), text)
    assert (await history(client, tenant, status="registered"))["total"] == 3


async def add_trunk(client: httpx2.AsyncClient, tenant: Tenant) -> str:
    body = {"name": "Second", "driver": "simulated", "cps_max": 1, "channels_max": 1}
    answer = await client.post(f"{NATIVE}/trunks", headers=tenant.headers, json=body)
    trunk_id: str = answer.json()["trunk_id"]
    return trunk_id
