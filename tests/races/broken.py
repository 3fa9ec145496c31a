"""Builds of the product that lack one part, to show that a test which should fail without it does."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest

# Each keeps the number of its parameters, so that nothing but the missing part is different.
NO_PERMIT_LOCK = "SELECT $1::uuid, $2::uuid, $3::uuid"
NO_ORDER_LOCK = "SELECT $1::text, $2::uuid, $3::uuid"


def build_without(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, statement: str, instead_of: str | None = None
) -> None:
    """Replace one statement, or one part of it, in the running product."""
    shipped: Mapping[str, str] = vars(module)["_SQL"]
    if instead_of is not None:
        assert instead_of in shipped[name], f"{name} has changed: say anew what to leave out of it"
        statement = shipped[name].replace(instead_of, statement)
    monkeypatch.setattr(module, "_SQL", MappingProxyType({**shipped, name: statement}))
