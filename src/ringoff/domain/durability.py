"""Whether an acknowledged order survives what this database's settings let happen to it, and the words for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standby:
    """A server that follows the primary."""

    name: str
    sync_state: str | None
    """``sync``, ``quorum``, ``potential`` or ``async``; None when our role may not see it."""


@dataclass(frozen=True, slots=True)
class Durability:
    """What a database says of itself."""

    settings: Mapping[str, str]
    """By name: fsync, full_page_writes, synchronous_standby_names."""
    commit_given: str
    """``synchronous_commit`` as server, database and role would have it; our sessions raise it to ``on``."""
    standbys: Sequence[Standby]
    has_several_hosts: bool
    """The URL says that another server is to take over."""

    @property
    def confirming(self) -> Sequence[Standby]:
        """Those that a commit waits for."""
        return [standby for standby in self.standbys if standby.sync_state in {"sync", "quorum"}]


def judge(found: Durability) -> tuple[bool, str]:
    """Whether the promise can be kept, and why."""
    off = [f"{name} = off" for name in ("fsync", "full_page_writes") if found.settings.get(name) == "off"]
    if off:
        return False, f"an acknowledged termination could be lost in a crash: {', '.join(off)}"
    names = found.settings.get("synchronous_standby_names", "").strip()
    if names:
        is_good, words = _with_standbys(found, names)
    elif found.has_several_hosts or found.standbys:
        is_good, words = _with_nobody_to_wait_for(found)
    else:
        is_good, words = True, "what is acknowledged is on the disk of this one server, and lost with it"
    if found.commit_given in {"on", "remote_apply"}:
        return is_good, words
    return is_good, f"{words}; synchronous_commit = {found.commit_given} is raised to on by our sessions"


def _with_standbys(found: Durability, names: str) -> tuple[bool, str]:
    if found.confirming:
        confirming = ", ".join(sorted(standby.name for standby in found.confirming))
        return True, f"what is acknowledged is on disk here and confirmed by a synchronous standby: {confirming}"
    if any(standby.sync_state is None for standby in found.standbys):
        return True, f"commits wait for {names}; whether it is there, a role that is a member of pg_monitor may see"
    return False, f"commits wait for {names}, and it is not there: nothing is acknowledged or dialled until it is back"


def _with_nobody_to_wait_for(found: Durability) -> tuple[bool, str]:
    why = "the database URL names several hosts" if found.has_several_hosts else "a standby follows this server"
    return False, (
        f"{why}, but synchronous_standby_names is empty: a commit waits for no standby, so a termination that was"
        " acknowledged just before a fail-over can be lost, and the calls that it covers be dialled"
    )
