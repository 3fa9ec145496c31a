"""Sessions of the dashboard: opened with an API key, found by a random token, ended by signing out or with the key."""

import hashlib
import secrets
from typing import Final

from ringoff.domain.errors import Unauthorized
from ringoff.domain.session import Session
from ringoff.operations import workspaces
from ringoff.ports import Store

TOKEN_RANDOM_BYTES: Final = 32
TOKEN_LENGTH_MAX: Final = 64
SESSION_H: Final = 12
"""How long a session lasts, whatever is done with it."""


async def sign_in(store: Store, key_text: str) -> str:
    """Open a session; the token's text is returned once and not kept. ``Unauthorized`` for a key that opens nothing."""
    principal = await workspaces.authenticate(store, key_text)
    if principal is None:
        raise Unauthorized("Invalid credentials", field="api_key")
    token = secrets.token_urlsafe(TOKEN_RANDOM_BYTES)
    async with store.transaction() as tx:
        await tx.sessions.remove_ended(principal.workspace_id)
        await tx.sessions.add(principal, _hash(token), SESSION_H)
    return token


async def session_of(store: Store, token: str) -> Session | None:
    """Whose token this is. Asked of the database each time, so that what has ended stops at once."""
    if not 0 < len(token) <= TOKEN_LENGTH_MAX:
        return None
    async with store.single_read() as tx:
        return await tx.sessions.by_token(_hash(token))


async def reveal_numbers(store: Store, session: Session, *, reveals_numbers: bool) -> None:
    """Show this session called numbers in full, or masked again."""
    async with store.transaction() as tx:
        await tx.sessions.reveal(session.workspace_id, session.session_id, reveals_numbers=reveals_numbers)


async def sign_out(store: Store, session: Session) -> None:
    """End it: the token opens nothing any more."""
    async with store.transaction() as tx:
        await tx.sessions.remove(session.workspace_id, session.session_id)


def _hash(token: str) -> bytes:
    # 256 random bits, as with API keys.
    return hashlib.sha256(token.encode()).digest()
