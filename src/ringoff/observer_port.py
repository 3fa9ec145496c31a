"""What the product tells those who watch it: it is told, never asked, and nothing that it does may cost a call.

``ports`` is the rest of the seam. No method waits, and none raises: implementations see to it.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from ringoff.domain.attempt_records import ExpiredAttempt
from ringoff.domain.identifiers import AttemptId, CallId, CampaignId
from ringoff.domain.release_cause import Outcome
from ringoff.domain.termination import Level


class Step(StrEnum):
    """A transaction on a call's way to the wire and back."""

    CLAIM = "claim"
    PERMIT = "permit"
    SECOND_PERMIT = "second_permit"
    SETTLE = "settle"


class Refusal(StrEnum):
    """Why a claimed call was not dialled now."""

    SUPPRESSED = "suppressed"
    """Its number is on the suppression list: it ends here."""
    FORBIDDEN = "forbidden"
    """An order, a pause, a stopped trunk, a closed window or a lost lease, found under the locks."""
    WINDOW = "window"
    """Its own window was closed already before the permit."""
    TOO_LATE = "too_late"
    """The permit, or the place in the pace, was too old to send: it is claimed again."""
    SECOND_PERMIT = "second_permit"
    """A second request of an attempt that was challenged, or had another gateway, may not leave any more."""


class OrderOutcome(StrEnum):
    """How a termination ended for whoever asked for it."""

    GIVEN = "given"
    REPLAYED = "replayed"
    NOTHING_TERMINABLE = "nothing_terminable"
    REFUSED = "refused"
    """The order was wrong, or its key was."""
    FAILED = "failed"
    """The database, or we: nothing was acknowledged."""


@dataclass(slots=True)
class RequestNotes:
    """One HTTP request; the route and the status are filled in while it is served."""

    method: str
    route: str = "unmatched"
    """The path with its parameters' names in it: never what somebody sent."""
    status: int = 500
    is_stream: bool = False
    """Live events, which last as long as somebody looks at them: no duration of a request."""


@dataclass(slots=True)
class OrderNotes:
    """One termination, from its reading to its commit."""

    level: Level
    outcome: OrderOutcome = OrderOutcome.FAILED


@dataclass(slots=True)
class StepNotes:
    """One transaction of the dial path."""

    step: Step
    campaign_id: CampaignId | None = None
    """None where it is about calls of many campaigns."""
    call_count: int = 0


@dataclass(slots=True)
class DeliveryNotes:
    """One try to tell a subscriber of an event."""

    event_type: str
    is_callback: bool
    """To a URL that came with a request."""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What the observer wants to send along."""
    state: str = "pending"
    """What the delivery is after it: delivered, pending (tried again later) or dropped."""
    status: int | None = None


class AttemptEnd(NamedTuple):
    """One dial attempt whose outcome is committed. The instants are those of this process's clock."""

    attempt_id: AttemptId
    call_id: CallId
    campaign_id: CampaignId
    driver: str
    outcome: Outcome
    originated_at: datetime | None
    rang_at: datetime | None
    answered_at: datetime | None
    released_at: datetime
    place: object
    """What ``sent`` gave."""


class Observer(Protocol):
    """Told by the floors below it, in the process where it happens."""

    def request(
        self, notes: RequestNotes, headers: Iterable[tuple[bytes, bytes]], /
    ) -> AbstractContextManager[RequestNotes]:
        """Around one request; ``headers`` are those that came with it."""

    def order(self, notes: OrderNotes) -> AbstractContextManager[OrderNotes]: ...
    def step(self, notes: StepNotes) -> AbstractContextManager[StepNotes]: ...
    def delivery(self, notes: DeliveryNotes) -> AbstractContextManager[DeliveryNotes]: ...

    def sent(self, driver: str, /) -> object:
        """A request to ring is on the wire, or may be. What it returns comes back with the attempt's end."""

    def ended(self, end: AttemptEnd) -> None: ...
    def refused(self, reason: Refusal, call_count: int) -> None: ...
    def rescued(self, attempts: Sequence[ExpiredAttempt]) -> None:
        """Attempts whose lease had run out were closed: their fate is unknown."""

    def swept(self, call_count: int) -> None:
        """Calls were settled behind a fence."""

    def loop_begun(self, loop: str) -> None: ...
    def loop_failed(self, loop: str) -> None:
        """One of the loops has failed, and is started again."""


class _Nobody:
    """Nobody watches."""

    def request(
        self, notes: RequestNotes, _headers: Iterable[tuple[bytes, bytes]], /
    ) -> AbstractContextManager[RequestNotes]:
        return nullcontext(notes)

    def order(self, notes: OrderNotes) -> AbstractContextManager[OrderNotes]:
        return nullcontext(notes)

    def step(self, notes: StepNotes) -> AbstractContextManager[StepNotes]:
        return nullcontext(notes)

    def delivery(self, notes: DeliveryNotes) -> AbstractContextManager[DeliveryNotes]:
        return nullcontext(notes)

    def sent(self, _driver: str, /) -> object:
        return None

    def ended(self, end: AttemptEnd) -> None:
        pass

    def refused(self, reason: Refusal, call_count: int) -> None:
        pass

    def rescued(self, attempts: Sequence[ExpiredAttempt]) -> None:
        pass

    def swept(self, call_count: int) -> None:
        pass

    def loop_begun(self, loop: str) -> None:
        pass

    def loop_failed(self, loop: str) -> None:
        pass


NOBODY: Final[Observer] = _Nobody()
"""The default everywhere: what is not wired is not watched."""
