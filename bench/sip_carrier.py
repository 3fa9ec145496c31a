"""sipp as the carrier under measurement, on a core of its own, and what the packets between it and a caller say."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.sipp import WHY_NOT, free_port, is_installed
from tests.support.sipp_scenario import carrier_scenario
from tests.wire import capture

_CALLS_MAX = 1_000_000
_UP_S = 10.0
_END_S = 60.0


def left_out() -> str | None:
    """Why nothing can be measured here, or None."""
    if not is_installed():
        return f"left out: {WHY_NOT}"
    if not capture.is_allowed():
        return f"left out: {capture.WHY_NOT}"
    if shutil.which("taskset") is None:
        return "left out: taskset is not installed (Debian: util-linux)"
    return None


def last_core() -> int:
    return max(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Carrier:
    """A running sipp: +1 is answered and waits for our BYE, +2 is answered and hangs up, +3 is busy."""

    port: int
    talk_s: float


@contextmanager
def running_carrier(
    run_dir: Path, *, talk_s: float, ring_s: float = 0.1, seconds_max: int = 600, route_port: int | None = None
) -> Iterator[Carrier]:
    """One sipp, pinned to the last core; gone afterwards. ``route_port``: where what follows an answer is to go."""
    run_dir.mkdir(parents=True, exist_ok=True)
    port = free_port()
    route = f"sip:127.0.0.1:{route_port};lr" if route_port else ""
    scenario = carrier_scenario(ring_ms=int(ring_s * 1_000), talk_ms=int(talk_s * 1_000), route=route)
    # Lower case: bare sippy, which is measured against the same carrier, cannot read the other.
    (run_dir / "carrier.xml").write_text(scenario.replace("transport=UDP", "transport=udp"), encoding="utf-8")
    command = [
        "taskset", "-c", str(last_core()), "sipp", "-sf", "carrier.xml", "-i", "127.0.0.1", "-p", str(port),
        "-m", str(_CALLS_MAX), "-timeout", f"{seconds_max}s", "-nostdin", "-buff_size", "4000000",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=run_dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        give_up_at = time.monotonic() + _UP_S
        while f":{port:04X}" not in Path("/proc/net/udp").read_text(encoding="utf-8"):
            if time.monotonic() > give_up_at or process.poll() is not None:
                raise RuntimeError("sipp did not start")
            time.sleep(0.05)
        yield Carrier(port, talk_s)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(_END_S)


@dataclass(frozen=True, slots=True)
class Wire:
    """What passed: when each called number was first invited (CLOCK_REALTIME, ns), and what had to be sent again."""

    invited_ns: dict[str, int]
    answered: int
    released: int
    """Calls with a BYE or CANCEL, whoever sent it."""
    last_release_ns: int
    repeated: int
    """Messages that were sent again, by whichever side."""
    lost: int
    """Packets that the capture itself missed."""

    @classmethod
    def read(cls, path: Path) -> "Wire":
        invited: dict[str, int] = {}
        answered, released, seen = set(), set(), set()
        repeated = lost = last_release_ns = 0
        with path.open(encoding="utf-8") as lines:
            for record in map(json.loads, lines):
                if "lost" in record:
                    lost += record["lost"]
                    continue
                first, *rest = record["head"].split("\r\n")
                headers = {name.strip().lower(): text.strip() for name, _, text in (h.partition(":") for h in rest)}
                call_id, sequence = headers.get("call-id", ""), headers.get("cseq", "")
                message = (record["is_to_carrier"], first, call_id, sequence, headers.get("via"))
                repeated += message in seen
                seen.add(message)
                if first.startswith("INVITE "):
                    invited.setdefault(first.split()[1].removeprefix("sip:").partition("@")[0], record["at_ns"])
                elif first.startswith("SIP/2.0 200") and sequence.endswith("INVITE"):
                    answered.add(call_id)
                elif first.startswith(("BYE ", "CANCEL ")):
                    released.add(call_id)
                    last_release_ns = record["at_ns"]
        return cls(invited, len(answered), len(released), last_release_ns, repeated, lost)

    def rate(self, skip_s: float) -> float:
        """Calls a second from ``skip_s`` after the first INVITE to the last one."""
        at = sorted(self.invited_ns.values())
        later = [moment for moment in at if moment >= at[0] + skip_s * 1e9]
        span_ns = later[-1] - later[0] if len(later) > 1 else 0
        return (len(later) - 1) / (span_ns / 1e9) if span_ns else 0.0
