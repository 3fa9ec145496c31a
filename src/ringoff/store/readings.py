"""How busy the installation is, read from PostgreSQL; the statements in ``sql/readings.sql`` say what they may cost."""

from typing import Final

from ringoff.domain.pacing import PACE_SHARE_MIN, RECOVERY_S
from ringoff.domain.readings import DriverReading, Reading
from ringoff.store.connection import Connection
from ringoff.store.sql_loader import load

_SQL = load("readings")
_DRIVERS, _STARTED, _BACKLOG = _SQL["drivers"], _SQL["started"], _SQL["backlog"]
_CONFIRMING = load("durability")["confirming_count"]
_UNDELIVERED = load("webhooks")["oldest_undelivered_s"]

_STATES: Final = ("prepared", "originated", "ringing", "answered")
_CONDITIONS: Final = ("enabled", "stopped", "down", "silent", "slowed", "full")
_STATUSES: Final = ("scheduled", "ongoing", "paused")


class PostgresReadings:
    """Implements ``ports.ReadingStore`` on one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def read(self) -> Reading:
        drivers = await self._connection.fetch(_DRIVERS, RECOVERY_S, PACE_SHARE_MIN)
        started = await self._connection.fetchrow(_STARTED)
        backlog = await self._connection.fetchrow(_BACKLOG)
        undelivered_s = await self._connection.fetchval(_UNDELIVERED)
        assert started is not None, "a sum always has its row"
        assert backlog is not None, "a count always has its row"
        return Reading(
            drivers=[
                DriverReading(
                    driver=row["driver"],
                    live_by_state={state: row[state] for state in _STATES},
                    channels_max=row["channels_max"],
                    cps=row["cps"],
                    cps_max=row["cps_max"],
                    cps_allowed=row["cps_allowed"],
                    trunks_by_condition={condition: row[condition] for condition in _CONDITIONS},
                )
                for row in drivers
            ],
            campaigns_by_status={status: started[status] for status in _STATUSES},
            calls_open=started["calls_open"],
            settling_count=backlog["settling_count"],
            settling_oldest_s=backlog["settling_oldest_s"],
            outbox_oldest_s=backlog["outbox_oldest_s"],
            undelivered_oldest_s=undelivered_s or 0.0,
            webhooks_paused_count=backlog["webhooks_paused_count"],
            confirming_standbys=await self._connection.fetchval(_CONFIRMING),
        )
