"""Every test of the client runs once for each kind."""

import pytest


@pytest.fixture(params=["blocking", "event loop"])
def kind(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen
