"""Numbers that must not be rung: add, import, list, export, remove. The permit judges; no dial goes past it."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from ringoff.domain.errors import InvalidInput, NotFound
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.phone_number import NumberNormalizer
from ringoff.domain.records import SuppressedNumber
from ringoff.domain.termination import REASON_LENGTH_MAX
from ringoff.domain.workspace import Principal
from ringoff.operations.csv_columns import NUMBER_VARIABLE
from ringoff.operations.csv_report import ReadOptions
from ringoff.operations.uploads import CsvUpload, UploadedFile, UploadReport
from ringoff.ports import Store

EXPORT_PAGE_MAX: Final = 1_000
COUNTED_MAX: Final = 100_000
"""A page that people look at counts so far; counting millions would cost more than the page."""
NOT_SUPPRESSED: Final = "The number is not suppressed"

_LENGTH_MAX: Final = 16
_SEARCH: Final = re.compile(r"\+?[0-9]{0,15}", re.ASCII)
_SEPARATORS: Final = re.compile(r"[\s().\-/]+")


@dataclass(frozen=True, slots=True)
class ImportForm:
    """What the client says about an uploaded list of numbers; the rules are those of a campaign's upload."""

    country_code: str
    number_column: str | None
    """The column with the numbers; without it, the one that an upload of contacts would take."""
    remove_invalid_rows: bool
    reason: str | None


async def suppress(store: Store, principal: Principal, numbers: Sequence[str], reason: str | None) -> int:
    """Add numbers; how many are new. Once this returns, no permit is granted for any of them."""
    _require_reason(reason)
    async with store.transaction() as tx:
        added_count = await tx.suppressions.add(
            principal.workspace_id, numbers, reason=reason, api_key_id=principal.api_key_id
        )
        # Permits in flight end before the commit, and those that follow see the list.
        await tx.suppressions.lock(principal.workspace_id)
    return added_count


async def import_suppressions(
    store: Store, principal: Principal, form: ImportForm, file: UploadedFile
) -> tuple[UploadReport, int]:
    """Add every number of a CSV, or none; the report of the file, and how many numbers are new."""
    _require_reason(form.reason)
    NumberNormalizer(form.country_code)  # Refuses a country code that is none, before the file is read.
    options = ReadOptions(
        workspace_id=principal.workspace_id,
        # The rows are staged as contacts of no campaign, and only their numbers are kept.
        campaign_id=CampaignId(principal.workspace_id),
        variables_map={} if form.number_column is None else {NUMBER_VARIABLE: form.number_column},
        country_code=form.country_code,
        remove_invalid_rows=form.remove_invalid_rows,
    )
    async with store.transaction() as tx, CsvUpload(file, options) as upload:
        added_count = await tx.suppressions.import_contacts(
            principal.workspace_id, upload.rows(), reason=form.reason, api_key_id=principal.api_key_id
        )
        await tx.suppressions.lock(principal.workspace_id)
    return upload.report, added_count


async def list_suppressions(
    store: Store, principal: Principal, after: str, number: str | None, limit: int
) -> tuple[Sequence[SuppressedNumber], int]:
    """One page by number, above ``after``, and how many numbers are suppressed in all."""
    async with store.transaction() as tx:
        lowest, highest = _beginning_with("+") if number is None else (number, number)
        page = await tx.suppressions.page(principal.workspace_id, after, lowest, highest, limit)
        return page, await tx.suppressions.count(principal.workspace_id)


def read_search(text: str) -> str:
    """The beginning of a number as people type it, made the beginning of E.164; ``+`` alone for no text.

    ``InvalidInput`` for what no number begins with: such a search must not look like an empty list.
    """
    digits = _SEPARATORS.sub("", text)
    digits = digits.removeprefix("00")
    if _SEARCH.fullmatch(digits) is None:
        raise InvalidInput(
            f"a number is found by its first digits, calling code first, as in +1415: not by {text[:_LENGTH_MAX]!r}",
            field="number",
        )
    return "+" + digits.removeprefix("+")


async def find_suppressions(
    store: Store, principal: Principal, beginning: str, after: str, limit: int
) -> tuple[Sequence[SuppressedNumber], int]:
    """One page of the numbers that begin so, above ``after``, and how many are suppressed, up to ``COUNTED_MAX``."""
    async with store.transaction() as tx:
        page = await tx.suppressions.page(principal.workspace_id, after, *_beginning_with(beginning), limit)
        return page, await tx.suppressions.count_up_to(principal.workspace_id, COUNTED_MAX)


async def suppression(store: Store, principal: Principal, number: str) -> SuppressedNumber:
    """One number of the list."""
    async with store.transaction() as tx:
        page = await tx.suppressions.page(principal.workspace_id, "", number, number, 1)
    if not page:
        raise NotFound(NOT_SUPPRESSED, field="mobile_number")
    return page[0]


async def every_suppression(store: Store, principal: Principal) -> AsyncIterator[Sequence[SuppressedNumber]]:
    """The whole list, page by page, without a transaction that stays open while a client reads slowly."""
    after = ""
    while True:
        async with store.transaction() as tx:
            page = await tx.suppressions.page(principal.workspace_id, after, *_beginning_with("+"), EXPORT_PAGE_MAX)
        if page:
            yield page
        if len(page) < EXPORT_PAGE_MAX:
            return
        after = page[-1].mobile_number


async def allow(store: Store, principal: Principal, number: str) -> None:
    """Take a number off the list. Calls that were skipped meanwhile stay cancelled."""
    async with store.transaction() as tx:
        if not await tx.suppressions.remove(principal.workspace_id, number):
            raise NotFound(NOT_SUPPRESSED, field="mobile_number")


def _beginning_with(beginning: str) -> tuple[str, str]:
    """The bounds of the numbers that begin so: digits only, so that every collation agrees."""
    return beginning, beginning.ljust(_LENGTH_MAX, "9")


def _require_reason(reason: str | None) -> None:
    if reason is not None and len(reason) > REASON_LENGTH_MAX:
        raise InvalidInput(f"reason takes at most {REASON_LENGTH_MAX} characters, not {len(reason)}", field="reason")
