"""Routes that have nothing to do with calling are not offered, and say so in the envelope of their family."""

import pytest

from tests.contract.facts.caller import NOBODY, Caller
from tests.contract.facts.shapes import Keys, text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/external/kb"),
        ("PATCH", "/external/kb"),
        ("GET", "/external/kb/all"),
        ("GET", f"/external/kb/{NOBODY}"),
        ("DELETE", f"/external/kb/{NOBODY}"),
        ("POST", "/payment/number/checkout"),
    ],
)
def test_it_is_not_offered(caller: Caller, strangers: list[Caller], method: str, path: str) -> None:
    caller.expect(caller.ask(method, path, 501), Keys({"detail": text}))
    for stranger in strangers:
        assert stranger.ask(method, path, 401) == {"detail": "Invalid credentials"}


def test_voices_are_not_offered(caller: Caller, strangers: list[Caller]) -> None:
    shape = Keys({"status": "error", "message": text})
    caller.expect(caller.get("/agent/voices", 501, language="en-US,hi-IN"), shape)
    for stranger in strangers:
        caller.expect(stranger.get("/agent/voices", 401), shape)
