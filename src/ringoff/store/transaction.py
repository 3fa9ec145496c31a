"""What one transaction offers: the store of each noun, all on one connection."""

from ringoff.store.callbacks import PostgresCallbacks
from ringoff.store.calls import PostgresCalls
from ringoff.store.campaigns import PostgresCampaigns
from ringoff.store.connection import Connection, is_lost
from ringoff.store.dispatch import PostgresDispatch
from ringoff.store.erasures import PostgresErasures
from ringoff.store.fair_shares import PostgresFairShares
from ringoff.store.figures import PostgresFigures
from ringoff.store.history import PostgresHistory
from ringoff.store.invariants import PostgresInvariants
from ringoff.store.lists import PostgresLists
from ringoff.store.number_pools import PostgresNumberPools
from ringoff.store.partitions import PostgresPartitions
from ringoff.store.readings import PostgresReadings
from ringoff.store.receipts import PostgresReceipts
from ringoff.store.retention import PostgresRetention
from ringoff.store.sessions import PostgresSessions
from ringoff.store.subscriptions import PostgresSubscriptions
from ringoff.store.suppressions import PostgresSuppressions
from ringoff.store.terminations import PostgresTerminations
from ringoff.store.webhooks import PostgresWebhooks
from ringoff.store.workspaces import PostgresWorkspaces


class PostgresTransaction:
    """One open transaction; each property is the store of one noun on its connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def workspaces(self) -> PostgresWorkspaces:
        return PostgresWorkspaces(self._connection)

    @property
    def number_pools(self) -> PostgresNumberPools:
        return PostgresNumberPools(self._connection)

    @property
    def campaigns(self) -> PostgresCampaigns:
        return PostgresCampaigns(self._connection)

    @property
    def lists(self) -> PostgresLists:
        return PostgresLists(self._connection)

    @property
    def calls(self) -> PostgresCalls:
        return PostgresCalls(self._connection)

    @property
    def history(self) -> PostgresHistory:
        return PostgresHistory(self._connection)

    @property
    def figures(self) -> PostgresFigures:
        return PostgresFigures(self._connection)

    @property
    def dispatch(self) -> PostgresDispatch:
        return PostgresDispatch(self._connection)

    @property
    def fair_shares(self) -> PostgresFairShares:
        return PostgresFairShares(self._connection)

    @property
    def terminations(self) -> PostgresTerminations:
        return PostgresTerminations(self._connection)

    @property
    def receipts(self) -> PostgresReceipts:
        return PostgresReceipts(self._connection)

    @property
    def sessions(self) -> PostgresSessions:
        return PostgresSessions(self._connection)

    @property
    def suppressions(self) -> PostgresSuppressions:
        return PostgresSuppressions(self._connection)

    @property
    def erasures(self) -> PostgresErasures:
        return PostgresErasures(self._connection)

    @property
    def retention(self) -> PostgresRetention:
        return PostgresRetention(self._connection)

    @property
    def subscriptions(self) -> PostgresSubscriptions:
        return PostgresSubscriptions(self._connection)

    @property
    def webhooks(self) -> PostgresWebhooks:
        return PostgresWebhooks(self._connection)

    @property
    def callbacks(self) -> PostgresCallbacks:
        return PostgresCallbacks(self._connection)

    @property
    def invariants(self) -> PostgresInvariants:
        return PostgresInvariants(self._connection)

    @property
    def readings(self) -> PostgresReadings:
        return PostgresReadings(self._connection)

    @property
    def partitions(self) -> PostgresPartitions:
        return PostgresPartitions(self._connection)

    @property
    def is_lost(self) -> bool:
        return is_lost(self._connection)

    @property
    def connection(self) -> Connection:
        """For migrations, invariants and tests; operations never touch it."""
        return self._connection
