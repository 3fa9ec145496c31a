"""Shapes of documented answers, and a check that says where an answer is another one.

A documented key must be there with its type. What is not documented must be named as ``beside``: a key that turns up by
accident is found too.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Check = Callable[[Any], bool]
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_E164 = re.compile(r"\+[1-9][0-9]{5,14}")


@dataclass(frozen=True)
class Maybe:
    """Null, or the shape."""

    shape: Any


@dataclass(frozen=True)
class ListOf:
    shape: Any
    least: int = 0


@dataclass(frozen=True)
class Keys:
    """An object with these keys."""

    documented: Mapping[str, Any]
    beside: frozenset[str] = field(default_factory=frozenset)


def one_of(*values: str) -> Check:
    def is_one(value: Any) -> bool:
        return value in values

    is_one.__name__ = f"one of {values}"
    return is_one


def text(value: Any) -> bool:
    return isinstance(value, str)


def identifier(value: Any) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def e164(value: Any) -> bool:
    return isinstance(value, str) and _E164.fullmatch(value) is not None


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def boolean(value: Any) -> bool:
    return isinstance(value, bool)


def anything(_value: Any) -> bool:
    return True


def an_object(value: Any) -> bool:
    return isinstance(value, dict)


def instant(value: Any) -> bool:
    """ISO 8601 with ``+00:00``."""
    return isinstance(value, str) and value.endswith("+00:00") and datetime.fromisoformat(value).tzinfo is not None


def naive_instant(value: Any) -> bool:
    """ISO 8601 without a zone."""
    return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is None


def zulu_instant(value: Any) -> bool:
    """ISO 8601 with ``Z``, as events have it."""
    return isinstance(value, str) and value.endswith("Z") and datetime.fromisoformat(value).tzinfo is not None


def nothing(value: Any) -> bool:
    return value is None


def day(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) is not None


def check(value: Any, shape: Any, at: str = "$") -> None:
    """An assertion that names the place."""
    match shape:
        case Maybe(inner):
            if value is not None:
                check(value, inner, at)
        case ListOf(inner, least):
            assert isinstance(value, list), f"{at} is no array: {value!r}"
            assert len(value) >= least, f"{at} has {len(value)} entries"
            for position, entry in enumerate(value):
                check(entry, inner, f"{at}[{position}]")
        case Keys(documented, beside):
            assert isinstance(value, dict), f"{at} is no object: {value!r}"
            missing = documented.keys() - value.keys()
            assert not missing, f"{at} lacks {sorted(missing)}"
            unknown = value.keys() - documented.keys() - beside
            assert not unknown, f"{at} has {sorted(unknown)}, which no document names"
            for name, inner in documented.items():
                check(value[name], inner, f"{at}.{name}")
        case str():
            assert value == shape, f"{at} is {value!r}, not {shape!r}"
        case _:
            assert shape(value), f"{at} is not {shape.__name__}: {value!r}"
