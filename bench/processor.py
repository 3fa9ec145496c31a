"""Whose processor time it was: the server's, its PostgreSQL's, or that of somebody else on the machine."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import psutil


@dataclass(frozen=True, slots=True)
class ProcessorUse:
    """Seconds of processor time: a reading since the start, or the difference of two."""

    server_s: float
    postgres_s: float
    machine_s: float

    @classmethod
    def read(cls, server_pid: int, postmaster_pid: int) -> Self:
        times = psutil.cpu_times()
        postmaster = psutil.Process(postmaster_pid)
        return cls(
            server_s=_spent([psutil.Process(server_pid)]),
            # What a backend has spent is its parent's once it has gone.
            postgres_s=_spent([postmaster, *postmaster.children()]) + _inherited(postmaster),
            machine_s=times.user + times.nice + times.system + times.irq + times.softirq,
        )

    def __sub__(self, earlier: Self) -> "ProcessorUse":
        return ProcessorUse(
            self.server_s - earlier.server_s,
            self.postgres_s - earlier.postgres_s,
            self.machine_s - earlier.machine_s,
        )

    def words(self, seconds: float, count: float, what: str = "dial") -> str:
        """Cores in use, and what one of them costs: the part that a busy neighbour does not change much."""
        others_s = max(self.machine_s - self.server_s - self.postgres_s, 0.0)
        return (
            f"cores in use: server {self.server_s / seconds:.2f}, PostgreSQL {self.postgres_s / seconds:.2f},"
            f" everything else {others_s / seconds:.2f};"
            f" per {what} {self.server_s / count * 1e6:.0f} + {self.postgres_s / count * 1e6:.0f} us"
        )


def _inherited(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.children_user + times.children_system


def _spent(processes: Iterable[psutil.Process]) -> float:
    total_s = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.Error:  # ended since it was listed
            continue
        total_s += times.user + times.system
    return total_s
