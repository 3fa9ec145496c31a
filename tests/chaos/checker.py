"""The independent checker: reads what a run left behind, counts what broke a rule, and prints a table.

`python -m tests.chaos.checker DIRECTORY` looks at a kept directory again. It imports nothing of the code under test.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tests.chaos.evidence import read_evidence
from tests.chaos.exercise import Demand, Exercise, measure
from tests.chaos.rules import RULES, Case

EXAMPLES_MAX = 3


@dataclass(frozen=True, slots=True)
class Violations:
    """Of one rule."""

    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of a run."""

    rules: dict[str, Violations]
    exercise: Exercise
    shortfalls: tuple[str, ...]
    troubles: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        return not (self.shortfalls or self.troubles or any(found.count for found in self.rules.values()))

    def count(self, rule: str) -> int:
        return self.rules[rule].count

    def lines(self) -> Iterator[str]:
        yield from self.exercise.lines()
        yield ""
        for rule, found in self.rules.items():
            yield f"{rule:36} {found.count:8}"
            yield from (f"    {example}" for example in found.examples)
        yield from (f"trouble: {trouble}" for trouble in self.troubles)
        yield from (f"too little was tried: {shortfall}" for shortfall in self.shortfalls)
        yield "every rule was kept" if self.is_clean else "NOT CLEAN"


def check(directory: Path, demand: Demand | None = None) -> Verdict:
    """Judge the evidence in ``directory``."""
    case = Case(read_evidence(directory))
    found: dict[str, Violations] = {}
    for name, rule in RULES.items():
        broken = rule(case)
        examples = tuple(islice(broken, EXAMPLES_MAX))
        found[name] = Violations(len(examples) + sum(1 for _ in broken), examples)
    exercise = measure(case)
    return Verdict(found, exercise, tuple(exercise.shortfalls(demand or Demand())), tuple(case.evidence.troubles))


def main() -> int:
    verdict = check(Path(sys.argv[1]))
    print("\n".join(verdict.lines()))
    return 0 if verdict.is_clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
