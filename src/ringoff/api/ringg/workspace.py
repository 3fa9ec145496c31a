"""``GET /workspace`` and ``GET /workspace/numbers``."""

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, instant
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
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


@ROUTES.add("GET", "/workspace")
async def read_workspace(services: Services, principal: Principal) -> WorkspaceAnswer:
    """The workspace that the key opens."""
    workspace = await workspaces.workspace_of(services.store, principal)
    return WorkspaceAnswer(WorkspaceView(str(workspace.workspace_id), workspace.name, instant(workspace.created_at)))


@ROUTES.add("GET", "/workspace/numbers")
async def list_workspace_numbers(services: Services, principal: Principal) -> WorkspaceNumbersAnswer:
    """The calling numbers, whose ids go into from_number_id."""
    return WorkspaceNumbersAnswer([_shown(view) for view in await numbers.list_numbers(services.store, principal)])


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
    )
