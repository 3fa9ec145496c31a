"""The primary and its standby of a run: each on a host of its own, its tables and its log on disks of their own."""

import shutil
import subprocess
from collections.abc import Mapping

from tests.multihost.disks import Disk
from tests.multihost.network import Host
from tests.support.replicated import Node, Place, ReplicatedPostgres

SYSTEM_USER = "pgserver"
"""Whom PostgreSQL runs as, for root."""
MEGABYTES = {"node1-tables": 768, "node1-log": 384, "node2-tables": 768, "node2-log": 384}
"""More than a run of an hour writes; the files are sparse."""
_COPY_TIMEOUT_S = 60
_SETTINGS = {
    # So small that the log moves into new files all the time, as on a busy server: a full disk is noticed at once.
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
    "wal_keep_size": "64MB",
}


class DiskedNode(Node):
    """A node whose tables and whose write-ahead log lie on two disks."""

    def __init__(self, node: Node, tables: Disk, log: Disk) -> None:
        super().__init__(node.name, node.place, node.directory.parent, node.settings)
        self._disks = (tables, log)
        self.directory = tables.path / "cluster"
        self._wal = log.path / "wal"

    def copy(self, source: Node) -> None:
        for disk in self._disks:
            disk.free()
        shutil.rmtree(self._wal, ignore_errors=True)
        super().copy(source)

    def start(self, *, waits_for: str = "") -> None:
        inside = self.directory / "pg_wal"
        if not inside.is_symlink():
            # With its owners, which shutil would leave behind.
            subprocess.run(["cp", "-a", str(inside), str(self._wal)], check=True, timeout=_COPY_TIMEOUT_S)
            shutil.rmtree(inside)
            inside.symlink_to(self._wal)
        super().start(waits_for=waits_for)


class Databases(ReplicatedPostgres):
    """Two hosts, four disks. ``use`` comes before the start."""

    def __init__(self, first: Host, second: Host) -> None:
        places = [Place(host.address, netns=host.namespace) for host in (first, second)]
        super().__init__(*places, is_durable=True, settings=_SETTINGS)
        self._hosts = {self.primary.name: first, self.standby.name: second}
        self._disks: Mapping[str, Disk] = {}

    def use(self, disks: Mapping[str, Disk]) -> None:
        self._disks = disks
        self.primary, self.standby = (
            DiskedNode(node, self.tables_of(node), self.log_of(node)) for node in (self.primary, self.standby)
        )

    def host_of(self, node: Node) -> Host:
        return self._hosts[node.name]

    def tables_of(self, node: Node) -> Disk:
        return self._disks[f"{node.name}-tables"]

    def log_of(self, node: Node) -> Disk:
        return self._disks[f"{node.name}-log"]
