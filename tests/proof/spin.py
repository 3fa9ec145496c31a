"""Runs a Promela model through spin: the whole of its behaviour, or the shortest way to where it breaks."""

import re
import resource
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MEMORY_MAX_MIB = 3_500
DEPTH_MAX = 100_000
_PAN_WITHIN_S = 550
# What pan says when it did not look at everything; any of them makes "0 errors" worthless.
_GAPS = (
    "max search depth too small",
    "Search not completed",
    "Bit statespace",
    "hash factor",
    "out of memory",
    "aborted",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What pan found out about one variant of a model."""

    errors: int
    broken: str | None
    """The assertion that failed, as it is written in the model, or another violation in pan's words."""
    is_complete: bool
    """Every reachable state was looked at, stored whole."""
    unreached: Mapping[str, Sequence[str]]
    """For each kind of process, the statements that no behaviour reaches: what was not exercised was not checked."""
    states: int
    depth: int
    seconds: float
    """Of the processor: how busy the machine is otherwise makes no difference."""
    memory_mib: float
    trail: str
    """The steps of the counter-example, one a line; empty when there is none."""

    def __str__(self) -> str:
        result = f"breaks {self.broken}" if self.errors else "holds" if self.is_complete else "INCOMPLETE"
        size = f"{self.states:>9,} states, depth {self.depth:>3}"
        return f"{size}, {self.seconds:5.1f} s, {self.memory_mib:5.0f} MiB: {result}"


def missing_tools() -> Sequence[str]:
    return [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]


def check(model: Path, directory: Path, macros: Sequence[str], *, shortest: bool = False) -> Verdict:
    """Check ``model`` with ``macros`` defined, in ``directory``. ``shortest`` searches breadth first.

    Without partial order reduction: nearly every step of such a model touches what all share, so it gains nothing.
    """
    shutil.copy(model, directory / model.name)
    defined = [f"-D{macro}" for macro in macros]
    _run(directory, "spin", *defined, "-a", model.name)
    options = ["-DSAFETY", "-DNOREDUCE", f"-DMEMLIM={MEMORY_MAX_MIB}", *(["-DBFS"] if shortest else [])]
    _run(directory, "gcc", "-O1", "-w", *options, "-o", "pan", "pan.c")
    used_before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    said = _run(directory, "./pan", f"-m{DEPTH_MAX}")
    used_after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    errors = int(_found(r"errors: (\d+)", said))
    trail = _run(directory, "spin", *defined, "-t", "-p", model.name) if errors else ""
    return Verdict(
        errors=errors,
        broken=_broken(said),
        is_complete="Full statespace search for:" in said and not any(gap in said for gap in _GAPS),
        unreached=_unreached(said),
        states=int(_found(r"(\d+) states, stored", said)),
        depth=int(_found(r"depth reached (\d+)", said)),
        seconds=used_after - used_before,
        memory_mib=float(_found(r"([\d.]+)\ttotal actual memory usage", said)),
        trail=_steps(trail),
    )


def _run(directory: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_PAN_WITHIN_S,
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}"
    return done.stdout


def _found(pattern: str, said: str) -> str:
    match = re.search(pattern, said)
    assert match, f"pan said nothing like {pattern!r}:\n{said}"
    return match[1]


def _broken(said: str) -> str | None:
    match = re.search(r"^pan:\d+: (?:assertion violated )?(.+?) \(at depth \d+\)", said, re.MULTILINE)
    return match[1] if match else None


def _unreached(said: str) -> Mapping[str, Sequence[str]]:
    sections = re.findall(r"^unreached in (?:proctype )?(\w+)\n((?:\t.*\n)*)", said, re.MULTILINE)
    return {
        name: [line for line in re.findall(r"\S+, state \d+, .*", lines) if '"-end-"' not in line]
        for name, lines in sections
    }


def _steps(trail: str) -> str:
    """Without what only moves a program counter."""
    boring = re.compile(r"\[(?:\.\(goto\)|goto .*|IF|DO|sub-sequence|else|\(1\)|values: .*)\]")
    steps = [line for line in trail.splitlines() if re.match(r"\s*\d+:\tproc", line)]
    return "\n".join(line for line in steps if not boring.search(line))
