"""The model of docs/capacity.md: from calls a day to machines, disks and what breaks first; prints its tables.

    python -m bench.capacity --calls-per-day 2e6 --talk-s 90 --retention-days 30
    python -m bench.capacity --write

The second form puts the tables into the page again. A test fails when page and model differ.
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from math import ceil
from pathlib import Path
from typing import Final

from bench.capacity_figures import (
    BYTES_ATTEMPT,
    BYTES_CALL,
    BYTES_CONTACT,
    BYTES_EVENT,
    BYTES_OF_A_WHOLE_DATABASE,
    CONNECTIONS,
    DELIVERIES_PER_S,
    DIALLER_US,
    DIALS_OF_TWO_CORES,
    FOOTPRINT_ATTEMPTS_PER_CALL,
    LIVE_BYTES,
    MEASURED,
    POSTGRES_US,
    SHARD_BYTES,
    SHARD_DIALS,
    SIP_CPS,
    SIP_US,
    SYNCS_PER_DIAL_MOST,
    UTILISATION,
    WAL_ATTEMPT,
    WAL_REGISTERED,
    WRITES_ATTEMPT,
)

PAGE: Final = Path(__file__).parents[1] / "docs" / "capacity.md"
_BLOCK = re.compile(
    r"(?P<begin><!-- (?P<name>[a-z ]+), printed by bench/capacity.py -->\n)(?P<table>.*?)(?P<end><!-- end -->)",
    re.DOTALL,
)
POWERS: Final = tuple(10**power for power in range(3, 10))


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for. Durations in seconds."""

    calls_per_day: float = 1_000_000
    attempts_per_call: float = 1.9
    """With two retries of what is busy or not picked up."""
    answered_share: float = 0.4
    """Of the attempts."""
    ring_s: float = 20.0
    talk_s: float = 60.0
    """Of the answered."""
    open_hours: float = 10.0
    """Of a day, in which the call windows are open."""
    peak: float = 1.5
    """The busiest minutes against the mean of those hours."""
    retention_days: float = 90.0
    outbox_days: float = 3.0
    """RINGOFF_OUTBOX_KEEP_H."""
    events_per_attempt: float = 1.0
    """For which somebody has subscribed."""


@dataclass(frozen=True, slots=True)
class Need:
    """What that takes, at its peak where a rate is meant."""

    dials_per_s: float
    live_calls: float
    dispatchers: int
    """On SIP trunks; one core each."""
    postgres_cores: float
    wal_bytes_per_s: float
    wal_bytes_per_day: float
    syncs_per_s: float
    writes_per_s: float
    database_bytes: float
    connections: int
    deliveries_per_s: float
    deliverers: int
    live_memory_bytes: float
    signalling_bits_per_s: float
    shards: int


# INVITE, 100, 180, 200, ACK, BYE, 200: about ten packets of 600 bytes with their headers.
_SIGNALLING_BYTES: Final = 6_000


def need(load: Load) -> Need:
    """The whole model. Everything is in proportion but the numbers of processes and shards."""
    attempts_per_day = load.calls_per_day * load.attempts_per_call
    dials = attempts_per_day / (load.open_hours * 3_600) * load.peak
    held_s = load.ring_s + load.answered_share * load.talk_s
    dispatchers = max(2, ceil(dials / (SIP_CPS.value * UTILISATION.value)))
    deliveries = dials * load.events_per_attempt
    deliverers = max(2, ceil(deliveries / (DELIVERIES_PER_S.value * UTILISATION.value)))
    kept = BYTES_CONTACT.value + BYTES_CALL.value + load.attempts_per_call * BYTES_ATTEMPT.value
    events = load.attempts_per_call * load.events_per_attempt * BYTES_EVENT.value
    database = load.calls_per_day * (kept * load.retention_days + events * load.outbox_days)
    wal_day = load.calls_per_day * WAL_REGISTERED.value + attempts_per_day * WAL_ATTEMPT.value
    servers = max(2, ceil(deliverers / 2))
    shards = max(1, ceil(dials / SHARD_DIALS.value), ceil(database / SHARD_BYTES.value))
    return Need(
        dials_per_s=dials,
        live_calls=dials * held_s,
        dispatchers=dispatchers,
        postgres_cores=dials * POSTGRES_US.value / 1e6 / UTILISATION.value,
        wal_bytes_per_s=dials * WAL_ATTEMPT.value,
        wal_bytes_per_day=wal_day,
        syncs_per_s=dials * SYNCS_PER_DIAL_MOST.value,
        writes_per_s=dials * WRITES_ATTEMPT.value,
        database_bytes=database,
        connections=ceil((dispatchers + deliverers + servers) / shards) * int(CONNECTIONS.value),
        deliveries_per_s=deliveries,
        deliverers=deliverers,
        live_memory_bytes=dials * held_s * LIVE_BYTES.value,
        signalling_bits_per_s=dials * _SIGNALLING_BYTES * 8,
        shards=shards,
    )


def powers_table(load: Load) -> str:
    """One row for each power of ten."""
    heads = (
        *(
            "calls a day",
            "dials/s",
            "live calls",
            "SIP dispatchers",
            "PostgreSQL cores",
            "log/day",
            "log/s",
            "log syncs/s",
        ),
        *("page writes/s", "database", "sessions each", "events/s", "shards"),
    )
    rows = []
    for calls in POWERS:
        found = need(replace(load, calls_per_day=calls))
        rows.append(
            (
                f"{calls:,}",
                _rounded(found.dials_per_s),
                _rounded(found.live_calls),
                f"{found.dispatchers:,}",
                _rounded(found.postgres_cores),
                _bytes(found.wal_bytes_per_day),
                _bytes(found.wal_bytes_per_s),
                f"<= {_rounded(found.syncs_per_s)}",
                _rounded(found.writes_per_s),
                _bytes(found.database_bytes),
                f"{found.connections:,}",
                _rounded(found.deliveries_per_s),
                f"{found.shards:,}",
            )
        )
    return _table(heads, rows)


def figures_table() -> str:
    """The constants, and where each is from."""
    return _table(
        ("figure", "value", "from"),
        [(figure.name, f"{figure.value:,g} {figure.unit}".strip(), figure.source) for figure in MEASURED],
    )


def assumptions_table(load: Load) -> str:
    words = {field.name: field.name.replace("_", " ") for field in fields(Load)}
    return _table(
        ("assumed", "value"),
        [(words[name], f"{getattr(load, name):,g}") for name in words if name != "calls_per_day"],
    )


def points() -> list[tuple[str, float, float]]:
    """What the model says of situations that were measured: name, model, measured."""
    two_cores = 2 * UTILISATION.value / (POSTGRES_US.value + DIALLER_US.value) * 1e6
    rows = BYTES_CONTACT.value + BYTES_CALL.value
    rows += FOOTPRINT_ATTEMPTS_PER_CALL * (BYTES_ATTEMPT.value + BYTES_EVENT.value)
    return [
        ("dials/s of two cores that hold PostgreSQL and the dispatcher", two_cores, DIALS_OF_TWO_CORES),
        ("bytes of the whole database of the footprint, by call", rows, BYTES_OF_A_WHOLE_DATABASE),
        ("SIP calls/s of a core, by processor time", 1e6 / SIP_US.value, SIP_CPS.value),
    ]


def points_table() -> str:
    return _table(
        ("point", "model", "measured", "model / measured"),
        [(name, f"{model:,.0f}", f"{seen:,.0f}", f"{model / seen:.2f}") for name, model, seen in points()],
    )


def tables(load: Load) -> dict[str, str]:
    return {
        "assumptions": assumptions_table(load),
        "figures": figures_table(),
        "powers of ten": powers_table(load),
        "checked points": points_table(),
    }


def rendered(page: str) -> str:
    """The page with the tables of today."""
    of_today = tables(Load())
    return _BLOCK.sub(lambda block: block["begin"] + of_today[block["name"]] + "\n" + block["end"], page)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the tables into docs/capacity.md")
    for field in fields(Load):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=float, default=field.default)
    arguments = vars(parser.parse_args())
    if arguments.pop("write"):
        PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    load = Load(**arguments)
    found = need(load)
    said = [(each.name.replace("_", " "), _said(each.name, getattr(found, each.name))) for each in fields(Need)]
    print(_table(("need", "value"), said))
    print()
    print(powers_table(load))


def _said(name: str, value: float) -> str:
    return _bytes(value) if "bytes" in name else _rounded(value)


def _rounded(value: float) -> str:
    """Two digits that count: nothing here is known better."""
    if value <= 0:
        return "0"
    digits = max(0, 1 - int(f"{value:e}".split("e")[1]))
    return f"{float(f'{value:.2g}'):,.{min(digits, 3)}f}"


def _bytes(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1_000:
            return f"{_rounded(value)} {unit}"
        value /= 1_000
    return f"{_rounded(value)} PB"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


if __name__ == "__main__":
    main()
