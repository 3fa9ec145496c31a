"""``/workspace``: the workspace, its members (none), its numbers, and the key that is asking."""

from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, instant
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.identifiers import NumberId
from ringoff.domain.workspace import Principal
from ringoff.operations import numbers, workspaces
from ringoff.operations.numbers import NumberView

ROUTES = RouteTable("/ca/api/v0", ErrorShape.CODED, "workspace")


class WorkspaceView(msgspec.Struct):
    id: str
    name: str
    created_at: Instant
    credits: float = 0
    """Always 0: Ringoff bills nobody."""
    locked_credits: float = 0


class WorkspaceAnswer(msgspec.Struct):
    workspace_info: WorkspaceView


class OwnedWorkspace(WorkspaceView, kw_only=True):
    role: str = "owner"
    """A key may do everything in its workspace."""


class WorkspacesAnswer(msgspec.Struct):
    workspaces: list[OwnedWorkspace]


class WorkspaceUser(msgspec.Struct):
    """For the document only: there are none."""

    id: str
    username: str
    email: str
    role: str
    invite_status: str


class WorkspaceUsersAnswer(msgspec.Struct):
    workspace_users: list[WorkspaceUser]


class NumberAgent(msgspec.Struct):
    id: str
    agent_display_name: str


class WorkspaceNumber(msgspec.Struct):
    id: str
    number: str
    created_at: Instant
    call_count: int
    provider: str | None
    display_name: str | None
    telephony_id: str
    agent: NumberAgent | None = None
    is_inbound_enabled: bool = False
    is_test_number: bool = False
    tags: list[str] = []
    is_spam: bool = False
    spam_message: str | None = None
    owner: str | None = None
    is_custom_number: bool = True
    number_pool_id: str | None = None


class WorkspaceNumbersAnswer(msgspec.Struct):
    workspace_numbers: list[WorkspaceNumber]


class RemovedNumberAnswer(msgspec.Struct):
    message: str = "Number deallocated successfully!"


class NewApiKeyAnswer(msgspec.Struct):
    new_api_key: str
    """Shown this once."""


@ROUTES.add("GET", "/workspace")
async def read_workspace(services: Services, principal: Principal) -> WorkspaceAnswer:
    """The workspace that the key opens."""
    workspace = await workspaces.workspace_of(services.store, principal)
    return WorkspaceAnswer(WorkspaceView(str(workspace.workspace_id), workspace.name, instant(workspace.created_at)))


@ROUTES.add("GET", "/workspace/all")
async def list_workspaces(services: Services, principal: Principal) -> WorkspacesAnswer:
    """The one workspace that the key opens."""
    workspace = await workspaces.workspace_of(services.store, principal)
    return WorkspacesAnswer(
        [OwnedWorkspace(str(workspace.workspace_id), workspace.name, instant(workspace.created_at))]
    )


@ROUTES.add("GET", "/workspace/users")
async def list_workspace_users(_services: Services, principal: Principal) -> WorkspaceUsersAnswer:  # noqa: ARG001 - by name
    """Nobody: whoever has a key of the workspace may do everything, and there are no accounts of people."""
    return WorkspaceUsersAnswer([])


@ROUTES.add("PATCH", "/workspace/api-key", deprecated=True)
async def renew_api_key(services: Services, principal: Principal) -> NewApiKeyAnswer:
    """Take a new key for the one that asks, which ends at once; other keys of the workspace stay."""
    _, text = await workspaces.renew_api_key(services.store, principal)
    return NewApiKeyAnswer(text)


@ROUTES.add("GET", "/workspace/numbers")
async def list_workspace_numbers(services: Services, principal: Principal) -> WorkspaceNumbersAnswer:
    """The calling numbers, whose ids go into from_number_id."""
    return WorkspaceNumbersAnswer([_shown(view) for view in await numbers.list_numbers(services.store, principal)])


@ROUTES.add("DELETE", "/workspace/number/{number_id}", errors=(404,))
async def remove_workspace_number(services: Services, principal: Principal, number_id: UUID) -> RemovedNumberAnswer:
    """Take a number out of the workspace; refused while somebody may be called from it."""
    await numbers.remove_number(services.store, principal, NumberId(number_id))
    return RemovedNumberAnswer()


def _shown(view: NumberView) -> WorkspaceNumber:
    number = view.number
    return WorkspaceNumber(
        id=str(number.number_id),
        number=number.number,
        created_at=instant(number.created_at),
        call_count=view.attempt_count,
        provider=view.trunk.driver if view.trunk else None,
        display_name=number.display_name,
        telephony_id=str(number.trunk_id),
        agent=NumberAgent(str(number.agent_id), view.agent_name) if number.agent_id and view.agent_name else None,
        number_pool_id=None if number.number_pool_id is None else str(number.number_pool_id),
    )
