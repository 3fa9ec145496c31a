"""Verifies one large list: reads what was kept of it and registers its calls, all of them in one transaction or none.

Whoever dies in the middle leaves nothing behind but the kept bytes, so starting over makes no call twice. What an
order for the list needs is in ``finish``: see docs/decisions.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import IO, Final

import msgspec

from ringoff.domain.errors import SerializationConflict
from ringoff.domain.identifiers import OwnerId
from ringoff.domain.list_upload import ClaimedUpload, Progress, ProgressBoard, UploadState, VerifiedUpload
from ringoff.operations.csv_report import PROGRESS, ReadOptions
from ringoff.operations.uploads import CsvUpload, UploadRefused, UploadReport
from ringoff.ports import Gate, Store, Transaction, open_gate

SLICE_ROWS: Final = 100_000
"""Calls that one statement registers: what the progress moves by."""
_FAILURE_CHARS_MAX: Final = 1_000


class ListVerification:
    """What the loop that claims lists does with each."""

    def __init__(self, store: Store, gate: Gate = open_gate) -> None:
        self._store = store
        self._gate = gate

    async def verify(self, claimed: ClaimedUpload, owner_id: OwnerId, board: ProgressBoard) -> VerifiedUpload:
        """Register the calls of a claimed list, or write down why it has none.

        ``SerializationConflict`` when another process has taken the list: then nothing was changed.
        """
        with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as marks:
            await _fetch(self._store, claimed, file)
            await self._gate("verify.fetched")
            try:
                async with self._store.transaction() as tx:
                    verified = await _register(tx, claimed, file, marks, board)
                    await self._gate("verify.registered")
                    await self._finish(tx, claimed, owner_id, verified)
                return verified
            except UploadRefused as refused:
                failure = refused.message[:_FAILURE_CHARS_MAX]
        return await self.give_up(claimed, owner_id, failure)

    async def give_up(self, claimed: ClaimedUpload, owner_id: OwnerId, failure: str) -> VerifiedUpload:
        """End a verification that registers nothing."""
        failed = VerifiedUpload(UploadState.FAILED, failure=failure)
        async with self._store.transaction() as tx:
            await self._finish(tx, claimed, owner_id, failed)
        return failed

    async def _finish(
        self, tx: Transaction, claimed: ClaimedUpload, owner_id: OwnerId, verified: VerifiedUpload
    ) -> None:
        """An order finds the list still verified, or all of its calls; the lock is held for the commit alone."""
        await tx.lists.drop_chunks(claimed.workspace_id, claimed.campaign_id)
        await tx.lists.publish_started(claimed)
        await tx.lists.analyze(verified.registered_count)
        await tx.terminations.lock_agent(claimed.workspace_id, claimed.agent_id, shared=True)
        await self._gate("verify.locked")
        if not await tx.lists.finish(claimed, owner_id, verified):
            raise SerializationConflict("the list is verified by another process")
        await self._gate("verify.before_commit")


async def _fetch(store: Store, claimed: ClaimedUpload, file: IO[bytes]) -> None:
    """What was kept, as a real file: the reader is another process."""
    fetched, chunk_no = 0, 0
    async with store.transaction() as tx:
        while fetched < claimed.file_bytes:
            chunk = await tx.lists.chunk(claimed.workspace_id, claimed.campaign_id, chunk_no)
            if chunk is None:
                raise SerializationConflict("the list was verified by another process")
            await asyncio.to_thread(file.write, chunk)
            fetched, chunk_no = fetched + len(chunk), chunk_no + 1
    await asyncio.to_thread(file.flush)


async def _register(
    tx: Transaction, claimed: ClaimedUpload, file: IO[bytes], marks: IO[bytes], board: ProgressBoard
) -> VerifiedUpload:
    options = ReadOptions(
        workspace_id=claimed.workspace_id,
        campaign_id=claimed.campaign_id,
        variables_map=dict(claimed.variables_map),
        country_code=claimed.country_code,
        remove_invalid_rows=True,
    )
    await tx.lists.allow_long_statements()
    async with CsvUpload(file, options, marks) as upload:
        copied_count = await tx.campaigns.copy_contacts(_noted(upload.rows(), marks, board))
        report = upload.report
    board.latest = Progress(claimed.file_bytes, report.total_rows, report.invalid_rows)
    registered_count = await _register_calls(tx, claimed, board)
    if not copied_count == report.valid_rows == registered_count:
        raise RuntimeError(
            f"{report.valid_rows} rows were read, {copied_count} stored, {registered_count} registered as calls"
        )
    return _verified(report)


async def _noted(rows: AsyncIterator[bytes], marks: IO[bytes], board: ProgressBoard) -> AsyncIterator[bytes]:
    """The same bytes; what the reader has noted is written on the board."""
    async for chunk in rows:
        mark = os.pread(marks.fileno(), PROGRESS.size, 0)
        if len(mark) == PROGRESS.size:
            board.latest = Progress(*PROGRESS.unpack(mark))
        yield chunk


async def _register_calls(tx: Transaction, claimed: ClaimedUpload, board: ProgressBoard) -> int:
    total, last_contact_id = 0, 0
    while True:
        count, last_contact_id = await tx.lists.register_slice(claimed, last_contact_id, SLICE_ROWS)
        total += count
        board.latest = replace(board.latest, registered_count=total)
        if count < SLICE_ROWS:
            return total


def _verified(report: UploadReport) -> VerifiedUpload:
    return VerifiedUpload(
        UploadState.VERIFIED,
        rows_read=report.total_rows,
        invalid_count=report.invalid_rows,
        registered_count=report.valid_rows,
        faults=[msgspec.structs.asdict(fault) for fault in report.errors],
    )
