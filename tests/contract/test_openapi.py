"""The document is valid, complete, and served at both addresses."""

import httpx2
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from ringoff.api.app import ApiLimits, create_app
from ringoff.api.carriers import PATH as CARRIER_PATH
from ringoff.store.postgres import PostgresStore
from tests.contract.conformance import DOCUMENT
from tests.support.virtual_clock import VirtualClock

DOCUMENT_PATHS = {"/openapi.json", "/api/v1/openapi.json"}
# Its format is Prometheus' own; and what carriers post is theirs.
UNDOCUMENTED_PATHS = DOCUMENT_PATHS | {"/metrics", CARRIER_PATH}


def test_the_document_is_valid() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_route_is_in_the_document(store: PostgresStore) -> None:
    app = create_app(store=store, clock=VirtualClock(), limits=ApiLimits())
    paths = {route.path for route in app.routes if isinstance(route, Route)}
    assert paths - UNDOCUMENTED_PATHS == set(DOCUMENT["paths"])


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))


def test_the_order_to_terminate_is_described_strictly() -> None:
    schema = DOCUMENT["components"]["schemas"]["TerminateRequest"]
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {"agent_id", "call_ids", "campaign_id", "mobile_numbers"}
    assert schema["properties"]["mobile_numbers"]["anyOf"][0]["maxItems"] == 100


async def test_the_document_is_served_to_everybody(client: httpx2.AsyncClient) -> None:
    for path in DOCUMENT_PATHS:
        assert (await client.get(path)).json() == DOCUMENT
