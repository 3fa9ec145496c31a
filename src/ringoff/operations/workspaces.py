"""Who may ask: workspaces, their API keys (random, shown once, stored hashed), and the rows of the first start."""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Final

from ringoff.domain.errors import Conflict, InvalidInput, NotFound, Unauthorized
from ringoff.domain.identifiers import ApiKeyId, WorkspaceId
from ringoff.domain.workspace import ApiKey, Principal, Workspace
from ringoff.operations.agents import ALWAYS_CARRIED_VARIABLES
from ringoff.ports import Store, Transaction

KEY_MARK: Final = "ringoff_live_"
KEY_RANDOM_BYTES: Final = 32
KEY_LENGTH_MAX: Final = 256
NAME_LENGTH_MAX: Final = 100

DEFAULT_WORKSPACE: Final = "Default workspace"
DEFAULT_TRUNK: Final = "Simulated carrier"
DEFAULT_TRUNK_DRIVER: Final = "simulated"
DEFAULT_CPS_MAX: Final = 50.0
DEFAULT_CHANNELS_MAX: Final = 500
DEFAULT_CALLING_NUMBER: Final = "+12025550100"
DEFAULT_AGENT: Final = "Demo agent"
FIRST_KEY_NAME: Final = "First key"

_PREFIX_LENGTH: Final = len(KEY_MARK) + 4


async def ensure_first_rows(store: Store, bootstrap_key: str | None) -> str | None:
    """Make the first workspace with all that a first call needs; return the text of the key if one was made.

    Does nothing once there is a workspace with a key, so every process may call it at every start.
    """
    async with store.transaction() as tx:
        await tx.workspaces.lock_first_rows()
        workspaces = await tx.workspaces.workspaces()
        first = workspaces[0] if workspaces else await _add_first_workspace(tx)
        if await tx.workspaces.api_keys(first.workspace_id):
            return None
        text = _checked_key(bootstrap_key) if bootstrap_key else _new_key()
        await _store_key(tx, first.workspace_id, FIRST_KEY_NAME, text)
        return text


async def create_workspace(store: Store, name: str) -> Workspace:
    """Make an empty workspace."""
    _require_name(name, "name")
    async with store.transaction() as tx:
        await tx.workspaces.lock_first_rows()
        if any(workspace.name == name for workspace in await tx.workspaces.workspaces()):
            raise Conflict(f"a workspace named {name!r} exists already", field="name")
        return await tx.workspaces.add_workspace(name)


async def create_api_key(store: Store, workspace_name: str | None, name: str) -> tuple[ApiKey, str]:
    """Make a key for a workspace by its name (the oldest workspace without one); the text is not kept."""
    _require_name(name, "name")
    async with store.transaction() as tx:
        named = [w for w in await tx.workspaces.workspaces() if workspace_name in (None, w.name)]
        if not named:
            raise NotFound(f"No workspace named {workspace_name!r}", field="workspace")
        oldest = min(named, key=lambda workspace: workspace.created_at)
        text = _new_key()
        return await _store_key(tx, oldest.workspace_id, name, text), text


async def issue_api_key(
    store: Store, principal: Principal, name: str, api_key_id: ApiKeyId | None = None
) -> tuple[ApiKey, str]:
    """Make one more key for the caller's own workspace.

    Whoever chooses its id makes one key however often they ask: ``Conflict`` from the second time on.
    """
    _require_name(name, "name")
    async with store.transaction() as tx:
        text = _new_key()
        return await _store_key(tx, principal.workspace_id, name, text, api_key_id), text


async def renew_api_key(store: Store, principal: Principal) -> tuple[ApiKey, str]:
    """End the caller's key and make one of the same name in its place, both or neither.

    ``Unauthorized`` when somebody ended the key first: of two that renew it, one gets the new key.
    """
    async with store.transaction() as tx:
        ended = await tx.workspaces.revoke_api_key(principal.workspace_id, principal.api_key_id)
        if ended is None:
            raise Unauthorized("Invalid credentials")
        text = _new_key()
        return await _store_key(tx, principal.workspace_id, ended.name, text), text


async def authenticate(store: Store, key_text: str) -> Principal | None:
    """Find whose key this is. Asked of the database each time, so that a revoked key stops at once."""
    if not 0 < len(key_text) <= KEY_LENGTH_MAX:
        return None
    async with store.single_read() as tx:
        return await tx.workspaces.principal_by_key_hash(_hash(key_text))


async def list_api_keys(store: Store, principal: Principal) -> Sequence[ApiKey]:
    """All keys of the workspace, revoked ones too, without their secrets."""
    async with store.transaction() as tx:
        return await tx.workspaces.api_keys(principal.workspace_id)


async def revoke_api_key(store: Store, principal: Principal, api_key_id: ApiKeyId) -> ApiKey:
    """End a key now; revoking it again changes nothing."""
    async with store.transaction() as tx:
        revoked = await tx.workspaces.revoke_api_key(principal.workspace_id, api_key_id)
        if revoked is not None:
            return revoked
        for key in await tx.workspaces.api_keys(principal.workspace_id):
            if key.api_key_id == api_key_id:
                return key
    raise NotFound("API key not found", field="api_key_id")


async def workspace_of(store: Store, principal: Principal) -> Workspace:
    """The caller's workspace."""
    async with store.transaction() as tx:
        workspace = await tx.workspaces.workspace(principal.workspace_id)
    if workspace is None:
        raise NotFound("Workspace not found")
    return workspace


async def _add_first_workspace(tx: Transaction) -> Workspace:
    workspace = await tx.workspaces.add_workspace(DEFAULT_WORKSPACE)
    trunk = await tx.workspaces.add_trunk(
        workspace.workspace_id, DEFAULT_TRUNK, DEFAULT_TRUNK_DRIVER, DEFAULT_CPS_MAX, DEFAULT_CHANNELS_MAX, {}
    )
    await tx.workspaces.add_number(workspace.workspace_id, DEFAULT_CALLING_NUMBER, None, trunk.trunk_id)
    await tx.workspaces.add_agent(
        workspace.workspace_id, DEFAULT_AGENT, "outbound", "en-US", ALWAYS_CARRIED_VARIABLES, {}
    )
    return workspace


async def _store_key(
    tx: Transaction, workspace_id: WorkspaceId, name: str, text: str, api_key_id: ApiKeyId | None = None
) -> ApiKey:
    # A key that somebody chose may be short: what is shown of it is never more than a quarter.
    prefix = text[: min(_PREFIX_LENGTH, len(text) // 4)] if not text.startswith(KEY_MARK) else text[:_PREFIX_LENGTH]
    key = await tx.workspaces.add_api_key(workspace_id, name, _hash(text), prefix, api_key_id)
    if key is None:
        raise Conflict("the key with this api_key_id is made already, and a key is shown once", field="api_key_id")
    return key


def _hash(key_text: str) -> bytes:
    # A key carries 256 random bits, so a slow, salted hash would add cost for every request and no safety.
    return hashlib.sha256(key_text.encode()).digest()


def _new_key() -> str:
    return KEY_MARK + secrets.token_urlsafe(KEY_RANDOM_BYTES)


def _checked_key(text: str) -> str:
    if len(text) > KEY_LENGTH_MAX or not text.isascii() or not text.isprintable() or " " in text:
        raise InvalidInput(f"the bootstrap key must be at most {KEY_LENGTH_MAX} printable ASCII characters, no spaces")
    return text


def _require_name(name: str, field: str) -> None:
    if not name.strip() or len(name) > NAME_LENGTH_MAX:
        raise InvalidInput(f"{field} must have 1 to {NAME_LENGTH_MAX} characters", field=field)
