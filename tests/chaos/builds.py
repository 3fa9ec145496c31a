"""Copies of the product with one thing changed: what the chaos run is tested on."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ringoff
from tests.support.processes import clean_environment

PROGRAM: Sequence[str] = (sys.executable, "-P", "-m", "ringoff.cli")


@dataclass(frozen=True, slots=True)
class Patch:
    """A text of one file, which must be there exactly once, and what stands in its place."""

    file: str
    old: str
    new: str


NO_LOCK = Patch(
    "store/sql/dispatch.sql",
    """SELECT
    pg_advisory_xact_lock_shared(lock_key('number_fences', $1, $1)),
    pg_advisory_xact_lock_shared(lock_key('agent', $1, $2)),
    pg_advisory_xact_lock_shared(lock_key('campaign', $1, $3))
""",
    "SELECT $1::uuid, $2::uuid, $3::uuid\n",
)
"""The gate without its lock: a permit does not wait for an order, nor an order for a permit."""

SLOW_SEND = Patch(
    "dispatch/dialer.py",
    'await self._gate("permit.checked")\n',
    'await self._gate("permit.checked")\n                await asyncio.sleep(0.03)\n',
)
"""Harmless by itself: the locks are held while it waits. It widens the moment that a missing lock leaves open."""


def build(directory: Path, patches: Iterable[Patch]) -> Mapping[str, str]:
    """Make the changed copy below ``directory``; the environment in which ``PROGRAM`` runs it, which is asserted."""
    copied = directory / "ringoff"
    shutil.copytree(Path(ringoff.__file__).parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    for patch in patches:
        path = copied / patch.file
        text = path.read_text(encoding="utf-8")
        assert text.count(patch.old) == 1, f"{patch.file} is not what the patch expects"
        path.write_text(text.replace(patch.old, patch.new), encoding="utf-8")
    environment = {"PYTHONPATH": str(directory)}
    asked = subprocess.run(
        [sys.executable, "-P", "-c", "import ringoff; print(ringoff.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env=clean_environment(environment),
    )
    assert Path(asked.stdout.strip()).parent == copied, "the copy is not what would run"
    return environment
