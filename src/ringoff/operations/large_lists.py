"""Large lists: kept when the upload is answered, verified afterwards; what they need and how far they are."""

import asyncio
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final

from ringoff.domain.call_config import CallConfig
from ringoff.domain.errors import InvalidInput, NotFound
from ringoff.domain.identifiers import AgentId, CampaignId
from ringoff.domain.list_upload import UploadRow
from ringoff.domain.phone_number import NumberNormalizer
from ringoff.domain.records import NewCampaign
from ringoff.domain.workspace import Principal
from ringoff.operations.agents import active_agent
from ringoff.operations.campaigns import INVALID_AGENT, checked_times, require_name
from ringoff.operations.csv_columns import plan_columns
from ringoff.operations.csv_reader import Faults, records
from ringoff.operations.csv_report import FileRefused, refuse_file
from ringoff.operations.csv_text import open_text, refuse_other_formats
from ringoff.ports import Gate, Store, Transaction, open_gate

CHUNK_BYTES: Final = 1 << 20
INVALID_FILE: Final = "Invalid CSV file or variable mapping."
"""The public API's own words."""


@dataclass(frozen=True, slots=True)
class LargeListForm:
    """What the client says about a large list. Times are as written, local to the config's time zone."""

    agent_id: AgentId
    name: str
    country_code: str
    variables_map: Mapping[str, str]
    call_config: CallConfig
    start_time: str | None = None
    end_time: str | None = None


class ReadableFile:
    """The bytes of an upload, read beside the event loop."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    async def rewind(self) -> int:
        """To the beginning; the size in bytes."""
        size = await asyncio.to_thread(self._file.seek, 0, io.SEEK_END)
        await asyncio.to_thread(self._file.seek, 0)
        return size

    async def read(self) -> bytes:
        """The next chunk; empty at the end."""
        return await asyncio.to_thread(self._file.read, CHUNK_BYTES)


async def upload(
    store: Store,
    principal: Principal,
    form: LargeListForm,
    file: ReadableFile,
    now: datetime,
    *,
    gate: Gate = open_gate,
) -> CampaignId:
    """Keep a list for verification. Once this returns it is durable, and its calls count as registered for any order.

    Only what can be judged by the beginning of the file is refused here (``InvalidInput``); then nothing is kept.
    """
    start_at, end_at = checked_times(form.call_config, form.start_time, form.end_time, now)
    require_name(form.name)
    NumberNormalizer(form.country_code)  # Refuses a country code that is none.
    file_bytes = await file.rewind()
    chunk = await file.read()
    _require_columns(chunk, form.variables_map)
    workspace_id = principal.workspace_id
    async with store.transaction() as tx:
        if await active_agent(tx, workspace_id, form.agent_id) is None:
            raise InvalidInput(INVALID_AGENT, field="agent_id")
        campaign_id = await tx.campaigns.add_campaign(
            NewCampaign(
                workspace_id=workspace_id,
                agent_id=form.agent_id,
                name=form.name,
                call_config=form.call_config,
                variables_map=form.variables_map,
                start_at=start_at,
                end_at=end_at,
                is_verified=False,
            )
        )
        await tx.lists.add_upload(workspace_id, campaign_id, form.country_code, file_bytes)
        chunk_no = 0
        while chunk:
            await tx.lists.add_chunk(workspace_id, campaign_id, chunk_no, chunk)
            chunk = await file.read()
            chunk_no += 1
        await gate("upload.before_commit")
    return campaign_id


async def uploaded(store: Store, principal: Principal, campaign_id: CampaignId) -> UploadRow:
    """How far the verification of a large list is, or how it ended. ``NotFound`` for any other list."""
    async with store.single_read() as tx:
        return await _found(tx, principal, campaign_id)


async def _found(tx: Transaction, principal: Principal, campaign_id: CampaignId) -> UploadRow:
    found = await tx.lists.upload(principal.workspace_id, campaign_id)
    if found is None:
        raise NotFound("Bulk list not found", field="bulk_list_id")
    return found


def _require_columns(start: bytes, variables_map: Mapping[str, str]) -> None:
    """Judge the format and the header now: nobody should have to wait to learn of those."""
    try:
        refuse_other_formats(start)
        line, header = next(records(open_text(io.BytesIO(start)), Faults(are_skipped=True)), (0, None))
        if header is None:
            raise refuse_file("the file is empty")
        plan_columns(header, variables_map, line)
    except FileRefused as refused:
        place = "" if refused.refusal.line is None else f"line {refused.refusal.line}: "
        raise InvalidInput(f"{INVALID_FILE} {place}{refused.refusal.rule}", field="file") from None
