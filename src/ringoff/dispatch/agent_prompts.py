"""The scripts of agents that are being dialled for: read once, and again when the agent has changed."""

from datetime import datetime
from typing import Final

from ringoff.domain.agent_prompt import AgentScript, agent_script
from ringoff.domain.attempt_records import DialWork
from ringoff.domain.carrier import HandlingKind
from ringoff.domain.identifiers import AgentId, WorkspaceId
from ringoff.ports import Store

_SCRIPTS_MAX = 1_000
_NO_SCRIPT: Final = AgentScript()

_Key = tuple[WorkspaceId, AgentId]


class AgentPrompts:
    """A prompt may have some ten thousand characters: too much to read with every look for work."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[_Key, tuple[datetime, AgentScript]] = {}

    async def learn(self, work: DialWork) -> None:
        """Before the permit: under its locks nothing is read that can wait. Without a taker, nobody needs a script."""
        if work.handling.kind is HandlingKind.NONE:
            return
        key = (work.workspace_id, work.agent_id)
        known = self._known.get(key)
        if known is not None and known[0] == work.agent_changed_at:
            return
        async with self._store.dispatch_transaction() as tx:
            agent = await tx.workspaces.agent(*key)
        if agent is not None:
            if len(self._known) >= _SCRIPTS_MAX:
                self._known.clear()
            self._known[key] = (work.agent_changed_at, agent_script(agent.primary_language, agent.config))

    def script(self, work: DialWork) -> AgentScript:
        """Empty when nobody takes the calls."""
        known = self._known.get((work.workspace_id, work.agent_id))
        return _NO_SCRIPT if known is None else known[1]
