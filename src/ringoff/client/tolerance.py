"""Answers into typed values, forgiving: unknown keys, missing optional ones, and null where a default will do."""

from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

T = TypeVar("T")


def read_as(value: Any, kind: type[T]) -> T:
    """``value`` as ``kind``; ``msgspec.ValidationError`` when what is required is not there."""
    # Not strict: "3" is a number for whoever writes numbers as texts.
    return msgspec.convert(_without_nulls(value, kind), kind, strict=False)


def _without_nulls(value: Any, kind: Any) -> Any:
    """Null for a field that has a default is the same as no field, as far down as structures are described."""
    if isinstance(value, list):
        arguments = get_args(kind) if get_origin(kind) is list else ()
        return [_without_nulls(entry, arguments[0]) for entry in value] if arguments else value
    if not isinstance(value, dict):
        return value
    if get_origin(kind) is dict:
        return value
    hints = _fields_of(_struct_in(kind))
    return {
        name: _without_nulls(entry, hints[name][0]) if name in hints else entry
        for name, entry in value.items()
        if entry is not None or name not in hints or hints[name][1]
    }


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    candidates = get_args(kind) if get_origin(kind) in (Union, type(int | str)) else (kind,)
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    return None


@cache
def _fields_of(kind: type[msgspec.Struct] | None) -> dict[str, tuple[Any, bool]]:
    """Encoded name to its type, and whether it is required."""
    if kind is None:
        return {}
    hints = get_type_hints(kind)
    return {field.encode_name: (hints[field.name], field.required) for field in msgspec.structs.fields(kind)}
