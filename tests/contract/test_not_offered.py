"""What has no meaning here says so, with what to do instead, whatever is asked; and only to whoever has a key."""

from typing import Any

import httpx2
import pytest

from tests.contract.tenants import COMPATIBLE, Tenant


@pytest.mark.parametrize(
    ("method", "path", "instead"),
    [
        ("POST", "/external/kb", "PATCH /agent/v1, edit_prompt"),
        ("PATCH", "/external/kb", "PATCH /agent/v1, edit_prompt"),
        ("GET", "/external/kb/all", "PATCH /agent/v1, edit_prompt"),
        ("GET", "/external/kb/all?limit=5", "PATCH /agent/v1, edit_prompt"),
        ("GET", "/external/kb/any", "PATCH /agent/v1, edit_prompt"),
        ("DELETE", "/external/kb/any", "PATCH /agent/v1, edit_prompt"),
        ("POST", "/payment/number/checkout", "POST /api/v1/numbers"),
        ("GET", "/agent/voices", "whoever makes the speech"),
        ("GET", "/agent/voices?language=en-US,hi-IN", "whoever makes the speech"),
    ],
)
async def test_it_is_not_implemented_and_says_what_to_do(
    client: httpx2.AsyncClient, tenant: Tenant, method: str, path: str, instead: str
) -> None:
    files: Any = {"file": ("a.pdf", b"%PDF", "application/pdf")} if method != "GET" else None
    answer = await client.request(method, COMPATIBLE + path, headers=tenant.headers, files=files)
    assert answer.status_code == 501
    body = answer.json()
    assert set(body) == ({"status", "message"} if "voices" in path else {"detail"})
    assert instead in (body["message"] if "voices" in path else body["detail"])
    assert (await client.request(method, COMPATIBLE + path)).status_code == 401
