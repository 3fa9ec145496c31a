"""Measures the promises of docs/benchmarks.md on this machine; prints figures, then goal, measured, met."""

import argparse
import asyncio
import dataclasses
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench import (
    adversarial,
    asterisk,
    counts,
    dashboard,
    dials,
    dispatchers,
    fairness,
    first_ring,
    footprint,
    history,
    huge,
    large_list,
    live_calls,
    live_tabs,
    paces,
    partitions,
    routes,
    sip,
    soak,
    sweep,
    terminate,
    upload,
    webhooks,
)
from bench.figures import Say, Verdict, table
from bench.machine import describe
from bench.rivals import side_by_side
from bench.sizes import QUICK, Run, Sizes

Part = Callable[[Run, Say], Awaitable[list[Verdict]]]
ON_DEMAND = {"soak"}
"""Minutes of the same thing: only when named, or at small sizes."""
PARTS: dict[str, Part] = {
    "first_ring": first_ring.measure,
    "terminate": terminate.measure,
    "huge": huge.measure,
    "history": history.measure,
    "counts": counts.measure,
    "dashboard": dashboard.measure,
    "adversarial": adversarial.measure,
    "sweep": sweep.measure,
    "routes": routes.measure,
    "upload": upload.measure,
    "large_list": large_list.measure,
    "dials": dials.measure,
    "paces": paces.measure,
    "dispatchers": dispatchers.measure,
    "live_calls": live_calls.measure,
    "soak": soak.measure,
    "fairness": fairness.measure,
    "footprint": footprint.measure,
    "partitions": partitions.measure,
    "webhooks": webhooks.measure,
    "live_tabs": live_tabs.measure,
    "sip": sip.measure,
    "asterisk": asterisk.measure,
    "rivals": side_by_side.measure,
}


def main() -> None:
    arguments = _arguments()
    names = arguments.only.split(",") if arguments.only else [n for n in PARTS if arguments.quick or n not in ON_DEMAND]
    sizes = QUICK if arguments.quick else Sizes()
    if arguments.rows:
        sizes = dataclasses.replace(sizes, rows=arguments.rows, dashboard_rows=arguments.rows)
    if arguments.seconds:
        sizes = dataclasses.replace(sizes, soak_s=arguments.seconds)
    # Not in the tree: the embedded PostgreSQL runs as another user under root, who must be able to pass.
    work_dir = Path(tempfile.mkdtemp(prefix="ringoff-bench-", dir=arguments.dir))
    try:
        verdicts = asyncio.run(_run(names, Run(sizes, work_dir)))
    finally:
        shutil.rmtree(work_dir, ignore_errors=True)
    # At small sizes nothing is measured, so nothing can be missed.
    if not arguments.quick and any(verdict.is_required and not verdict.is_met for verdict in verdicts):
        raise SystemExit("what must not happen has happened: see the lines that say NO")


async def _run(names: list[str], run: Run) -> list[Verdict]:
    machine = describe(run.work_dir)
    _say(f"machine: {machine}")
    verdicts: list[Verdict] = []
    for name in names:
        _say(f"\n{name}")
        began = time.perf_counter()
        verdicts += await PARTS[name](run, lambda line: _say(f"  {line}"))
        _say(f"  ({time.perf_counter() - began:.0f} s)")
    _say(f"\n{table(verdicts)}\n\n{machine}, after it {os.getloadavg()[0]:.1f}")
    return verdicts


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only", default=os.environ.get("ONLY"), type=_names, help=f"of {', '.join(PARTS)}; commas between (ONLY)"
    )
    parser.add_argument("--rows", default=os.environ.get("ROWS"), type=_rows, help="instead of 1,000,000 (ROWS)")
    parser.add_argument("--seconds", type=_seconds, help="how long the soak takes, instead of 600")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that all of it runs, measures nothing")
    parser.add_argument("--dir", default=os.environ.get("BENCH_DIR"), help="where databases go (BENCH_DIR)")
    return parser.parse_args()


def _names(text: str) -> str:
    if unknown := set(text.split(",")) - set(PARTS):
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(sorted(unknown))}")
    return text


def _rows(text: str) -> int:
    rows = int(text.replace(",", "").replace("_", ""))
    if not 1_000 <= rows <= 1_000_000:
        raise argparse.ArgumentTypeError("from 1,000 to 1,000,000")
    return rows


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 60 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError("from 60 to 86,400")
    return seconds


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
