"""Each parameter and each field of each route, wrong in every way that its published schema names: refused by its name.

The good request of a route is that of the table of attacks; here it is the owner's own. The client checks the envelope.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from ringoff.api.app import operations
from ringoff.api.openapi import document
from tests.contract.tenants import NATIVE, Tenant, registered_call, saved_campaign, uploaded_list
from tests.contract.test_isolation import attacks, everything_of, our_pool

pytestmark = pytest.mark.anyio

Schema = Mapping[str, Any]
DOCUMENT = document(operations())
NO_SUCH = "no-such-value"
_EXAMPLES: Mapping[str, Any] = {"string": 7, "integer": NO_SUCH, "number": NO_SUCH, "boolean": NO_SUCH}
_REFUSALS = (400, 422)


@dataclass(frozen=True, slots=True)
class Case:
    """One request with one thing wrong, and the name that the refusal has to say."""

    method: str
    path: str
    request: Mapping[str, Any]
    name: str
    wrong: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}: {self.name} {self.wrong}"


def resolved(schema: Schema) -> Schema:
    reference = schema.get("$ref")
    return schema if reference is None else DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]


def choices(schema: Schema) -> list[Schema]:
    """What a value may be, one simple schema each."""
    schema = resolved(schema)
    return [resolved(choice) for choice in schema.get("anyOf", [schema])]


def wrong_values(schema: Schema) -> Iterator[tuple[str, Any]]:
    """JSON values that the schema forbids."""
    kinds = choices(schema)
    types = {kind.get("type", "enum" if "enum" in kind else None) for kind in kinds}
    if None in types:
        return  # Anything goes.
    if "enum" not in types and "null" not in types:
        yield "is null", None
    for name, value in (("string", NO_SUCH), ("integer", 7), ("array", [[[7]]]), ("object", {NO_SUCH: 7})):
        numbers = {"integer", "number"} if name == "integer" else {name}
        if not types & numbers and not (name in ("string", "integer") and "enum" in types):
            yield f"is of type {name}", value
    for kind in kinds:
        yield from limits(kind)
        if len(kinds) == 1 and ("enum" in kind or kind.get("format") == "uuid"):
            yield "is no such value", NO_SUCH


def limits(kind: Schema) -> Iterator[tuple[str, Any]]:
    if "minimum" in kind:
        yield "is too small", kind["minimum"] - 1
    if "exclusiveMinimum" in kind:
        yield "is too small", kind["exclusiveMinimum"]
    if "maximum" in kind:
        yield "is too large", kind["maximum"] + 1
    if "maxLength" in kind:
        yield "is too long", "x" * (kind["maxLength"] + 1)


def body_cases(method: str, path: str, request: Mapping[str, Any], schema: Schema) -> Iterator[Case]:
    body = request["json"]
    for name, field in schema["properties"].items():
        for wrong, value in wrong_values(field):
            yield Case(method, path, {**request, "json": body | {name: value}}, name, wrong)
        if name in schema.get("required", []):
            rest = {key: value for key, value in body.items() if key != name}
            yield Case(method, path, {**request, "json": rest}, name, "is missing")
    if schema.get("additionalProperties") is False:
        yield Case(method, path, {**request, "json": body | {NO_SUCH: 1}}, NO_SUCH, "is unknown")


def form_cases(method: str, path: str, request: Mapping[str, Any], schema: Schema) -> Iterator[Case]:
    fields = request["data"]
    # Without a file httpx would send another type of body.
    parts = {name: (None, text) for name, text in fields.items()} | request["files"]
    for name in schema["required"]:
        rest = {key: part for key, part in parts.items() if key != name}
        yield Case(method, path, {"files": rest}, name, "is missing")
    for name, field in schema["properties"].items():
        kind = resolved(field)
        if kind.get("type") == "boolean" or kind.get("format") == "uuid":
            yield Case(method, path, {**request, "data": fields | {name: NO_SUCH}}, name, "is no such value")
    yield Case(method, path, {**request, "data": fields | {NO_SUCH: "1"}}, NO_SUCH, "is unknown")


def query_cases(method: str, path: str, request: Mapping[str, Any], parameters: list[Schema]) -> Iterator[Case]:
    query = dict(request.get("params", {}))
    for parameter in parameters:
        name, kinds = parameter["name"], choices(parameter["schema"])
        if all(kind.get("type") != "array" for kind in kinds):
            twice = [query.get(name, "1"), query.get(name, "1")]
            yield Case(method, path, {**request, "params": query | {name: twice}}, name, "is given twice")
        plain = [kind for kind in kinds if kind.get("type") != "null"]
        if all("enum" in kind or "format" in kind or kind.get("type") in ("integer", "boolean") for kind in plain):
            yield Case(method, path, {**request, "params": query | {name: NO_SUCH}}, name, "is no such value")
        for kind in plain:
            for wrong, value in limits(kind):
                yield Case(method, path, {**request, "params": query | {name: value}}, name, wrong)
        if parameter.get("required"):
            rest = {key: value for key, value in query.items() if key != name}
            yield Case(method, path, {**request, "params": rest}, name, "is missing")
    yield Case(method, path, {**request, "params": query | {NO_SUCH: "1"}}, NO_SUCH, "is unknown")


def cases(table: Mapping[tuple[str, str], tuple[dict[str, Any], int]]) -> Iterator[Case]:
    for (method, path), (request, status) in table.items():
        operation = DOCUMENT["paths"][path][method.lower()]
        if status == 501:
            continue  # What is not offered reads nothing of its request.
        parameters = [known for known in operation.get("parameters", []) if known["in"] == "query"]
        yield from query_cases(method, path, request, parameters)
        for content_type, content in operation.get("requestBody", {}).get("content", {}).items():
            schema = resolved(content["schema"])
            if content_type == "application/json" and "properties" in schema and "json" in request:
                yield from body_cases(method, path, request, schema)
            elif content_type == "multipart/form-data" and "data" in request:
                yield from form_cases(method, path, request, schema)


async def test_each_is_refused_by_its_name_and_changes_nothing(client: httpx2.AsyncClient, tenant: Tenant) -> None:
    list_id, large_id = await saved_campaign(client, tenant), await uploaded_list(client, tenant)
    call_id, number_pool_id = await registered_call(client, tenant), await our_pool(client, tenant)
    keys = (await client.get(f"{NATIVE}/api-keys", headers=tenant.headers)).json()["api_keys"]
    before = await everything_of(client, tenant)
    key_id = keys[0]["api_key_id"]
    ids = {"agent_id": tenant.agent_id, "trunk_id": tenant.trunk_id, "number_id": tenant.number_id, "kb_id": list_id}
    ids |= {"list_id": list_id, "campaign_id": list_id, "bulk_list_id": large_id, "termination_id": call_id}
    ids |= {"erasure_id": call_id}
    ids |= {"number_pool_id": number_pool_id, "api_key_id": key_id, "mobile_number": "+14155550123", "call_id": call_id}
    checked, wrong = 0, []
    for case in cases(attacks(tenant, tenant, list_id, call_id, key_id)):
        answer = await client.request(case.method, case.path.format(**ids), headers=tenant.headers, **case.request)
        if answer.status_code not in _REFUSALS or case.name not in answer.text:
            wrong.append(f"{case}: {answer.status_code} {answer.text[:300]}")
        checked += 1
    assert wrong == []
    assert checked > 500, "few parameters were found"
    assert await everything_of(client, tenant) == before
