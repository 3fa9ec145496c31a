"""The seam: what the product asks of its store and its clock; ``driver_port`` has what it asks of a carrier.

Transactions begin and end in ``operations`` and ``dispatch``; a store method never commits. Every write of a
status names the status that it expects: zero rows is an answer, not an error.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from ringoff.callback_ports import CallbackStore
from ringoff.campaign_ports import CampaignStore, ListStore
from ringoff.dispatch_ports import DispatchStore
from ringoff.domain.call_timeline import CallEvent, TimelineAttempt
from ringoff.domain.carrier import AnswerHandling
from ringoff.domain.identifiers import (
    AgentId,
    ApiKeyId,
    CallId,
    NumberId,
    TerminationId,
    TrunkId,
    WorkspaceId,
)
from ringoff.domain.readings import PoolUse
from ringoff.domain.records import (
    CallDetail,
    NewCall,
)
from ringoff.domain.workspace import (
    Agent,
    AgentFilter,
    ApiKey,
    CallingNumber,
    NumberFilter,
    Principal,
    Trunk,
    Workspace,
)
from ringoff.erasure_ports import ErasureStore
from ringoff.fair_share_ports import FairShareStore
from ringoff.figure_ports import FigureStore
from ringoff.history_ports import HistoryStore
from ringoff.number_pool_ports import NumberPoolStore
from ringoff.order_ports import (
    InvariantStore,
    ReadingStore,
    ReceiptStore,
    SubscriptionStore,
    SuppressionStore,
    TerminationStore,
    WebhookStore,
)
from ringoff.partition_ports import PartitionStore
from ringoff.retention_ports import RetentionStore
from ringoff.session_ports import SessionStore

Gate = Callable[[str], Awaitable[None]]
"""A named point in the code where a race test may hold a task; see ``open_gate``."""


async def open_gate(_name: str) -> None:
    """The gate of production: nobody waits."""


class Wakeup(StrEnum):
    """What the database may notify the loops of."""

    DUE = "ringoff_due"
    """Something may have become due."""
    RELEASE = "ringoff_release"
    """An order wants attempts released."""
    CALLBACK = "ringoff_callback"
    """A carrier has posted a report."""


class Clock(Protocol):
    """Time: wall for windows and records, monotonic for durations and deadlines."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float:
        """Steady seconds for durations and deadlines; they pass while the machine is suspended."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC, for records that are compared across processes of one machine."""

    async def sleep(self, seconds: float) -> None: ...


class WorkspaceStore(Protocol):
    """Tenants and what they own besides campaigns. Every read and write names its workspace."""

    async def lock_first_rows(self) -> None:
        """Queue behind any other process that makes the first rows; held to the end of the transaction."""

    async def add_workspace(self, name: str) -> Workspace: ...
    async def workspace(self, workspace_id: WorkspaceId) -> Workspace | None: ...
    async def workspaces(self) -> Sequence[Workspace]: ...
    async def add_api_key(
        self, workspace_id: WorkspaceId, name: str, key_hash: bytes, prefix: str, api_key_id: ApiKeyId | None = None
    ) -> ApiKey | None:
        """None when the workspace has a key with that id already; without an id it gets a new one."""

    async def principal_by_key_hash(self, key_hash: bytes) -> Principal | None: ...
    async def api_keys(self, workspace_id: WorkspaceId) -> Sequence[ApiKey]: ...
    async def revoke_api_key(self, workspace_id: WorkspaceId, api_key_id: ApiKeyId) -> ApiKey | None: ...

    async def add_agent(
        self,
        workspace_id: WorkspaceId,
        display_name: str,
        agent_type: str,
        primary_language: str,
        custom_variables: Sequence[str],
        config: Mapping[str, Any],
    ) -> Agent: ...
    async def agent(self, workspace_id: WorkspaceId, agent_id: AgentId) -> Agent | None:
        """Archived ones too: their calls go on."""

    async def agent_to_edit(self, workspace_id: WorkspaceId, agent_id: AgentId) -> Agent | None:
        """Locked to the end of the transaction; None for an archived one."""

    async def change_agent(self, agent: Agent) -> Agent | None:
        """Name, type, language, variables and config become these, in a new version; None for an archived one."""

    async def agent_names(self, workspace_id: WorkspaceId, limit: int) -> Mapping[AgentId, str]:
        """Names to pick from, archived ones last."""

    async def archive_agent(self, workspace_id: WorkspaceId, agent_id: AgentId) -> bool:
        """Also takes it off its numbers; False when there is no such agent, or it is archived."""

    async def attach_number(self, workspace_id: WorkspaceId, number_id: NumberId, agent_id: AgentId) -> bool:
        """False when the number has an agent, or is none."""

    async def detach_number(self, workspace_id: WorkspaceId, number_id: NumberId, agent_id: AgentId) -> bool:
        """False when this is not the number's agent."""

    async def attached_agents(self, workspace_id: WorkspaceId) -> Mapping[AgentId, str]:
        """The agents that numbers are attached to, with their names."""

    async def campaign_showing(self, workspace_id: WorkspaceId, number: str) -> str | None:
        """The name of a campaign that is started, not done, and shows this number; None without one."""

    async def individual_call_shows(self, workspace_id: WorkspaceId, number: str) -> bool:
        """Whether an individual call that waits, or is on the wire, shows this number."""

    async def change_handling(
        self, workspace_id: WorkspaceId, agent_id: AgentId, handling: AnswerHandling
    ) -> Agent | None: ...
    async def agents(self, workspace_id: WorkspaceId, limit: int, offset: int) -> Sequence[tuple[Agent, int]]:
        """Agents that are not archived, newest first, each with its number of calls."""

    async def agents_uncounted(self, workspace_id: WorkspaceId, wanted: AgentFilter) -> Sequence[Agent]:
        """Archived ones too; ``agents`` also counts the calls of each."""

    async def add_trunk(
        self,
        workspace_id: WorkspaceId,
        name: str,
        driver: str,
        cps_max: float,
        channels_max: int,
        config: Mapping[str, Any],
    ) -> Trunk: ...
    async def trunk(self, workspace_id: WorkspaceId, trunk_id: TrunkId) -> Trunk | None: ...
    async def trunks(self, workspace_id: WorkspaceId) -> Sequence[Trunk]: ...
    async def change_trunk(
        self,
        workspace_id: WorkspaceId,
        trunk_id: TrunkId,
        name: str | None,
        cps_max: float | None,
        channels_max: int | None,
        is_enabled: bool | None,
        config: Mapping[str, Any] | None,
    ) -> Trunk | None:
        """Whoever enables it or changes its configuration has looked at its alarm: that goes."""

    async def add_number(
        self, workspace_id: WorkspaceId, number: str, display_name: str | None, trunk_id: TrunkId
    ) -> CallingNumber | None:
        """None when the workspace has this number already."""

    async def number(self, workspace_id: WorkspaceId, number_id: NumberId) -> CallingNumber | None: ...
    async def remove_number(self, workspace_id: WorkspaceId, number_id: NumberId) -> CallingNumber | None: ...
    async def numbers(self, workspace_id: WorkspaceId) -> Sequence[tuple[CallingNumber, int]]:
        """Numbers with the count of dial attempts that showed them."""

    async def own_numbers(self, workspace_id: WorkspaceId, wanted: NumberFilter) -> Sequence[CallingNumber]:
        """A page in their order; ``numbers`` also counts the attempts of each."""

    async def numbers_matching(
        self, workspace_id: WorkspaceId, numbers_or_ids: Sequence[str]
    ) -> Mapping[str, CallingNumber]:
        """For each given E.164 number or number id that the workspace owns: the number, by the given spelling."""


class CallStore(Protocol):
    """Calls as people see them: registration and details. Reads see the effective status only."""

    async def register(self, call: NewCall) -> CallId: ...
    async def call(self, workspace_id: WorkspaceId, call_id: CallId) -> CallDetail | None: ...
    async def timeline_attempts(self, workspace_id: WorkspaceId, call_id: CallId) -> Sequence[TimelineAttempt]:
        """In the order in which they were prepared."""

    async def events(self, workspace_id: WorkspaceId, call_id: CallId, limit: int) -> Sequence[CallEvent]:
        """As far as they are kept, oldest first."""

    async def covered_by(self, workspace_id: WorkspaceId, call_id: CallId) -> TerminationId | None:
        """The order that the call is on the receipt of, settled or not."""

    async def wake_dispatchers(self) -> None:
        """NOTIFY the dispatchers, at commit, that something became due."""


class Transaction(Protocol):
    """One database transaction; commits when its context ends without an exception."""

    @property
    def is_lost(self) -> bool:
        """Its session is known to be gone, and its locks with it."""

    @property
    def workspaces(self) -> WorkspaceStore: ...
    @property
    def number_pools(self) -> NumberPoolStore: ...
    @property
    def campaigns(self) -> CampaignStore: ...
    @property
    def lists(self) -> ListStore: ...
    @property
    def calls(self) -> CallStore: ...
    @property
    def history(self) -> HistoryStore: ...
    @property
    def figures(self) -> FigureStore: ...
    @property
    def dispatch(self) -> DispatchStore: ...
    @property
    def fair_shares(self) -> FairShareStore: ...
    @property
    def terminations(self) -> TerminationStore: ...
    @property
    def receipts(self) -> ReceiptStore: ...
    @property
    def sessions(self) -> SessionStore: ...
    @property
    def suppressions(self) -> SuppressionStore: ...
    @property
    def erasures(self) -> ErasureStore: ...
    @property
    def retention(self) -> RetentionStore: ...
    @property
    def subscriptions(self) -> SubscriptionStore: ...
    @property
    def webhooks(self) -> WebhookStore: ...
    @property
    def callbacks(self) -> CallbackStore: ...
    @property
    def invariants(self) -> InvariantStore: ...
    @property
    def readings(self) -> ReadingStore: ...
    @property
    def partitions(self) -> PartitionStore: ...


class Store(Protocol):
    """PostgreSQL, or nothing: there is no second implementation."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]: ...
    def single_read(self) -> AbstractAsyncContextManager[Transaction]:
        """For one statement that reads, without a transaction around it; never queued behind an upload."""

    def order_transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """For terminations: short statements only, never queued behind an upload."""

    def dispatch_transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that the database itself ends when it idles for longer than ``originate_timeout_ms``."""

    def snapshot(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction in which every statement sees the same instant, and in which the database refuses to write."""

    def wakeups(self) -> AbstractAsyncContextManager[AsyncIterator[frozenset[Wakeup]]]:
        """Yields once for each burst of NOTIFY, with what it was about."""

    async def ping(self) -> None:
        """``DatabaseUnavailable`` unless the database answers, ``MigrationRefused`` unless its schema is current."""

    def pool_use(self) -> Sequence[PoolUse]:
        """This process's connections, now."""
