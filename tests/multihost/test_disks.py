"""Disks that can be filled: full for everybody, whole again when they are freed, and gone with their run."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from tests.multihost.disks import NoDisks, disks

_LEFT_BEHIND = """
import os, signal, sys
from pathlib import Path
from tests.multihost.disks import disks
with disks(Path(sys.argv[1]), megabytes={"left": 8}, owner=None):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def write(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.write(b"x" * size)


def test_a_full_disk_takes_nothing_until_it_is_freed(tmp_path: Path) -> None:
    try:
        with disks(tmp_path, megabytes={"small": 8}, owner=None) as made:
            disk = made["small"]
            write(disk.path / "before", 100_000)
            disk.fill()
            with pytest.raises(OSError, match="No space left") as full:
                write(disk.path / "meanwhile", 100_000)
            assert full.value.errno == errno.ENOSPC
            disk.free()
            write(disk.path / "after", 100_000)
            assert (disk.path / "before").stat().st_size == 100_000
    except NoDisks as reason:
        pytest.skip(str(reason))
    assert not (tmp_path / "small").is_mount()


def test_what_a_killed_run_has_mounted_is_removed_by_the_next(tmp_path: Path) -> None:
    left, next_run = tmp_path / "left", tmp_path / "next"
    left.mkdir()
    next_run.mkdir()
    died = subprocess.run([sys.executable, "-c", _LEFT_BEHIND, str(left)], check=False, timeout=60, capture_output=True)
    if b"NoDisks" in died.stderr:
        pytest.skip(died.stderr.decode().splitlines()[-1])
    assert (left / "left").is_mount(), died.stderr
    with disks(next_run, megabytes={"small": 8}, owner=None):
        assert not left.exists()
