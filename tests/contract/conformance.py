"""Every response of every contract test against the published document: status, headers, body."""

import re
from typing import Any

import httpx2
from jsonschema.validators import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from ringoff.api.app import operations
from ringoff.api.openapi import document

DOCUMENT = document(operations())
_REGISTRY: Registry[Any] = Registry().with_resource(
    "urn:openapi", Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
)
# Fixed paths first: "/agent/all" is not an agent's id.
_TEMPLATES = [
    (re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", path)), methods)
    for path, methods in sorted(DOCUMENT["paths"].items(), key=lambda entry: "{" in entry[0])
]


async def conforms(response: httpx2.Response) -> None:
    """An event hook of the client. Unknown routes and methods are not in the document."""
    await response.aread()
    assert response.headers["X-Request-Id"]
    operation = _operation(response.request)
    if operation is None:
        assert response.status_code in (404, 405) or response.request.url.path.endswith("openapi.json")
        return
    described = operation["responses"].get(str(response.status_code))
    assert described is not None, f"{response.request.url.path} answered an undocumented {response.status_code}"
    for name, header in described["headers"].items():
        assert name in response.headers or not header["required"]
    if "content" not in described:
        assert response.content == b""
        return
    media_type, _, _ = response.headers["content-type"].partition(";")
    assert media_type in described["content"]
    if media_type != "application/json":
        return
    schema = _absolute(described["content"]["application/json"]["schema"])
    Draft202012Validator(schema, registry=_REGISTRY).validate(response.json())


def _operation(request: httpx2.Request) -> dict[str, Any] | None:
    for pattern, methods in _TEMPLATES:
        if pattern.fullmatch(request.url.path):
            found: dict[str, Any] | None = methods.get(request.method.lower())
            return found
    return None


def _absolute(schema: dict[str, Any]) -> dict[str, Any]:
    return {"$ref": "urn:openapi" + schema["$ref"]} if "$ref" in schema else schema
