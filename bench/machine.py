"""The machine under the figures: without it they mean nothing."""

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psutil

_SYNCS = 50


def describe(work_dir: Path) -> str:
    """Date, processor, memory, and what a durable write costs where the databases of this run live."""
    memory_gib = psutil.virtual_memory().total / 2**30
    now = datetime.now(UTC)
    load = os.getloadavg()[0]
    return (
        f"{now:%Y-%m-%d %H:%M} UTC; {len(os.sched_getaffinity(0))} cores of {_processor()}, {memory_gib:.0f} GiB;"
        f" {platform.system()} {platform.release()}, Python {platform.python_version()};"
        f" fdatasync of 8 KiB {_sync_ms(work_dir):.2f} ms median; load before the run {load:.1f}"
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _sync_ms(work_dir: Path) -> float:
    """A commit waits for one of these: a disk in memory would flatter every figure."""
    path = work_dir / "sync-probe"
    costs = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            file.write(b"\0" * 8192)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            costs.append(time.perf_counter() - began)
    path.unlink()
    return median(costs) * 1000
