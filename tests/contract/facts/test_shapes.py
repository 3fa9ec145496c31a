"""The check of shapes finds what is missing, what is new and what is of another type."""

from typing import Any

import pytest

from tests.contract.facts.shapes import Keys, ListOf, Maybe, check, instant, naive_instant, number, one_of, text, whole

SHAPE = Keys({"name": text, "rows": ListOf(Keys({"count": whole}), least=1), "at": Maybe(instant)}, frozenset({"ours"}))
GOOD: dict[str, Any] = {"name": "n", "rows": [{"count": 1}], "at": "2026-01-05T12:00:00+00:00"}


@pytest.mark.parametrize("good", [GOOD, GOOD | {"at": None}, GOOD | {"ours": 1}])
def test_a_good_answer_passes(good: dict[str, Any]) -> None:
    check(good, SHAPE)


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        ({"name": "n"}, r"\$ lacks \['at', 'rows'\]"),
        (GOOD | {"new": 1}, r"\$ has \['new'\]"),
        (GOOD | {"name": 1}, r"\$\.name is not text"),
        (GOOD | {"rows": []}, r"\$\.rows has 0 entries"),
        (GOOD | {"rows": [{"count": True}]}, r"\$\.rows\[0\]\.count is not whole"),
        (GOOD | {"at": "2026-01-05T12:00:00"}, r"\$\.at is not instant"),
        ([], r"\$ is no object"),
    ],
)
def test_another_answer_fails_with_its_place(bad: Any, place: str) -> None:
    with pytest.raises(AssertionError, match=place):
        check(bad, SHAPE)


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("x", "y"),
        (True, number),
        ("c", one_of("a", "b")),
        ("2026-01-05T12:00:00+00:00", naive_instant),
        ({}, ListOf(text)),
    ],
)
def test_each_kind_can_fail(value: Any, shape: Any) -> None:
    with pytest.raises(AssertionError):
        check(value, shape)
