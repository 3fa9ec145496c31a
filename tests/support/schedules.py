"""Every order in which a few actors can take their steps, one after the other."""

from collections.abc import Iterator, Sequence


class Schedule:
    """The choices of one run: the first ones are given, the others take whoever comes first."""

    def __init__(self, given: Sequence[int] = ()) -> None:
        self._given = given
        self.choices: list[tuple[int, int]] = []
        """For each step the place that was chosen, and among how many."""

    def choose(self, count: int) -> int:
        step = len(self.choices)
        chosen = self._given[step] if step < len(self._given) else 0
        assert chosen < count, "the same choices led elsewhere: the run depends on something beside them"
        self.choices.append((chosen, count))
        return chosen

    def following(self) -> "Schedule | None":
        """The next one in the order of a depth-first search, once this one has been run."""
        choices = list(self.choices)
        while choices:
            chosen, count = choices.pop()
            if chosen + 1 < count:
                return Schedule([*(place for place, _ in choices), chosen + 1])
        return None


def every_schedule() -> Iterator[Schedule]:
    """Run each to its end before the next is asked for: which ones exist is learned by running them."""
    schedule: Schedule | None = Schedule()
    while schedule is not None:
        yield schedule
        schedule = schedule.following()
