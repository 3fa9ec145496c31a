"""Small file systems of their own, which can be filled to the last byte and freed again."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

_BALLAST = "ballast"
_OWNER = "owner.pid"
_COMMAND_TIMEOUT_S = 60
_STEPS = (64 << 20, 4 << 20, 64 << 10, 4 << 10)
_TOOLS = ("mkfs.ext4", "mount", "umount")


class NoDisks(Exception):
    """This machine lets us mount no file of our own."""


class Disk:
    """A mounted file. What is put on it lies in ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / _BALLAST

    def fill(self) -> None:
        """Take every byte that is left, as somebody's log or core dump would."""
        with self._ballast.open("ab") as file:
            size = file.tell()
            for step in _STEPS:
                while _grown(file.fileno(), size, step):
                    size += step

    def free(self) -> None:
        """What an operator does first. Idempotent."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def disks(directory: Path, *, megabytes: dict[str, int], owner: str | None) -> Iterator[dict[str, Disk]]:
    """Disks by name, mounted below ``directory`` and unmounted at the end; their files are sparse."""
    if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        raise NoDisks(f"missing: {', '.join(missing)} (Debian: e2fsprogs and mount)")
    _sweep()
    (directory / _OWNER).write_text(str(os.getpid()))
    made: dict[str, Disk] = {}
    with ExitStack() as ending:
        for name, size in megabytes.items():
            image, path = directory / f"{name}.img", directory / name
            path.mkdir()
            try:
                with image.open("wb") as file:
                    file.truncate(size << 20)
                # No room that only root may use: full means full for everybody.
                _run("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", str(image))
                _run("mount", "-o", "loop", str(image), str(path))
            except subprocess.CalledProcessError as error:
                raise NoDisks(f"a file cannot be mounted here: {error.stderr.strip()}") from error
            ending.callback(_run, "umount", "--lazy", str(path))
            if owner is not None:
                shutil.chown(path, owner)
            made[name] = Disk(path)
        yield made


def _sweep() -> None:
    """What runs have left mounted whose process was killed: a file beside each mount says which process that was."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        directory = Path(line.split()[1]).parent
        owner = directory / _OWNER
        if owner.exists() and not psutil.pid_exists(int(owner.read_text())):
            for path in directory.iterdir():
                if path.is_mount():
                    with suppress(subprocess.CalledProcessError):  # somebody else has swept it
                        _run("umount", "--lazy", str(path))
            shutil.rmtree(directory, ignore_errors=True)


def _grown(file: int, size: int, step: int) -> bool:
    try:
        os.posix_fallocate(file, size, step)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        os.ftruncate(file, size)
        return False
    return True


def _run(*command: str) -> None:
    subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S, stdin=subprocess.DEVNULL
    )
