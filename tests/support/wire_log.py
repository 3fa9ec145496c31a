"""Reads the simulated carrier's wire log: the truth about what was dialled."""

from pathlib import Path

import msgspec

from ringoff.telephony.wire_log import WireLine


def read_wire_log(path: Path) -> list[WireLine]:
    """Every line, in the order of the file; none when there is no file yet."""
    if not path.exists():
        return []
    decoder = msgspec.json.Decoder(WireLine)
    return [decoder.decode(line) for line in path.read_bytes().splitlines()]
