"""What every fault of a run stands on: the installation, what is heard of it, and where figures are kept."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event

import httpx2

from ringoff.clock import SystemClock
from tests.chaos.journal import Journal
from tests.multihost.installation import Installation
from tests.multihost.roles import Role
from tests.support.processes import until

LEASE_S = 2.0
SECOND_NS = 1_000_000_000
_LIVE = "('prepared', 'originated', 'ringing', 'answered')"
_WITHIN_S = 60.0
_RATE_S = 3.0
_RECENTLY_S = 1.5

_clock = SystemClock()


@dataclass(frozen=True, slots=True)
class Figure:
    """What one fault has cost; seconds, counts and requests a second, by name."""

    fault: str
    values: dict[str, float]

    def words(self) -> str:
        listed = ", ".join(f"{name} {value:g}" for name, value in self.values.items())
        return f"{self.fault}: {listed}"


@dataclass(slots=True)
class Stage:
    """For the one thread that makes the faults."""

    installation: Installation
    journal: Journal
    over: Event
    say: Callable[[str], None]
    figures: list[Figure] = field(default_factory=list)

    def note(self, fault: str, **values: float) -> None:
        """Seconds are rounded to what they mean on a machine that does other things too."""
        figure = Figure(fault, {name: round(value, 2) for name, value in values.items()})
        self.figures.append(figure)
        self.say(f"         {figure.words()}")

    def wait(self, seconds: float) -> None:
        """For how long a fault lasts, or as much of it as can be told from another."""
        until_s = _clock.monotonic() + seconds
        while (left := until_s - _clock.monotonic()) > 0:
            Event().wait(left)

    def wait_for_full_dialling(self, rate_min: float) -> None:
        """Every dispatcher has sent something a moment ago, and all together so much a second."""
        roles = self.installation.dispatchers
        until(lambda: all(self._dials(role) for role in roles), "every dispatcher dials", _WITHIN_S, 0.1)
        until(lambda: self.rate(roles, now_ns()) >= rate_min, f"{rate_min:g} dials a second", _WITHIN_S, 0.1)

    def _dials(self, role: Role) -> bool:
        return bool(role.wire()) and since(role.wire()[-1]) < _RECENTLY_S

    def rate(self, roles: Sequence[Role], before_ns: int) -> float:
        """Requests a second of these together, in the last seconds before an instant."""
        from_ns = before_ns - round(_RATE_S * SECOND_NS)
        return sum(from_ns < at <= before_ns for role in roles for at in role.wire()) / _RATE_S

    def rate_from_now(self, roles: Sequence[Role]) -> float:
        """The same for the seconds that come."""
        self.wait(_RATE_S)
        return self.rate(roles, now_ns())

    def others(self, role: Role) -> list[Role]:
        return [other for other in self.installation.dispatchers if other is not role]

    def owner_of(self, role: Role) -> object:
        """By what the process is called in the database, from what it sent last."""
        attempt_id = role.last_attempt()
        statement = "SELECT owner_id FROM dial_attempt WHERE attempt_id = $1::text::uuid"
        return self.installation.look_for_one(statement, attempt_id)

    def live_count(self, owner_id: object) -> int:
        statement = f"SELECT count(*) FROM dial_attempt WHERE owner_id = $1 AND state IN {_LIVE}"
        return int(self.installation.look_for_one(statement, owner_id))

    def wait_until_resolved(self, owner_id: object) -> None:
        """Every call that this process has held is ended, or belongs to another."""
        until(lambda: self.live_count(owner_id) == 0, "its calls are resolved", _WITHIN_S, poll_s=0.1)

    def seconds_to_the_last_rescue(self, owner_id: object, from_ns: int) -> float:
        """From an instant to the end of the last call that others have closed for this process; 0 when it had none."""
        statement = """
            SELECT extract(epoch FROM clock_timestamp() - max(released_at))::float8
            FROM dial_attempt WHERE owner_id = $1 AND disposition = 'indeterminate' AND cause_text LIKE 'lease expired%'
        """
        age_s = self.installation.look_for_one(statement, owner_id)
        return 0.0 if age_s is None else max(0.0, since(from_ns) - age_s)

    def wait_until_ready(self) -> None:
        """The API says so itself."""
        until(self._is_ready, "the API is ready", _WITHIN_S, poll_s=0.1)

    def _is_ready(self) -> bool:
        try:
            return self.installation.http.get("/readyz", timeout=2).status_code == 200
        except (OSError, httpx2.TransportError):
            return False

    def acknowledged_count(self) -> int:
        return self.journal.counts["order 200"]

    def unknown_count(self) -> int:
        """Requests that were answered with a 5xx, or by nobody."""
        counts = self.journal.counts
        return counts["order None"] + counts["registration None"]

    def keep(self, path: Path) -> None:
        path.write_text("".join(json.dumps(asdict(figure)) + "\n" for figure in self.figures))


def now_ns() -> int:
    return _clock.monotonic_ns()


def since(at_ns: int) -> float:
    """Seconds."""
    return (now_ns() - at_ns) / SECOND_NS
