"""The calls of one campaign as a table: filtered, newest first, turned over in both directions."""

from typing import Final
from uuid import UUID

from ringoff.domain.call_table import CallTableFilter, CallTablePage
from ringoff.domain.errors import InvalidInput, NotFound
from ringoff.domain.identifiers import BEYOND_EVERY_ID, FIRST_ID, CallId
from ringoff.domain.phone_number import require_e164
from ringoff.domain.workspace import Principal
from ringoff.ports import Store

LOOKED_MAX: Final = 20_000
"""Calls that are looked at for one page, where no index has the rows that are wanted."""
PAGE_TIMEOUT_MS: Final = 10_000


async def call_table(store: Store, principal: Principal, wanted: CallTableFilter) -> CallTablePage:
    """One page on one snapshot; ``NotFound`` when there is no such campaign.

    By status and date a page costs a page. By sub-status or number up to 20,000 calls are looked at: a page may then
    have fewer rows than it could, and still go on.
    """
    if wanted.below is not None and wanted.above is not None:
        raise InvalidInput("Provide only one of: below, above", field="above")
    if wanted.called_number is not None:
        require_e164(wanted.called_number, "mobile_number", None)
    async with store.snapshot() as tx:
        if await tx.campaigns.campaign(principal.workspace_id, wanted.campaign_id) is None:
            raise NotFound("Campaign not found", field="campaign_id")
        await tx.history.for_pages(PAGE_TIMEOUT_MS)
        found = await tx.history.table(principal.workspace_id, wanted, LOOKED_MAX)
        rows = await tx.history.shown(principal.workspace_id, found.call_ids[: wanted.limit])
    # Behind a fence of numbers a row can be other than it is written.
    calls = [call for call in rows if wanted.shows(call)]
    # With more than a page, the walk goes on behind its last row, shown or not; else where it has stopped.
    further = found.call_ids[wanted.limit - 1] if len(found.call_ids) > wanted.limit else found.stopped_at
    if wanted.above is None:
        # What is newer than this page is what was not below the cursor.
        return CallTablePage(calls, newer=_beside(wanted.below, -1), older=further)
    return CallTablePage(calls[::-1], newer=further, older=_beside(wanted.above, 1))


def _beside(call_id: CallId | None, step: int) -> CallId | None:
    """The id before or after, so that a walk back begins with the cursor itself."""
    if call_id is None:
        return None
    return CallId(UUID(int=min(max(call_id.int + step, FIRST_ID.int), BEYOND_EVERY_ID.int)))
