"""What the capacity model multiplies with: each figure with its unit and where it was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ringoff.settings import default_of


@dataclass(frozen=True, slots=True)
class Figure:
    """One constant."""

    name: str
    value: float
    unit: str
    source: str


_SIZES: Final = "`bench footprint`, 100,000 calls, 196,014 attempts, partitioned, 2026-11-26, on a busy machine"
_FOOTPRINT: Final = "`bench footprint`, 300,000 calls, 588,569 attempts, not partitioned, 2026-11-26, on a busy machine"
_DIALS: Final = "docs/benchmarks.md, `dials`, two cores"
# Two connections for keys, one that listens, one that looks at the schema and ends.
_OTHER_SESSIONS: Final = 4

BYTES_CONTACT: Final = Figure("a contact, with its indexes", 227, "bytes", _SIZES)
BYTES_CALL: Final = Figure("a call, with its indexes", 695, "bytes", _SIZES)
BYTES_ATTEMPT: Final = Figure("an attempt, with its indexes", 448, "bytes", _SIZES)
BYTES_EVENT: Final = Figure("an event, with its indexes", 438, "bytes", _SIZES)
WAL_REGISTERED: Final = Figure("log of a registered call and its contact", 1_016, "bytes", _FOOTPRINT)
WAL_ATTEMPT: Final = Figure("log of an attempt, from its claim to its event", 5_127, "bytes", _FOOTPRINT)
WRITES_ATTEMPT: Final = Figure("pages written by an attempt", 0.27, "of 8 kB", _FOOTPRINT)
SYNCS_PER_DIAL_MOST: Final = Figure(
    "syncs of the log by an attempt, at most", 3, "", f"claim, permit, settle; {_FOOTPRINT}: 0.07 at full speed"
)
POSTGRES_US: Final = Figure("processor time of PostgreSQL for an attempt", 159, "us", _DIALS)
DIALLER_US: Final = Figure("processor time of the dispatcher, without a carrier", 111, "us", _DIALS)
UTILISATION: Final = Figure("share of a core that is planned with", 0.65, "", f"fitted to {_DIALS}")
SIP_CPS: Final = Figure("clean SIP calls/s of one dispatcher, one core", 302, "", "docs/benchmarks.md, `sip`")
SIP_US: Final = Figure("processor time of a SIP call, PostgreSQL's with it", 3_300, "us", "docs/benchmarks.md, `sip`")
LIVE_BYTES: Final = Figure("memory of a live SIP call", 17_616, "bytes", "docs/benchmarks.md, `sip`, 2,000 up at once")
DELIVERIES_PER_S: Final = Figure(
    "deliveries/s of one process to a quick subscriber", 1_178, "", "docs/benchmarks.md, `webhooks`"
)
CONNECTIONS: Final = Figure(
    "sessions of one process, at most",
    default_of("pool_max") + default_of("order_pool_max") + default_of("dispatch_pool_max") + _OTHER_SESSIONS,
    "",
    "the settings' defaults",
)
SHARD_DIALS: Final = Figure(
    "dials/s of one installation", 10_000, "", "assumed: twice what two cores were measured at, on eight or more"
)
SHARD_BYTES: Final = Figure(
    "largest database of one installation", 1e13, "bytes", "assumed: 10 TB, restored in three hours at 1 GB/s"
)
MEASURED: Final[Sequence[Figure]] = (
    *(BYTES_CONTACT, BYTES_CALL, BYTES_ATTEMPT, BYTES_EVENT, WAL_REGISTERED, WAL_ATTEMPT, WRITES_ATTEMPT),
    *(SYNCS_PER_DIAL_MOST, POSTGRES_US, DIALLER_US, UTILISATION, SIP_CPS, SIP_US, LIVE_BYTES, DELIVERIES_PER_S),
    *(CONNECTIONS, SHARD_DIALS, SHARD_BYTES),
)

# Measured, and no figure above was taken from it but the one that is said to be fitted.
DIALS_OF_TWO_CORES: Final = 4_857.0
BYTES_OF_A_WHOLE_DATABASE: Final = 2_771.0
FOOTPRINT_ATTEMPTS_PER_CALL: Final = 196_014 / 100_000
