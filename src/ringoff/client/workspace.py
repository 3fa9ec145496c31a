"""The workspace of the key, its members, its numbers."""

from ringoff.client.answers import Workspace, WorkspaceNumber, WorkspaceUser
from ringoff.client.exchange import COMPATIBLE, Repeat, Request, no_answer, segment, within
from ringoff.client.methods import C, Group, Method

# By these names: a method that is called `list` hides the type in its class.
Workspaces = list[Workspace]
Users = list[WorkspaceUser]
Numbers = list[WorkspaceNumber]


class WorkspaceMethods(Group[C]):
    """``client.workspace``."""

    @Method
    def get(self) -> Request[Workspace]:
        """The workspace that the key opens."""
        return Request("GET", f"{COMPATIBLE}/workspace", within("workspace_info", Workspace), repeat=Repeat.FREELY)

    @Method
    def list(self) -> Request[Workspaces]:
        """Every workspace of whoever owns the key."""
        return Request("GET", f"{COMPATIBLE}/workspace/all", within("workspaces", Workspaces), repeat=Repeat.FREELY)

    @Method
    def users(self) -> Request[Users]:
        """Its members; Ringoff has none."""
        return Request("GET", f"{COMPATIBLE}/workspace/users", within("workspace_users", Users), repeat=Repeat.FREELY)


class NumberMethods(Group[C]):
    """``client.numbers``: what may be shown to whoever is called."""

    @Method
    def list(self) -> Request[Numbers]:
        """All calling numbers."""
        read = within("workspace_numbers", Numbers)
        return Request("GET", f"{COMPATIBLE}/workspace/numbers", read, repeat=Repeat.FREELY)

    @Method
    def remove(self, number_id: str) -> Request[None]:
        """Give a number back; refused while somebody may be called from it."""
        return Request("DELETE", f"{COMPATIBLE}/workspace/number/{segment(number_id)}", no_answer, repeat=Repeat.FREELY)
