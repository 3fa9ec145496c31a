"""The processes of an installation on many hosts: one role each, started, killed and started again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ringoff.telephony.wire_log import WireLine
from tests.multihost.network import Host
from tests.support.processes import RINGOFF, BackgroundProcess


@dataclass(slots=True)
class Role:
    """One `ringoff` process on its host. ``ready`` begins the line that it says when it is."""

    name: str
    host: Host
    arguments: Sequence[str]
    ready: str
    settings: Mapping[str, str]
    directory: Path
    _process: BackgroundProcess | None = field(default=None, repr=False)
    _wire_offset: int = 0
    _wire_moments: list[int] = field(default_factory=list, repr=False)

    @property
    def process(self) -> BackgroundProcess:
        assert self._process is not None, f"{self.name} was not started"
        return self._process

    @property
    def wire_log_path(self) -> Path:
        """What this process sent to the carrier, and each that ran before it in its place."""
        return self.directory / f"{self.name}.wire.jsonl"

    def start(self) -> None:
        """Returns when it says that it is ready."""
        own = {"RINGOFF_SIMULATED_WIRE_LOG": str(self.wire_log_path)}
        log_path = self.directory / f"{self.name}.log"
        program = (*self.host.entering, str(RINGOFF))
        self._process = BackgroundProcess(self.arguments, {**self.settings, **own}, log_path, program)
        self._process.wait_for_line(self.ready)

    def remove(self) -> None:
        if self._process is not None:
            self._process.remove()

    def wire(self) -> Sequence[int]:
        """The CLOCK_MONOTONIC nanoseconds of everything that left so far, in the order of the file."""
        if self.wire_log_path.exists():
            with self.wire_log_path.open("rb") as file:
                file.seek(self._wire_offset)
                whole, _newline, _being_written = file.read().rpartition(b"\n")
            if whole:
                self._wire_offset += len(whole) + 1
                self._wire_moments += [_DECODER.decode(line).monotonic_ns for line in whole.splitlines()]
        return self._wire_moments

    def last_attempt(self) -> str | None:
        """The attempt that left last."""
        if not self.wire_log_path.exists():
            return None
        whole, _newline, _being_written = self.wire_log_path.read_bytes().rpartition(b"\n")
        lines = whole.splitlines()
        return str(_DECODER.decode(lines[-1]).attempt_id) if lines else None


_DECODER = msgspec.json.Decoder(WireLine)
