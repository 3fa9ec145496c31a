"""Lists that are verified after their upload was answered, against PostgreSQL."""

from ringoff.domain.identifiers import CampaignId, OwnerId, WorkspaceId
from ringoff.domain.list_upload import ClaimedUpload, Progress, UploadRow, UploadState, VerifiedUpload
from ringoff.store.connection import Connection, row_count
from ringoff.store.sql_loader import load

_SQL = load("lists")
_ANALYZE_FILLED = load("filled")["analyze"]
_PUBLISH_STARTED = load("registrations")["publish_started"]

_ANALYZE_FROM = 1_000


class PostgresLists:
    """Implements ``campaign_ports.ListStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add_upload(
        self, workspace_id: WorkspaceId, campaign_id: CampaignId, country_code: str, file_bytes: int
    ) -> None:
        await self._connection.execute(_SQL["add_upload"], workspace_id, campaign_id, country_code, file_bytes)

    async def add_chunk(self, workspace_id: WorkspaceId, campaign_id: CampaignId, chunk_no: int, chunk: bytes) -> None:
        await self._connection.execute(_SQL["add_chunk"], workspace_id, campaign_id, chunk_no, chunk)

    async def chunk(self, workspace_id: WorkspaceId, campaign_id: CampaignId, chunk_no: int) -> bytes | None:
        found: bytes | None = await self._connection.fetchval(_SQL["chunk"], workspace_id, campaign_id, chunk_no)
        return found

    async def upload(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> UploadRow | None:
        row = await self._connection.fetchrow(_SQL["upload"], workspace_id, campaign_id)
        if row is None:
            return None
        return UploadRow(
            campaign_id=row["campaign_id"],
            campaign_name=row["name"],
            campaign_status=row["status"],
            total_count=row["total_count"],
            state=UploadState(row["state"]),
            file_bytes=row["file_bytes"],
            progress=Progress(row["bytes_read"], row["rows_read"], row["invalid_count"], row["registered_count"]),
            faults=row["faults"],
            failure=row["failure"],
        )

    async def is_verifying(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> bool:
        return bool(await self._connection.fetchval(_SQL["is_verifying"], workspace_id, campaign_id))

    async def claim(self, owner_id: OwnerId, lease_s: float) -> ClaimedUpload | None:
        row = await self._connection.fetchrow(_SQL["claim"], owner_id, lease_s)
        return None if row is None else ClaimedUpload(**dict(row))

    async def renew(self, claimed: ClaimedUpload, owner_id: OwnerId, progress: Progress, lease_s: float) -> bool:
        is_ours = await self._connection.fetchval(
            _SQL["renew"],
            claimed.workspace_id,
            claimed.campaign_id,
            owner_id,
            lease_s,
            progress.bytes_read,
            progress.rows_read,
            progress.invalid_count,
            progress.registered_count,
        )
        return bool(is_ours)

    async def put_off(self, claimed: ClaimedUpload, owner_id: OwnerId, pause_s: float) -> int | None:
        count: int | None = await self._connection.fetchval(
            _SQL["put_off"], claimed.workspace_id, claimed.campaign_id, owner_id, pause_s
        )
        return count

    async def allow_long_statements(self) -> None:
        await self._connection.execute(_SQL["allow_long_statements"])

    async def register_slice(self, claimed: ClaimedUpload, after: int, count_max: int) -> tuple[int, int]:
        row = await self._connection.fetchrow(
            _SQL["register_slice"], claimed.workspace_id, claimed.campaign_id, after, count_max
        )
        assert row is not None, "an aggregate always answers"
        return row["registered_count"], row["last_contact_id"]

    async def publish_started(self, claimed: ClaimedUpload) -> None:
        await self._connection.execute(_PUBLISH_STARTED, claimed.workspace_id, claimed.campaign_id)

    async def analyze(self, registered_count: int) -> None:
        if registered_count >= _ANALYZE_FROM:
            # Rows and statistics become visible together: a plan made for an empty table would read this one whole.
            await self._connection.execute(_ANALYZE_FILLED)

    async def finish(self, claimed: ClaimedUpload, owner_id: OwnerId, verified: VerifiedUpload) -> bool:
        status = await self._connection.execute(
            _SQL["finish"],
            claimed.workspace_id,
            claimed.campaign_id,
            owner_id,
            verified.state,
            verified.rows_read,
            verified.invalid_count,
            verified.registered_count,
            list(verified.faults),
            verified.failure,
        )
        return row_count(status) == 1

    async def drop_chunks(self, workspace_id: WorkspaceId, campaign_id: CampaignId) -> None:
        await self._connection.execute(_SQL["drop_chunks"], workspace_id, campaign_id)
