"""The form of an order: what was typed and picked, the request that it means, and every complaint about it at once."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from ringoff.api.errors import located
from ringoff.dashboard.visit import Fields
from ringoff.domain.errors import InvalidInput
from ringoff.domain.termination import (
    CALL_IDS_MAX,
    MOBILE_NUMBERS_MAX,
    TerminationOrder,
    bad_entries,
    parse_order,
)

LEVELS: Final[Mapping[str, tuple[str, str]]] = {
    "campaign": ("A whole campaign", "Every call of one campaign that is not over."),
    "agent": ("An agent", "Every call of one agent, in all its campaigns and by itself."),
    "campaign_numbers": ("Numbers in a campaign", "Calls to these people in one campaign only."),
    "numbers": ("Numbers everywhere", "Calls to these people, whoever calls them."),
    "calls": ("Single calls", "These calls and no other."),
}
TYPED_COUNT_FROM: Final = 1_000
"""Orders that end so many calls want their count typed."""
GROWTH_MAX: Final = 1.1
"""An order may cover so much more than the preview showed, before it is shown again."""
UNCOUNTED: Final = "uncounted"
"""The count of an order of which somebody was told that it cannot be counted."""
_COUNT_LENGTH_MAX: Final = 15
_SEPARATORS: Final = re.compile(r"[\n\r,;]+")


@dataclass(frozen=True, slots=True)
class OrderForm:
    """As filled in; shown again exactly so when something is wrong."""

    level: str = "campaign"
    agent_id: str = ""
    picked_campaign_id: str = ""
    other_campaign_id: str = ""
    """Typed beside the list of those that can be picked."""
    numbers: str = ""
    call_ids: str = ""
    reason: str = ""
    ongoing: str = "finish"
    suppress: bool = False
    key: str = ""
    """The Idempotency-Key of this form: sent twice, the order is given once."""
    shown_count: str = ""
    """How many calls the preview said that the order would end."""
    shown_order: str = ""
    """The mark of the order whose preview was shown."""
    typed_count: str = ""

    @property
    def campaign_id(self) -> str:
        return self.other_campaign_id or self.picked_campaign_id

    @property
    def takes_campaign(self) -> bool:
        return self.level in {"campaign", "campaign_numbers"}

    @property
    def takes_numbers(self) -> bool:
        return self.level in {"numbers", "campaign_numbers"}

    @property
    def is_empty(self) -> bool:
        """Nothing is chosen yet: there is nothing to complain about."""
        return not any(
            (
                self.takes_campaign and self.campaign_id,
                self.level == "agent" and self.agent_id,
                self.takes_numbers and self.numbers,
                self.level == "calls" and self.call_ids,
            )
        )


def read(fields: Fields) -> OrderForm:
    """What a POST of the form, or a link to it, says."""
    level = fields.text("level")
    return OrderForm(
        level=level if level in LEVELS else "campaign",
        agent_id=fields.text("agent_id"),
        picked_campaign_id=fields.text("campaign_id"),
        other_campaign_id=fields.text("other_campaign_id"),
        numbers=fields.text("numbers"),
        call_ids=fields.text("call_ids"),
        reason=fields.text("reason"),
        ongoing=fields.text("ongoing") or "finish",
        suppress=fields.is_ticked("suppress"),
        key=fields.text("key"),
        shown_count=fields.text("shown_count"),
        shown_order=fields.text("shown_order"),
        typed_count=fields.text("typed_count"),
    )


def order_of(form: OrderForm) -> tuple[TerminationOrder | None, Sequence[str]]:
    """The order that the form means, or every complaint about it in the words of the API."""
    body: dict[str, object] = {"ongoing": form.ongoing, "suppress": form.suppress and form.takes_numbers}
    complaints: list[str] = []
    if form.reason:
        body["reason"] = form.reason
    if form.level == "agent":
        body["agent_id"] = form.agent_id
    if form.takes_campaign:
        body["campaign_id"] = form.campaign_id
        # Whichever of the two went first, somebody would end another campaign than the one they look at.
        if form.other_campaign_id and form.picked_campaign_id not in {"", form.other_campaign_id}:
            complaints.append("campaign_id: one campaign is picked, and the id of another is given: clear one of them.")
    for name, text, is_wanted, count_max in (
        ("mobile_numbers", form.numbers, form.takes_numbers, MOBILE_NUMBERS_MAX),
        ("call_ids", form.call_ids, form.level == "calls", CALL_IDS_MAX),
    ):
        if is_wanted:
            body[name], wrong = _pasted(text, name, count_max)
            complaints += wrong
    if complaints:
        return None, complaints
    try:
        return parse_order(body), ()
    except InvalidInput as error:
        return None, [located(error)]


def mark_of(order: TerminationOrder) -> str:
    """The same for orders that cover the same calls and end them the same way.

    Reason and suppression may be chosen after a preview, which says nothing of them.
    """
    return hashlib.sha256(msgspec.json.encode(replace(order, reason=None, suppress=False))).hexdigest()


def count_complaint(form: OrderForm, order: TerminationOrder, terminable_count: int | None) -> str | None:
    """Why this order is not given yet; None when what was seen and typed allows it. Empty when nothing was seen.

    ``terminable_count`` is None when nobody can count it now: then what was seen has to do.
    """
    is_counted = form.shown_count.isdecimal() and len(form.shown_count) <= _COUNT_LENGTH_MAX
    if not is_counted and form.shown_count != UNCOUNTED:
        return ""
    if form.shown_order != mark_of(order):
        return "the form has changed since its calls were counted: this is what it would end now"
    if not is_counted:
        return None if terminable_count is None else "its calls can be counted again: this is what it would end"
    shown_count = int(form.shown_count)
    if terminable_count is not None and has_grown(terminable_count, shown_count):
        return f"it would now end {terminable_count:,} calls, and {shown_count:,} were shown to you: look again"
    if shown_count >= TYPED_COUNT_FROM and form.typed_count.replace(",", "").replace(" ", "") != form.shown_count:
        return f"type {form.shown_count} to say that this many calls are to end"
    return None


def has_grown(count: int, shown_count: int) -> bool:
    """By more than what goes on while somebody reads."""
    return count > max(shown_count * GROWTH_MAX, shown_count + 10)


def typed_complaint(typed: str, count: int) -> str | None:
    """Why so many calls are not ended yet on a page that says their number and is not looked at again."""
    digits = typed.replace(",", "").replace(" ", "")
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= _COUNT_LENGTH_MAX
    if count < TYPED_COUNT_FROM or (is_number and int(digits) >= count / GROWTH_MAX):
        return None
    return f"this ends {count:,} calls: go back, and type {count} to say that so many are to end"


def _pasted(text: str, name: str, count_max: int) -> tuple[list[str], list[str]]:
    entries = [entry.strip() for entry in _SEPARATORS.split(text) if entry.strip()]
    if len(entries) > count_max:
        return entries, [f"{name} takes at most {count_max} entries, not {len(entries)}."]
    return entries, [f"Entry {(error.position or 0) + 1}: {error.message}" for error in bad_entries(name, entries)]
