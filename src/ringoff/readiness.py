"""Whether this process should be given work: each part of it says why not, and nobody has to ask each part."""

from collections.abc import Callable


class Readiness:
    """Ready until somebody says otherwise. Read by ``/readyz``, which also asks the database."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}
        self._troubles: list[Callable[[], str | None]] = []

    def blocked(self, part: str, reason: str) -> None:
        """Not ready from now on, until ``freed``."""
        self._reasons[part] = reason

    def freed(self, part: str) -> None:
        """May be said more than once."""
        self._reasons.pop(part, None)

    def also_asks(self, trouble: Callable[[], str | None]) -> None:
        """A part that knows its trouble itself, or None while it has none."""
        self._troubles.append(trouble)

    @property
    def reason(self) -> str | None:
        """Why not; None when this process is ready."""
        for reason in (*self._reasons.values(), *(trouble() for trouble in self._troubles)):
            if reason is not None:
                return reason
        return None
