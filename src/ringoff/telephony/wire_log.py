"""The append-only record of what the simulated carrier was asked to ring: one JSON object a line, one write each."""

import os
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec


class WireLine(msgspec.Struct, frozen=True):
    """One originate, as it left. ``monotonic_ns`` is CLOCK_MONOTONIC, comparable between processes of one machine."""

    monotonic_ns: int
    wall: datetime
    called_number: str
    calling_number: str
    call_id: UUID
    attempt_id: UUID


class WireLog:
    """An open wire log. Several processes may append to one file: each line is a single O_APPEND write."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        self._encode = msgspec.json.Encoder().encode

    def append(self, line: WireLine) -> bool:
        """Write the line; False when only a part of it could be written. Raises OSError when nothing was."""
        encoded = self._encode(line) + b"\n"
        return os.write(self._descriptor, encoded) == len(encoded)

    def close(self) -> None:
        os.close(self._descriptor)
