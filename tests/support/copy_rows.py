"""Decodes PostgreSQL binary COPY bytes of the contact table, without a database."""

from dataclasses import dataclass
from struct import unpack_from
from typing import Any
from uuid import UUID

import msgspec

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)


@dataclass(frozen=True, slots=True)
class CopiedContact:
    workspace_id: UUID
    campaign_id: UUID
    called_number: str
    callee_name: str
    custom_args: dict[str, Any]
    line_no: int


@dataclass(frozen=True, slots=True)
class CopyStream:
    rows: list[CopiedContact]
    has_trailer: bool


def decode_copy(stream: bytes) -> CopyStream:
    """Every whole row; fails on anything that PostgreSQL would not take, except that a missing trailer is told."""
    if not stream:
        return CopyStream([], False)
    assert stream.startswith(_HEADER), "no COPY signature"
    offset = len(_HEADER)
    rows: list[CopiedContact] = []
    while offset < len(stream):
        (field_count,) = unpack_from("!h", stream, offset)
        offset += 2
        if field_count == -1:
            assert offset == len(stream), "bytes after the trailer"
            return CopyStream(rows, True)
        assert field_count == 6
        fields: list[bytes] = []
        for _ in range(field_count):
            (length,) = unpack_from("!i", stream, offset)
            fields.append(stream[offset + 4 : offset + 4 + length])
            assert len(fields[-1]) == length, "a field is cut short"
            offset += 4 + length
        rows.append(_contact(fields))
    return CopyStream(rows, False)


def _contact(fields: list[bytes]) -> CopiedContact:
    workspace_id, campaign_id, called_number, callee_name, custom_args, line_no = fields
    assert custom_args[:1] == b"\x01", "jsonb starts with its version"
    assert len(line_no) == 4
    return CopiedContact(
        UUID(bytes=workspace_id),
        UUID(bytes=campaign_id),
        called_number.decode(),
        callee_name.decode(),
        msgspec.json.decode(custom_args[1:]),
        unpack_from("!i", line_no)[0],
    )
