"""Which of the workspace's own numbers a request names, by number or by id."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from ringoff.domain.errors import InvalidInput
from ringoff.domain.identifiers import WorkspaceId
from ringoff.domain.workspace import CallingNumber
from ringoff.ports import Transaction

GIVEN_MAX: Final = 100


async def resolve_calling_numbers(
    tx: Transaction, workspace_id: WorkspaceId, given: Sequence[str], field: str
) -> Sequence[CallingNumber]:
    """The numbers in the order given, each once; a spelling that the workspace does not own is an error."""
    if not given:
        raise InvalidInput(f"{field} must not be empty", field=field)
    if len(given) > GIVEN_MAX:
        raise InvalidInput(f"{field} has {len(given)} entries, more than {GIVEN_MAX}", field=field)
    spellings = [_canonical(text) for text in given]
    owned = await tx.workspaces.numbers_matching(workspace_id, spellings)
    for position, spelling in enumerate(spellings):
        if spelling not in owned:
            raise InvalidInput(
                f"{field}[{position}] is not a number of this workspace: {spelling[:64]!r}",
                field=field,
                position=position,
            )
    return list({owned[spelling].number_id: owned[spelling] for spelling in spellings}.values())


def _canonical(text: str) -> str:
    """An id in any spelling of UUIDs as the store writes it; anything else as it is."""
    try:
        return str(UUID(text))
    except ValueError:
        return text
