"""Calls as people see them, against PostgreSQL: registration and details."""

from collections.abc import Sequence

import asyncpg

from ringoff.domain.call_config import to_json
from ringoff.domain.call_timeline import CallEvent, TimelineAttempt
from ringoff.domain.identifiers import CallId, TerminationId, WorkspaceId
from ringoff.domain.records import AttemptRow, CallDetail, CallRow, NewCall
from ringoff.store.connection import Connection
from ringoff.store.sql_loader import load

_SQL = load("calls")


class PostgresCalls:
    """Implements ``ports.CallStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def register(self, call: NewCall) -> CallId:
        contact_id = await self._connection.fetchval(
            _SQL["add_contact"],
            call.workspace_id,
            call.campaign_id,
            call.called_number,
            call.callee_name,
            dict(call.custom_args),
        )
        call_id = await self._connection.fetchval(
            _SQL["register"],
            call.workspace_id,
            call.campaign_id,
            contact_id,
            call.epoch,
            call.called_number,
            call.calling_number,
            to_json(call.call_config),
            call.next_attempt_at,
        )
        return CallId(call_id)

    async def call(self, workspace_id: WorkspaceId, call_id: CallId) -> CallDetail | None:
        row = await self._connection.fetchrow(_SQL["call"], workspace_id, call_id)
        if row is None:
            return None
        attempts = await self._connection.fetch(_SQL["attempts"], workspace_id, call_id)
        return CallDetail(_call(row), [AttemptRow(**dict(attempt)) for attempt in attempts])

    async def timeline_attempts(self, workspace_id: WorkspaceId, call_id: CallId) -> Sequence[TimelineAttempt]:
        rows = await self._connection.fetch(_SQL["timeline_attempts"], workspace_id, call_id)
        return [TimelineAttempt(**dict(row)) for row in rows]

    async def events(self, workspace_id: WorkspaceId, call_id: CallId, limit: int) -> Sequence[CallEvent]:
        rows = await self._connection.fetch(_SQL["events"], workspace_id, call_id, limit)
        return [CallEvent(**dict(row)) for row in rows]

    async def covered_by(self, workspace_id: WorkspaceId, call_id: CallId) -> TerminationId | None:
        termination_id: TerminationId | None = await self._connection.fetchval(
            _SQL["covered_by"], workspace_id, call_id
        )
        return termination_id

    async def wake_dispatchers(self) -> None:
        await self._connection.execute(_SQL["wake_dispatchers"])


def _call(row: asyncpg.Record) -> CallRow:
    return CallRow(**dict(row))
