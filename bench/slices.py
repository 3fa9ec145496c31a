"""Slices of a processor: a machine with few cores lends each process a fixed part of one, as if it had its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup/cpu")
_PERIOD_US = 5_000
"""Short: a process that has used its slice up stands still until the next period, perhaps with a lock."""


def left_out() -> str | None:
    """Why no slice can be made here, or None."""
    if not (_CGROUPS / "cpu.cfs_quota_us").exists():
        return f"no cpu controller of cgroups (version 1) at {_CGROUPS}"
    if not os.access(_CGROUPS, os.W_OK):
        return f"{_CGROUPS} is not writable for this user"
    return None


@contextmanager
def sliced(pid: int, name: str, share: float) -> Iterator[None]:
    """The process and its later children get at most this share of one core; it must have ended before the slice."""
    group = _CGROUPS / f"ringoff-bench-{os.getpid()}-{name}"
    group.mkdir()
    try:
        (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(int(_PERIOD_US * share)))
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        # What still lives goes back to the group of everybody, so that nothing is left behind.
        for left in (group / "cgroup.procs").read_text().split():
            (_CGROUPS / "cgroup.procs").write_text(left)
        group.rmdir()
