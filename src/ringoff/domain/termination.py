"""What a termination covers: the selector, read strictly, and the rule that its parts narrow each other.

Everything wrong is refused before anything is touched, because a typo in a kill switch must neither widen it nor
let it miss: no unknown fields, no empty arrays beside other parts, no malformed ids or numbers.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar
from uuid import UUID

from ringoff.domain.errors import InvalidInput
from ringoff.domain.identifiers import AgentId, CallId, CampaignId
from ringoff.domain.phone_number import has_e164_shape

CALL_IDS_MAX: Final = 100
MOBILE_NUMBERS_MAX: Final = 100
REASON_LENGTH_MAX: Final = 500
IDEMPOTENCY_KEY_LENGTH_MAX: Final = 255
IDEMPOTENCY_KEEP_H: Final = 24
"""How long the answer to an order is given again to whoever sends its key."""
SELECTOR_FIELDS: Final = frozenset({"agent_id", "call_ids", "campaign_id", "mobile_numbers"})
ORDER_FIELDS: Final = frozenset({"reason", "ongoing", "suppress"})
"""What the native route takes beside a selector."""
NOTHING_GIVEN: Final = "Either 'agent_id', 'call_ids', 'campaign_id', or 'mobile_numbers' must be provided."

_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_SHOWN_MAX: Final = 64

T = TypeVar("T")


class Level(StrEnum):
    """How wide a selector reaches."""

    AGENT = "agent"
    CALLS = "calls"
    CAMPAIGN = "campaign"
    CAMPAIGN_NUMBERS = "campaign_numbers"
    NUMBERS = "numbers"
    MIXED = "mixed"


_LEVELS: Final[Mapping[frozenset[str], Level]] = {
    frozenset({"agent_id"}): Level.AGENT,
    frozenset({"call_ids"}): Level.CALLS,
    frozenset({"campaign_id"}): Level.CAMPAIGN,
    frozenset({"campaign_id", "mobile_numbers"}): Level.CAMPAIGN_NUMBERS,
    frozenset({"mobile_numbers"}): Level.NUMBERS,
}


@dataclass(frozen=True, slots=True)
class Selector:
    """Which calls an order covers: those that match every part that is given. At least one part is."""

    agent_id: AgentId | None = None
    call_ids: tuple[CallId, ...] | None = None
    campaign_id: CampaignId | None = None
    mobile_numbers: tuple[str, ...] | None = None

    @property
    def fields(self) -> frozenset[str]:
        """The names of the parts that are given."""
        return frozenset(name for name in SELECTOR_FIELDS if getattr(self, name) is not None)

    @property
    def level(self) -> Level:
        return _LEVELS.get(self.fields, Level.MIXED)


class Ongoing(StrEnum):
    """What an order does with covered calls that are on the wire."""

    FINISH = "finish"
    """They end by themselves, and no retry follows."""
    HANGUP = "hangup"
    """They are released: a ringing one is cancelled, an answered one is hung up. They count as terminable."""


@dataclass(frozen=True, slots=True)
class TerminationOrder:
    """A selector and how it is to be carried out."""

    selector: Selector
    reason: str | None = None
    ongoing: Ongoing = Ongoing.FINISH
    suppress: bool = False
    """Also put the numbers on the workspace's suppression list."""

    @property
    def hangs_up(self) -> bool:
        return self.ongoing is Ongoing.HANGUP


def parse_order(raw: Mapping[str, object]) -> TerminationOrder:
    """Read a native order or preview; ``InvalidInput`` names field, position and value of the first thing wrong."""
    selector = parse_selector({name: value for name, value in raw.items() if name not in ORDER_FIELDS})
    suppress = raw.get("suppress")
    if not isinstance(suppress, bool | None):
        raise InvalidInput(f"suppress must be true or false, not {_shown(suppress)}.", field="suppress")
    if suppress and selector.mobile_numbers is None:
        raise InvalidInput("suppress needs mobile_numbers: it is numbers that are suppressed.", field="suppress")
    return TerminationOrder(selector, _reason(raw.get("reason")), _ongoing(raw.get("ongoing")), bool(suppress))


def parse_selector(raw: Mapping[str, object]) -> Selector:
    """Read a selector; raise ``InvalidInput`` naming field, position and value of the first thing wrong.

    Numbers need only the shape of E.164: a number that some upload let in can always be terminated.
    """
    for name in raw:
        if name in ORDER_FIELDS:
            raise InvalidInput(f"{name} is accepted by POST /api/v1/terminations only.", field=name)
        if name not in SELECTOR_FIELDS:
            raise InvalidInput(f"Unknown field {_shown(name)}.", field=str(name)[:_SHOWN_MAX])
    given = {name: value for name, value in raw.items() if value is not None}
    if not any(value != [] for value in given.values()):
        raise InvalidInput(NOTHING_GIVEN)
    agent_id, campaign_id = given.get("agent_id"), given.get("campaign_id")
    return Selector(
        agent_id=None if agent_id is None else AgentId(_uuid(agent_id, "agent_id")),
        call_ids=_distinct(given.get("call_ids"), "call_ids", CALL_IDS_MAX, _call_id),
        campaign_id=None if campaign_id is None else CampaignId(_uuid(campaign_id, "campaign_id")),
        mobile_numbers=_distinct(given.get("mobile_numbers"), "mobile_numbers", MOBILE_NUMBERS_MAX, _number),
    )


def bad_entries(field: str, entries: Sequence[str]) -> Sequence[InvalidInput]:
    """Every entry of a pasted list that a selector refuses, not only the first, with the words of the selector."""
    parse = {"call_ids": _call_id, "mobile_numbers": _number}[field]
    wrong = []
    for position, entry in enumerate(entries):
        try:
            parse(entry, field, position)
        except InvalidInput as error:
            wrong.append(error)
    return wrong


def require_exact(selector: Selector, fields: frozenset[str]) -> None:
    """Raise ``InvalidInput`` unless exactly these parts are given (the older routes have one set each)."""
    for name in sorted(fields - selector.fields):
        raise InvalidInput(f"{name} is required here.", field=name)
    for name in sorted(selector.fields - fields):
        raise InvalidInput(f"{name} is not accepted here.", field=name)


def covers(
    selector: Selector, *, call_id: CallId, agent_id: AgentId, campaign_id: CampaignId | None, called_number: str
) -> bool:
    """Whether a call matches every part of the selector that is given."""
    return (
        (selector.agent_id is None or selector.agent_id == agent_id)
        and (selector.call_ids is None or call_id in selector.call_ids)
        and (selector.campaign_id is None or selector.campaign_id == campaign_id)
        and (selector.mobile_numbers is None or called_number in selector.mobile_numbers)
    )


def _reason(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidInput(f"reason must be text, not {_shown(value)}.", field="reason")
    if len(value) > REASON_LENGTH_MAX:
        raise InvalidInput(f"reason takes at most {REASON_LENGTH_MAX} characters, not {len(value)}.", field="reason")
    return value


def _ongoing(value: object) -> Ongoing:
    if value is None:
        return Ongoing.FINISH
    if value not in list(Ongoing):
        raise InvalidInput(f"ongoing must be 'finish' or 'hangup', not {_shown(value)}.", field="ongoing")
    return Ongoing(str(value))


def _distinct(
    value: object, field: str, count_max: int, parse: Callable[[object, str, int], T]
) -> tuple[T, ...] | None:
    """Parse each entry, keep the order, drop duplicates."""
    if value is None:
        return None
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise InvalidInput(f"{field} must be an array.", field=field)
    if not value:
        raise InvalidInput(f"{field} must not be empty.", field=field)
    if len(value) > count_max:
        raise InvalidInput(f"{field} takes at most {count_max} entries, not {len(value)}.", field=field)
    return tuple(dict.fromkeys(parse(entry, field, position) for position, entry in enumerate(value)))


def _call_id(value: object, field: str, position: int) -> CallId:
    return CallId(_uuid(value, field, position))


def _uuid(value: object, field: str, position: int | None = None) -> UUID:
    if not isinstance(value, str) or _UUID.fullmatch(value) is None:
        raise _refused(value, field, position, "a UUID")
    return UUID(value)


def _number(value: object, field: str, position: int) -> str:
    if not isinstance(value, str) or not has_e164_shape(value):
        raise _refused(value, field, position, "an E.164 phone number with a leading +")
    return value


def _refused(value: object, field: str, position: int | None, wanted: str) -> InvalidInput:
    where = field if position is None else f"{field}[{position}]"
    return InvalidInput(f"{where} is not {wanted}: {_shown(value)}", field=field, position=position)


def _shown(value: object) -> str:
    """The offending value, cut to a readable length; of a structure only its kind, for it may be deep or huge."""
    match value:
        case str():
            return repr(value[:_SHOWN_MAX])
        case None:
            return "null"
        case int() if abs(value) >= 10**_SHOWN_MAX:
            return "a number out of range"
        case bool() | int() | float():
            return repr(value)
        case Mapping():
            return "an object"
        case _:
            return "an array"
